// Learned centres of classes: points of the space that no sample has, in a run whose loss learns them. A ringed cross in the
// colour of the class, alike on map, ruler and legend.
import { h, setText, svg } from "./dom.js";
import { CENTRE_SIZE, centreIcon } from "./marks.js";
import { rgba } from "./theme.js";
import { positionAt } from "./map_paint.js";

const CENTRE_REACH = 9; // px within which the pointer means the centre and not the samples around it

const centreSheets = new WeakMap();

/** What `positionAt` reads: the places of the centres in place of the samples'. */
function sheetOfCentres(run) {
  if (!centreSheets.has(run)) centreSheets.set(run, { pos: run.class_centres, n: run.class_centres.length / (2 * run.frames.length), frames: run.frames });
  return centreSheets.get(run);
}

/** Whether this space has places for the centres of its run: its own has, what was computed from the samples has not. */
export function placesCentres(sheet) {
  return Boolean(sheet.own && sheet.run.class_centres);
}

/** [{label, x, y}] on screen of every centre that has a place at time t; none where the space has no places for them. */
export function centreSpots(sheet, t, view) {
  if (!placesCentres(sheet)) return [];
  const centres = sheetOfCentres(sheet.run);
  return Array.from({ length: centres.n }, (_, label) => {
    const [x, y] = positionAt(centres, t, label);
    return { label, x: view.toX(x), y: view.toY(y) };
  }).filter(({ x, y }) => Number.isFinite(x + y));
}

/** Where a centre lies at a frame, in the unit of the map. */
export function centrePlace(sheet, frame, label) {
  return positionAt(sheetOfCentres(sheet.run), frame, label);
}

/** Draws them. `lit` = classes in front, or null for all; `plain`: the colour of a point is not its class's. */
export function paintCentres(pen, { spots, palette, theme, lit, plain = false, size = CENTRE_SIZE }) {
  for (const { label, x, y } of spots) {
    pen.globalAlpha = !lit || lit.has(label) ? 1 : 0.25;
    paintCentre(pen, { x, y, colour: plain ? theme.text : rgba(palette[label]), ground: theme.background, size });
  }
  pen.globalAlpha = 1;
}

/** One mark: a ringed cross on a ground of its own, to stand out from a crowd. */
export function paintCentre(pen, { x, y, colour, ground, size = CENTRE_SIZE }) {
  const arm = size - 1.2;
  pen.beginPath();
  pen.arc(x, y, size + 1, 0, 2 * Math.PI);
  pen.fillStyle = ground;
  pen.fill();
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, size - 1, 0, 2 * Math.PI);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x - arm, y);
  pen.lineTo(x + arm, y);
  pen.moveTo(x, y - arm);
  pen.lineTo(x, y + arm);
  pen.stroke();
}

/** The class whose centre lies under (px, py), or null. */
export function centreUnder(spots, [px, py]) {
  let best = null;
  let nearest = CENTRE_REACH ** 2;
  for (const { label, x, y } of spots) {
    const d = (x - px) ** 2 + (y - py) ** 2;
    if (d < nearest) [best, nearest] = [label, d];
  }
  return best;
}

/** The line of the legend, which is the switch as well. */
export function createCentreKey({ state }) {
  const words = h("span", {});
  const box = h("span", { class: "ts-map-tick", "aria-hidden": "true" });
  const mark = h("span", { class: "ts-map-centre-mark", "aria-hidden": "true" });
  const element = h("button", { type: "button", class: "ts-map-line ts-map-centres", hidden: true }, box, mark, words);
  element.addEventListener("click", () => state.set({ centres: !state.get().centres }));
  let drawn = "";
  return {
    element,
    update(s, sheet) {
      element.hidden = !sheet.run.class_centres;
      if (element.hidden) return;
      const there = placesCentres(sheet);
      element.disabled = !there;
      element.setAttribute("aria-pressed", String(there && s.centres));
      setText(words, there ? "learned centres of the classes" : "learned centres: not here, UMAP places samples only");
      element.title = there ? "show or hide the centres that the loss of this run learns, one for every class" : "a centre is no sample, and this map was made of the samples alone: choose the run\u2019s own space to see it";
      if (drawn === s.theme.key) return;
      drawn = s.theme.key;
      mark.replaceChildren(svg("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16" }, centreIcon(s.theme.text, s.theme.background, { size: 7 })));
    },
  };
}
