// Hairlines between anchor, positive and picks. Where the map is the mined space a line has its strategy's colour and its
// length is the distance; elsewhere its colour is the true distance, and a long line in a near colour shows the map's lie.
import { h, svg } from "./dom.js";
import { markColour, shapePath } from "./marks.js";
import { distanceTo, learntFrom, pickOf } from "./answers.js";
import { rulerScale, tickText } from "./scale.js";
import { rgba } from "./theme.js";
import { rampColour } from "./map_ink.js";
import { pathOf } from "./svg_pen.js";

const FAINTEST = 0.36; // of the ramp: far lines still stand out from the ground

/** Where a true distance lies on the ruler's fixed axis, as a share of its length. */
export function rulerShare(run, distance) {
  return rulerScale({ max: run.ruler_max, margin: run.margin, left: 0, right: 1 })(distance);
}

/** {colour, weight, dash} of a line by its true distance: near is strong, wide and solid; far is faint, thin and dotted. */
export function distanceStyle(share, dark) {
  const colour = rgba(rampColour(1 - (1 - FAINTEST) * share, dark));
  const dash = share < 1 / 3 ? [] : share < 2 / 3 ? [9, 5] : [2, 5];
  return { colour, weight: 4 - 2.2 * share, dash };
}

// Each line has a seam in the background colour, or it would drown among a thousand points.
export function strokeLine(pen, from, to, { colour, weight, dash }, ground) {
  if (ground) strokeLine(pen, from, to, { colour: ground, weight: weight + 2.4, dash: [] }, null);
  pen.strokeStyle = colour;
  pen.lineWidth = weight;
  pen.setLineDash(dash);
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
  pen.setLineDash([]);
}

function unitNormal([ax, ay], [bx, by]) {
  const length = Math.hypot(bx - ax, by - ay);
  return length > 1 ? [-(by - ay) / length, (bx - ax) / length] : [0, 0];
}

/** The strategies by the negative that they pick here: Map(negative -> [strategy, …]). */
export function picksByNegative(s, found) {
  const groups = new Map();
  for (const strategy of s.strategies) {
    const pick = pickOf(found.answer, found.at, strategy, found.positive);
    if (pick.kind !== "pick") continue;
    if (!groups.has(pick.negative)) groups.set(pick.negative, []);
    groups.get(pick.negative).push(strategy);
  }
  return groups;
}

/** Draws the lines and returns the pins that belong to their ends: [{index, x, y, size, ring, weight, side}]. */
export function paintLines(pen, s, { sheet, found, screen }) {
  const pins = [];
  const { dark, text, background } = s.theme;
  const at = (index, more) => {
    const [x, y] = screen(index);
    if (Number.isFinite(x) && Number.isFinite(y)) pins.push({ index, x, y, ...more });
  };
  const from = screen(s.anchor);
  const drawn = (point) => point.every(Number.isFinite) && from.every(Number.isFinite);
  const truly = (sample) => distanceStyle(rulerShare(found.run, distanceTo(found.answer, found.at, sample)), dark);
  if (found) {
    const to = screen(found.positive);
    if (drawn(to)) strokeLine(pen, from, to, sheet.exact ? { colour: text, weight: 1.8, dash: [] } : truly(found.positive), background);
    for (const [negative, list] of picksByNegative(s, found)) {
      const chosen = list.find((strategy) => strategy.name === s.lane);
      const end = screen(negative);
      if (!drawn(end)) continue;
      if (sheet.exact) paintBundle(pen, s, list, from, end);
      else {
        pen.globalAlpha = chosen ? 1 : 0.55;
        const style = truly(negative);
        strokeLine(pen, from, end, chosen ? style : { ...style, weight: 0.6 * style.weight }, chosen ? background : null);
        pen.globalAlpha = 1;
        paintMarks(pen, list, from, end, s.theme);
      }
      if (chosen) at(negative, { size: 30, ring: markColour(chosen.mark, dark), weight: 3, side: Math.PI / 2 });
    }
    at(found.positive, { size: 26, ring: text, weight: 1.5, side: -Math.PI / 4 });
  }
  at(s.anchor, { size: 32, ring: text, weight: 3, round: true, side: (-3 * Math.PI) / 4 });
  return pins;
}

/** The anchor's ways to the two centres that it learns from, drawn as those to positive and negative are. */
export function paintCentreLines(pen, s, { sheet, found, from, spots }) {
  const strategy = found && s.strategies.find(({ name }) => name === found.run.strategy);
  const learnt = strategy && learntFrom(found, strategy);
  if (!learnt || !from.every(Number.isFinite)) return;
  const { dark, text, background } = s.theme;
  const chosen = strategy.name === s.lane;
  const ends = [
    { label: learnt.own, far: learnt.dap, style: { colour: text, weight: 1.8, dash: [] } },
    { label: learnt.rival, far: learnt.dan, style: { colour: markColour(strategy.mark, dark), weight: 2.6, dash: strategy.mark?.dash ?? [] } },
  ];
  for (const { label, far, style } of ends) {
    const spot = spots.find((each) => each.label === label);
    if (!spot) continue;
    const drawn = sheet.exact ? style : distanceStyle(rulerShare(found.run, far), dark);
    pen.globalAlpha = chosen ? 1 : 0.4;
    strokeLine(pen, from, [spot.x, spot.y], chosen ? drawn : { ...drawn, weight: 0.6 * drawn.weight }, chosen ? background : null);
  }
  pen.globalAlpha = 1;
}

/** Strategies that agree share a line's way; a small offset keeps each colour and dash visible. */
function paintBundle(pen, s, list, from, to) {
  const [nx, ny] = unitNormal(from, to);
  list.forEach((strategy, i) => {
    const shift = (i - (list.length - 1) / 2) * 3;
    const chosen = strategy.name === s.lane;
    const style = { colour: markColour(strategy.mark, s.theme.dark), weight: chosen ? 2.6 : 1.2, dash: strategy.mark?.dash ?? [] };
    const moved = ([x, y]) => [x + nx * shift, y + ny * shift];
    pen.globalAlpha = chosen ? 1 : 0.4;
    strokeLine(pen, moved(from), moved(to), style, chosen ? s.theme.background : null);
  });
  pen.globalAlpha = 1;
}

/** Whose line it is, where its colour says something else: the strategies' marks along its last third. */
function paintMarks(pen, list, from, to, theme) {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const step = Math.min(0.14, 15 / Math.max(length, 1));
  list.forEach((strategy, i) => {
    const share = 0.66 - (i - (list.length - 1) / 2) * step;
    pen.save();
    pen.translate(from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share);
    const mark = pathOf(pen, shapePath(strategy.mark?.shape, 5));
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.strokeStyle = theme.background;
    pen.stroke(mark);
    pen.fillStyle = markColour(strategy.mark, theme.dark);
    pen.fill(mark);
    pen.restore();
  });
}

/** The legend of the lines: three samples from near to far, with the ends of the ruler's axis. */
export function createLineLegend() {
  const far = h("span", {});
  const drawing = svg("svg", { width: 114, height: 10, viewBox: "0 0 114 10", "aria-hidden": "true" });
  const element = h("div", { class: "ts-map-key", hidden: true }, h("div", {}, "lines: true distance"), h("div", { class: "ts-map-key-row" }, h("span", {}, "0"), drawing, far));
  return {
    element,
    update(run, dark, shown) {
      element.hidden = !shown;
      const key = `${run.ruler_max}/${dark}`;
      if (!shown || element.dataset.key === key) return;
      element.dataset.key = key;
      far.textContent = tickText(run.ruler_max);
      drawing.replaceChildren(
        ...[0, 1, 2].map((third) => {
          const { colour, weight, dash } = distanceStyle((third + 0.5) / 3, dark);
          const ends = { x1: 40 * third, x2: 40 * third + 34, y1: 5, y2: 5 };
          return svg("line", { ...ends, stroke: colour, "stroke-width": weight, "stroke-dasharray": dash.join(" ") });
        }),
      );
    },
  };
}
