// One run of the Compare page: its map at the common step and under the common camera, whom its strategy picks for the
// common anchor, and its numbers.
import { clamp, decimalsFor, fixed, h, percent, setText, wholeNumber } from "./dom.js";
import { className, classInWords, lastStepWith, sampleName } from "./store.js";
import { currentAnswer, learntFrom, measure, pickOf } from "./answers.js";
import { classColours, parseColour } from "./theme.js";
import { markColour, markIcon } from "./marks.js";
import { touches } from "./state.js";
import { projection } from "./camera.js";
import { ownSheet } from "./space.js";
import { createGlPoints } from "./map_gl.js";
import { writeDiscs } from "./map_2d.js";
import { createPixelPoints, paintsInSoftware } from "./map_pixels.js";
import { frameShape, framesAround, paintClassNames, paintScaleBar, positionAt } from "./map_paint.js";
import { centrePlace, centreSpots, paintCentres, placesCentres } from "./centres.js";
import { handleMap } from "./map_hands.js";
import { fileName, saveMenu } from "./chart_file.js";
import { paintedBy } from "./snapshot.js";

const ROOM_FOR_NAMES = 190; // px of a map's side from which classes are named
const NAMES_AT_MOST = 20;
const TELL_PAUSE = 160; // ms between two looks at the numbers while time moves
const small = (value) => (value > 0 && value < 0.0005 ? "<.001" : value >= 100 ? wholeNumber(value) : value.toFixed(value < 0.1 ? 3 : 2));

/** The numbers under a map: what is comparable first, the loss last and in grey. */
const NUMBERS = [
  { name: "recall_at_1", title: "R@1", text: (v) => v.toFixed(3), help: "share of probe samples whose nearest neighbour has their class" },
  { name: "map_at_r", title: "MAP@R", text: (v) => v.toFixed(3), help: "mean average precision among as many neighbours as the class has" },
  { name: "spread", title: "spread", text: small, help: "mean pairwise distance in the batch, in margins; near 0 everything lies on one point" },
  { name: "violating_share", title: "violating", text: percent, help: "share of the batch's eligible triplets with gap < margin" },
  { name: "mined", title: "triplets", text: wholeNumber, help: "triplets learned from before this step", sum: true },
  { name: "loss", title: "loss", text: small, help: "mean over the triplets this strategy chose itself: not comparable", last: true },
];

const sumsOf = new WeakMap();

/** Triplets learned from before a frame. */
function minedBefore(run, frame) {
  if (!sumsOf.has(run)) {
    let total = 0;
    sumsOf.set(run, Float64Array.from(run.steps, (_, i) => {
      const before = total;
      total += run.seriesOf.mined?.[i] || 0;
      return before;
    }));
  }
  return sumsOf.get(run)[run.steps.indexOf(run.frames[frame])];
}

/** Time of a run, in its own frames, at a time on the common clock: between two common steps it moves, at one it is the
 * last frame up to there. */
export function runTime(clock, digest, t) {
  const at = clock.frameOf[digest];
  const here = clamp(Math.floor(t), 0, at.length - 1);
  const next = Math.min(at.length - 1, here + 1);
  return at[here] + (at[next] - at[here]) * (t - here);
}

export function createCompareMap({ state, actions, entry }) {
  const { digest } = entry;
  const layer = () => h("canvas", { class: "ts-layer", "aria-hidden": "true" });
  const [points, over] = [layer(), layer()];
  const picture = h("div", { class: "ts-layer", role: "img", "aria-label": `Map of ${entry.title}` }, points, over);
  const surface = h("div", { class: "ts-map-surface", tabindex: "0", role: "application", "aria-label": `Map of ${entry.title}. Arrow keys go from point to point, Enter makes a point the anchor, plus and minus zoom, 0 shows all.` }, picture);
  const hint = h("div", { class: "ts-map-hint", hidden: true }, "Ctrl + wheel zooms");
  const badge = h("span", { class: "ts-compare-badge" });
  const note = h("div", { class: "ts-map-note", hidden: true }, "all in this dot");
  const map = h("div", { class: "ts-map ts-compare-canvas" }, surface, badge, hint, note);
  const title = h("h3", { class: "ts-compare-title ts-ellipsis" });
  const now = () => ({ run: state.get().runs[digest], step: state.get().runs[digest].frames[frame(state.get())] });
  const files = saveMenu({
    title: `Map of ${entry.title}`, titled: true, element: () => map, table, theme: () => state.get().theme, without: ".ts-map-hint",
    name: () => fileName(now().run.name, "step", now().step, "map", now().run.exact ? "exact" : "pca"),
    caption: () => `run ${now().run.name}, strategy ${now().run.strategy_title}, step ${now().step}; space ${now().run.badge}; anchor ${sampleName(now().run, state.get().anchor)} (${className(now().run, state.get().anchor)}); margin ${now().run.margin}, ${now().run.distance} distance`,
  });
  const told = h("p", { class: "ts-compare-pick" });
  const cells = NUMBERS.map((number) => ({ number, value: h("dd", {}), note: h("small") }));
  const numbers = h("dl", { class: "ts-compare-numbers" }, cells.map(({ number, value, note: mark }) =>
    h("div", { "data-name": number.name, "data-last": number.last ?? false, title: number.help }, h("dt", {}, number.title, mark), value)));
  const element = h("section", { class: "ts-compare-cell", "data-run": entry.name, "aria-label": entry.title }, h("div", { class: "ts-compare-head" }, title, files), map, told, numbers);

  const wanted = globalThis.__tripletscope_no_webgl ? "canvas" : globalThis.__tripletscope_renderer;
  const flat = wanted === "canvas" || (wanted !== "webgl" && paintsInSoftware());
  const drawer = (!flat && createGlPoints(points, () => redraw())) || createPixelPoints(points);
  const pen = drawer.pen ?? over.getContext("2d");
  let size = { width: 0, height: 0, ratio: 1 };
  let [view, sheet, drawn, palette, ink] = [null, null, "", [], null];
  let placed = { key: "", spots: new Float32Array(0) };
  let named = null; // the theme that the title's mark was drawn for
  let [toldAt, later] = [-Infinity, 0];

  function redraw() {
    drawn = "";
    state.touch("theme");
  }

  const observer = new ResizeObserver(() => {
    const box = map.getBoundingClientRect();
    const ratio = Math.min(2, devicePixelRatio || 1);
    if (!box.width || (box.width === size.width && box.height === size.height && ratio === size.ratio)) return;
    size = { width: box.width, height: box.height, ratio };
    for (const canvas of [points, over]) {
      canvas.width = Math.max(1, Math.round(box.width * ratio));
      canvas.height = Math.max(1, Math.round(box.height * ratio));
    }
    drawn = "";
    state.touch("size");
  });
  observer.observe(map);

  const time = (s) => runTime(s.clock, digest, s.t);
  const frame = (s) => s.clock.frameOf[digest][s.frame];

  function spots() {
    const s = state.get();
    const key = [time(s), s.camera.x, s.camera.y, s.camera.zoom, size.width, size.height].join("|");
    if (placed.key === key) return placed.spots;
    const found = placed.spots.length === 2 * sheet.n ? placed.spots : new Float32Array(2 * sheet.n);
    for (let i = 0; i < sheet.n; i++) {
      const [x, y] = positionAt(sheet, time(s), i);
      found[2 * i] = view.toX(x);
      found[2 * i + 1] = view.toY(y);
    }
    placed = { key, spots: found };
    return found;
  }

  /** What the run's own strategy does for the anchor at its frame; null while nobody has answered. */
  function pickNow(s) {
    const found = currentAnswer({ runs: s.runs, run: digest, anchor: s.anchor, answers: s.answers, frame: frame(s), positive: null, margin: null });
    if (!found) return null;
    return { ...found, pick: pickOf(found.answer, found.at, entry.strategy, found.positive) };
  }

  /** Every sample of the map: its place, and what it is to the anchor. */
  function table() {
    const s = state.get();
    const { run, step } = now();
    const found = pickNow(s);
    const picked = found?.pick.kind === "pick" ? found.pick : null;
    const roleOf = (i) => (i === s.anchor ? "anchor" : i === picked?.positive ? "positive" : i === picked?.negative ? "picked" : "");
    const space = run.exact ? "exact" : "pca";
    const rows = Array.from({ length: run.n }, (_, i) => [run.name, run.strategy, step, sampleName(run, i), className(run, i), ...positionAt(ownSheet(run), frame(s), i), roleOf(i)]);
    const own = ownSheet(run);
    if (placesCentres(own)) {
      run.class_names.forEach((name, label) => {
        const [x, y] = centrePlace(own, frame(s), label);
        if (Number.isFinite(x + y)) rows.push([run.name, run.strategy, step, "", String(name), x, y, "learned centre"]);
      });
    }
    return [["run", "strategy", "step", "id", "class", `x (${space})`, `y (${space})`, "role"], rows];
  }

  function draw(s) {
    const run = s.runs[digest];
    if (!run || !size.width || !s.theme) return;
    sheet = ownSheet(run);
    view = projection(s.camera, sheet, size.width, size.height);
    const t = time(s);
    const [at, next, blend] = framesAround(sheet, t);
    const inkKey = `${digest}|${s.theme.key}`;
    if (ink?.key !== inkKey) {
      palette = classColours(run.class_names.length, s.theme.dark);
      ink = { key: inkKey, inks: palette.map((colour) => [...colour, 235]), of: run.label, order: null };
    }
    const key = [inkKey, t, s.camera.x, s.camera.y, s.camera.zoom, size.width, size.height].join("|");
    if (key !== drawn) {
      drawn = key;
      const dot = dotSize(s);
      drawer.draw({ sheet, at, next, blend, view, left: null, ink, spots, ground: parseColour(s.theme.background), size: dot, ratio: size.ratio });
    } else drawer.show?.(); // what lies over the points is painted anew
    pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    if (!drawer.pen) pen.clearRect(0, 0, size.width, size.height);
    paintOver(pen, s, run, t);
  }

  const dotSize = (s) => clamp(3.4 * clamp((2000 / sheet.n) ** 0.18, 0.6, 1.6) * s.camera.zoom ** 0.3 * Math.sqrt(Math.min(size.width, size.height) / 420), 2, 9);
  paintedBy(points, (pen) => sheet && writeDiscs(pen, { sheet, spots, ink, ground: parseColour(state.get().theme.background), size: dotSize(state.get()), ...size }));
  paintedBy(over, (pen) => sheet && paintOver(pen, { ...state.get(), hover: null }, state.get().runs[digest], time(state.get())));

  function paintOver(pen, s, run, t) {
    const screen = (index) => {
      const [x, y] = positionAt(sheet, t, index);
      return [view.toX(x), view.toY(y)];
    };
    const shape = frameShape(sheet, frame(s));
    const collapsed = shape.radius * view.scale < 7;
    note.hidden = !collapsed;
    if (collapsed) {
      note.style.left = `${clamp(view.toX(shape.cx), 60, size.width - 60)}px`;
      note.style.top = `${clamp(view.toY(shape.cy) + 26, 30, size.height - 30)}px`;
    } else if (Math.min(size.width, size.height) >= ROOM_FOR_NAMES && run.class_names.length <= NAMES_AT_MOST) {
      const blocked = [[0, 0, size.width, 26], [0, size.height - 26, size.width / 2, size.height]];
      paintClassNames(pen, { sheet, frame: frame(s), screen, palette, theme: s.theme, blocked, wanted: null, lit: null, plain: false, width: size.width, height: size.height });
    }
    const found = s.playing || s.dragging ? null : pickNow(s);
    const spot = screen(s.anchor);
    const centres = centreSpots(sheet, t, view);
    const learnt = found && learntFrom(found, entry.strategy);
    const centreOf = (wanted) => centres.filter(({ label }) => label === wanted).map(({ x, y }) => [x, y])[0] ?? [NaN, NaN];
    if (learnt) {
      line(pen, spot, centreOf(learnt.own), s.theme.text, []);
      line(pen, spot, centreOf(learnt.rival), markColour(entry.mark, s.theme.dark), [5, 3]);
    }
    paintCentres(pen, { spots: centres, palette, theme: s.theme, lit: null, size: 6 });
    if (found?.pick.kind === "pick") {
      line(pen, spot, screen(found.pick.positive), s.theme.text, []);
      line(pen, spot, screen(found.pick.negative), markColour(entry.mark, s.theme.dark), [5, 3]);
      ring(pen, screen(found.pick.positive), 5, s.theme.text, s.theme.background);
      ring(pen, screen(found.pick.negative), 6, markColour(entry.mark, s.theme.dark), s.theme.background);
    }
    ring(pen, spot, 8, s.theme.text, s.theme.background);
    if (s.hover) ring(pen, screen(s.hover.index), 6, s.theme.text, s.theme.background);
    if (sheet.exact) paintScaleBar(pen, { view, run, margin: run.margin, theme: s.theme, ...size });
  }

  function line(pen, from, to, colour, dash) {
    if (![...from, ...to].every(Number.isFinite)) return;
    pen.setLineDash(dash);
    pen.strokeStyle = colour;
    pen.lineWidth = 1.8;
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    pen.setLineDash([]);
  }

  function ring(pen, [x, y], radius, colour, ground) {
    if (!Number.isFinite(x + y)) return;
    for (const [stroke, weight] of [[ground, 5], [colour, 2.2]]) {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.strokeStyle = stroke;
      pen.lineWidth = weight;
      pen.stroke();
    }
  }

  function tell(s) {
    clearTimeout(later);
    toldAt = performance.now();
    const run = s.runs[digest];
    const now = frame(s);
    const own = run.frames[now];
    if (named !== s.theme?.key) {
      named = s.theme?.key;
      title.replaceChildren(markIcon(entry.mark, s.theme?.dark, 14), ` ${entry.title}`);
    }
    setText(badge, [run.badge, run.class_centres ? "\u2295 learned centres" : "", own === s.clock.frames[s.frame] ? "" : `step ${own}`].filter(Boolean).join(" · "));
    for (const { number, value, note: mark } of cells) {
      const found = number.sum ? null : lastStepWith(run, number.name, now);
      const amount = number.sum ? minedBefore(run, now) : found ? run.seriesOf[number.name]?.[found.at] : NaN;
      setText(value, Number.isFinite(amount) ? number.text(amount) : "–");
      setText(mark, found && found.step !== own ? ` at ${found.step}` : "");
    }
    const found = pickNow(s);
    setText(told, sentenceOf(s, run, found));
  }

  function sentenceOf(s, run, found) {
    if (!found) return s.asking ? `${entry.strategy.title} is being asked …` : " ";
    const { pick } = found;
    const learnt = learntFrom(found, entry.strategy);
    if (learnt) return `learns from the centres of ${classInWords(run, learnt.own)} and ${classInWords(run, learnt.rival)}: ${learnt.zone}, gap ${fixed(learnt.gap, decimalsFor(learnt.gap))}`;
    const reason = found.answer.not_applicable?.[entry.strategy.name];
    if (reason) return `${entry.strategy.title} has no pick here: ${reason.replace(/\.$/, "")}.`;
    if (pick.kind === "all") return `${entry.strategy.title} takes every negative${pick.negatives.length < found.answer.negatives.length ? " that its filter left" : ""}.`;
    if (pick.kind === "abstains") return `${entry.strategy.title} abstains for this anchor and positive.`;
    if (pick.kind !== "pick") return "Nobody can ask this strategy again.";
    const { zone, gap } = measure(found.answer, found.at, pick.positive, pick.negative, found.run);
    return `picks ${sampleName(run, pick.negative)} (${className(run, pick.negative)}): ${zone}, gap ${fixed(gap, decimalsFor(gap))}`;
  }

  const hoverAt = (index) => {
    const now = state.get().hover?.index ?? null;
    if (now !== index) state.set({ hover: index === null ? null : { index, where: "map" } });
  };
  const hands = handleMap({ surface, hint, state, actions, look: () => ({ view, pins: [], size, spots }), hoverAt });

  state.subscribe((s, changed) => {
    if (!s.runs[digest] || !s.clock) return;
    draw(s);
    // Nobody reads thirty-six numbers sixty times a second, and laying them out costs as much as the points do.
    const moves = (s.playing || s.dragging) && performance.now() - toldAt < TELL_PAUSE;
    if (touches(changed, "clock", "answers", "anchor", "theme", "runs", "asking", "playing", "dragging") || (touches(changed, "frame") && !moves)) tell(s);
    else if (touches(changed, "frame")) {
      // A hand that rests without letting go sees the numbers of where it is.
      clearTimeout(later);
      later = setTimeout(() => !state.get().gone && tell(state.get()), TELL_PAUSE);
    }
  });

  return {
    element,
    renderer: drawer.kind,
    place: (index) => {
      const [x, y] = positionAt(sheet, time(state.get()), index);
      const box = map.getBoundingClientRect();
      return { x: box.left + view.toX(x), y: box.top + view.toY(y) };
    },
    stop() {
      clearTimeout(later);
      observer.disconnect();
      hands.stop();
      drawer.stop();
    },
  };
}
