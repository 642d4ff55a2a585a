// The triplet plane: every eligible triplet of the step as density, the picked ones as shapes, this anchor's own on top.
//
// Left to right d(a,p), bottom to top d(a,n), both on the ruler's fixed scale. Its shape is a diagnosis: a healthy run
// climbs to the upper left, a collapsed one is a dot at the origin.
import { clamp, h, setText, svg, wholeNumber } from "./dom.js";
import { touches } from "./state.js";
import { currentAnswer } from "./answers.js";
import { markColour } from "./marks.js";
import { tickText } from "./scale.js";
import { densityDomain, densityIn, gapLine, lensOf, wholePlane } from "./plane_space.js";
import { chosenColumn, holdsSample, ownTriplets, pickedOne, recordedPicks, wouldPick } from "./plane_triplets.js";
import { batchWords, calmName, cellCountWords, planeWords, recordedCounts, tripletNumbers, tripletWords } from "./plane_words.js";
import { paintColumnLine, paintDensity, paintLensFrame, paintLensWays, paintOwn, paintPicks, paintPlaneZones, paintRing } from "./plane_paint.js";
import { planeFrame } from "./plane_axes.js";
import { createPlaneLegend } from "./plane_legend.js";
import { laneStrategy } from "./ruler.js";
import { sampleName } from "./store.js";
import { paintedBy } from "./snapshot.js";
import { panelFiles, tableWith, unitOf } from "./watch_files.js";

const PLANE_PAD = { left: 48, right: 6, top: 6, bottom: 40 };
const PLANE_REACH = 9; // px around a mark that count as on it

export function createPlane({ state, actions }) {
  const [ground, marks, over] = [0, 1, 2].map(() => h("canvas", { class: "ts-plane-layer", "aria-hidden": "true" }));
  const frameDrawing = svg("svg", { class: "ts-plane-layer", "aria-hidden": "true" });
  const plot = h(
    "div",
    { class: "ts-plane-plot", role: "application", tabindex: "0", "aria-roledescription": "triplet plane", "aria-label": "This anchor's triplets by distance. Up and down walk through the negatives of a positive, left and right change the positive, Enter chooses it." },
    ground, frameDrawing, marks, over,
  );
  const legend = createPlaneLegend();
  const body = h("div", { class: "ts-panel-body ts-plane-body" }, plot, legend.element);
  const batch = h("span", { class: "ts-plane-batch ts-ellipsis" });
  const reading = h(
    "p", { class: "ts-panel-note ts-ellipsis", title: "The same scale as the ruler, on both axes, fixed for the whole run. A healthy run climbs to the upper left; a collapsed one is a dot at the origin." },
    "Each triplet by its two distances; below gap 0 the negative is closer.",
  );
  const words = h("p", { class: "ts-plane-words" });
  const summary = h("p", { class: "ts-sr" });
  const spoken = h("p", { class: "ts-sr", "aria-live": "polite" });
  const element = h(
    "section", { class: "ts-panel ts-plane", "aria-label": "Triplet plane" },
    h("div", { class: "ts-panel-head ts-plane-head" }, h("div", { class: "ts-panel-title" }, "Triplet plane"), batch, panelFiles({ state, name: "plane", title: "triplet plane", element: body, table: tableOf, titled: true, anchored: true, about: () => words.textContent })),
    reading, body, words, summary, spoken,
  );

  let size = { width: 0, height: 0, ratio: 1 };
  let whole = null; // the view of the whole plane
  let lens = null; // the magnified corner, where the batch is too small to be seen
  let density = null; // of the frame: {cells, total, reach, width}
  let lensDensity = null;
  let domain = null;
  let domainOf = ""; // what the domain was computed for
  let own = [];
  let picks = [];
  let picked = null;
  let rowIndex = { run: null, map: null };
  let pointed = null; // {triplet} or {cell} under the pointer, or under the keyboard

  function resize() {
    const { width, height } = plot.getBoundingClientRect();
    const ratio = Math.min(3, devicePixelRatio || 1);
    if (width === size.width && height === size.height && ratio === size.ratio) return;
    size = { width, height, ratio };
    for (const canvas of [ground, marks, over]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
    frameDrawing.setAttribute("viewBox", `0 0 ${Math.max(1, width)} ${Math.max(1, height)}`);
    state.touch("planeSize"); // its own word: another panel that resizes repaints nothing here
  }

  function penOf(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    pen.clearRect(0, 0, size.width, size.height);
    return pen;
  }

  function lookOf(s, run) {
    const { theme, zoneColours, focus } = s;
    const easy = theme.dark ? "#2fc497" : "#009e73";
    const kept = (triplet) => run.label[triplet.anchor] === focus[0] && (focus[1] === null || run.label[triplet.negative] === focus[1]);
    return {
      text: theme.text, background: theme.background, font: theme.font,
      zone: { hard: zoneColours.hard, "semi-hard": zoneColours.semi, easy },
      soft: { hard: zoneColours.hardSoft, "semi-hard": zoneColours.semiSoft, easy: theme.dark ? "rgba(47, 196, 151, 0.08)" : "rgba(0, 158, 115, 0.07)" },
      faded: focus ? (triplet) => triplet.anchor !== null && !kept(triplet) : null,
    };
  }

  const marginOn = (s) => s.margin ?? s.runs[s.run].margin;
  const asideOf = (s) => s.asides[s.run] ?? null;
  const asideFrame = (s) => asideOf(s)?.frames.indexOf(s.runs[s.run].frames[s.frame]) ?? -1;

  function indexOfRow(run) {
    if (rowIndex.run !== run) rowIndex = { run, map: new Map(Array.from(run.row, (row, i) => [row, i])) };
    return rowIndex.map;
  }

  // --- what there is to draw ---

  function layout(run) {
    const side = Math.max(60, Math.floor(Math.min(size.width - PLANE_PAD.left - PLANE_PAD.right, size.height - PLANE_PAD.top - PLANE_PAD.bottom)));
    whole = wholePlane(run, PLANE_PAD.left, PLANE_PAD.top, side);
  }

  function gatherBatch(s) {
    const aside = asideOf(s);
    const frame = asideFrame(s);
    density = lensDensity = lens = null;
    if (!aside || frame < 0) return;
    const key = [s.run, whole.side, aside.frames.length].join();
    if (key !== domainOf) {
      domain = densityDomain(aside, whole);
      domainOf = key;
    }
    density = densityIn(aside, frame, whole);
    lens = density.total ? lensOf(whole, density.reach) : null;
    if (lens) {
      lens.lens = true;
      lensDensity = densityIn(aside, frame, lens);
    }
  }

  function gatherTriplets(s, run) {
    const found = currentAnswer(s);
    const strategy = laneStrategy(s);
    const aside = asideOf(s);
    const frame = asideFrame(s);
    own = ownTriplets(found);
    picked = pickedOne(found, strategy);
    const recorded = aside && frame >= 0 && strategy ? recordedPicks(aside, frame, strategy.name, marginOn(s), indexOfRow(run)) : null;
    picks = recorded ?? (aside && strategy?.granularity !== "all" ? wouldPick(found, strategy) : []);
  }

  function pickText(s) {
    const strategy = laneStrategy(s);
    const aside = asideOf(s);
    if (!strategy) return "";
    if (!aside) return "the batch's triplets follow …";
    if (strategy.granularity === "all") {
      const trained = s.runs[s.run]?.filter !== undefined && strategy.name === s.runs[s.run].strategy;
      return `${strategy.title} learns from every triplet: the grey is its pick${trained ? ", without what was filtered" : ""}`;
    }
    if (!aside.strategies.includes(strategy.name)) return `${strategy.title} was not recorded: what it would pick for this anchor`;
    if (!density?.total) return `${strategy.title}: no batch, no pick`;
    const run = s.runs[s.run];
    if (run.class_centres && strategy.name === run.strategy) return `${strategy.title} learns from centres of classes, which are no triplets of samples`;
    return picks.length ? `${wholeNumber(picks.length)} picked by ${strategy.title} in this step` : `${strategy.title} picked nothing in this step`;
  }

  // --- drawing ---

  function drawGround(s, run, pen = penOf(ground)) {
    const look = lookOf(s, run);
    const margin = marginOn(s);
    paintPlaneZones(pen, whole, margin, look);
    if (density) paintDensity(pen, density.cells, domain, look, size.ratio);
    if (!lens) return;
    paintLensWays(pen, whole, lens, look);
    paintPlaneZones(pen, lens, margin, look);
    paintDensity(pen, lensDensity.cells, domain, look, size.ratio);
    paintLensFrame(pen, lens, `all of it, \u00d7 ${wholeNumber(lens.times)}: up to ${tickText(lens.max)}`, look);
  }

  function drawFrame(s, run) {
    const key = [s.run, whole.side, marginOn(s), Boolean(lens), size.width, s.theme.key].join("/");
    if (frameDrawing.dataset.key === key) return;
    frameDrawing.dataset.key = key;
    frameDrawing.replaceChildren(...planeFrame(whole, marginOn(s), { free: !run.soft_margin && !run.loss, quiet: Boolean(lens) }));
  }

  function drawMarks(s, run, pen = penOf(marks)) {
    const look = lookOf(s, run);
    const strategy = laneStrategy(s);
    const colour = markColour(strategy?.mark, s.theme.dark);
    for (const view of [whole, lens]) {
      if (!view) continue;
      paintColumnLine(pen, view, chosenColumn(currentAnswer(s)), look);
      paintPicks(pen, view, picks, { mark: strategy?.mark, colour, size: picks[0]?.would ? 4.6 : 3.3 }, look);
      paintOwn(pen, view, own, look);
      if (picked && (!view.lens || (picked.dap <= view.max && picked.dan <= view.max))) paintRing(pen, view, picked, colour, 7, look);
    }
  }

  function drawOver(s, run) {
    const pen = penOf(over);
    const look = lookOf(s, run);
    const lit = [];
    if (pointed?.triplet) lit.push(pointed.triplet);
    else if (s.hover) lit.push(...own.filter((t) => holdsSample(t, s.hover.index) && s.hover.index !== s.anchor), ...picks.filter((t) => holdsSample(t, s.hover.index)));
    else if (s.hoverClasses) {
      const [from, to] = s.hoverClasses;
      lit.push(...picks.filter((t) => t.anchor !== null && run.label[t.anchor] === from && (to === null || run.label[t.negative] === to)));
    }
    for (const view of [whole, lens]) {
      if (!view) continue;
      for (const triplet of lit) if (triplet.dap <= view.max && triplet.dan <= view.max) paintRing(pen, view, triplet, s.theme.text, pointed ? 6 : 4.5, look);
    }
    if (!pointed?.cell) return;
    const { x, y, w, h: tall } = pointed.cell;
    pen.strokeStyle = s.theme.text;
    pen.lineWidth = 1.5;
    pen.strokeRect(x - 1, y - 1, w + 2, tall + 2);
  }

  function drawWords(s, run) {
    const title = laneStrategy(s)?.title ?? "";
    const counts = density && !density.total ? null : recordedCounts(run, s.frame);
    setText(batch, batchWords(run, s.frame, counts));
    const margin = marginOn(s);
    const whatIf = margin !== run.margin ? ` Counted with the recorded margin ${tickText(run.margin)}; the dashed line shows margin ${tickText(margin)}.` : "";
    legend.showCounts(counts, `Exact counts over the whole batch.${whatIf}`, whatIf ? tickText(run.margin) : null);
    legend.showRamp(density?.total ? domain : null, whole.side / 64);
    legend.showMarks({ strategy: laneStrategy(s), text: pickText(s), own: own.length ? `this ${calmName(run, s.anchor, 12)}'s own triplets` : s.message ?? "asking the engine …", theme: s.theme });
    const now = pointed?.triplet ? tripletWords(run, pointed.triplet, title) : pointed?.cell ? cellCountWords(pointed.cell) : picked ? `${title}'s pick here: ${tripletNumbers(picked)}${whatIf}` : whatIf.trim();
    setText(words, now);
    if (!s.playing && !s.dragging) setText(summary, planeWords(run, s.frame, counts, picks, title, own));
  }

  // --- for files ---

  paintedBy(ground, (pen) => whole && drawGround(state.get(), state.get().runs[state.get().run], pen));
  paintedBy(marks, (pen) => whole && drawMarks(state.get(), state.get().runs[state.get().run], pen));
  paintedBy(over, () => {}); // what is pointed at is nobody's result

  /** Marks first, then the cells of the batch's density. */
  function tableOf(s) {
    const run = s.runs[s.run];
    const idOf = (index) => (index === null ? null : sampleName(run, index));
    const strategy = laneStrategy(s)?.name ?? null;
    const marks = [...own.map((triplet) => [triplet, "triplet of the anchor", null]), ...picks.map((triplet) => [triplet, triplet.would ? "would be picked" : "picked", strategy])];
    const rows = marks.map(([t, what, by]) => [what, by, idOf(t.anchor), idOf(t.positive), idOf(t.negative), t.dap, t.dan, t.gap, t.zone, 1, null]);
    const cells = (density?.cells ?? []).map((cell) => ["cell of all eligible triplets", null, null, null, null, cell.dap, cell.dan, null, null, cell.count, cell.width]);
    return tableWith(s, ["what", "picked by", "anchor", "positive", "negative", unitOf(run, "d(a,p)"), unitOf(run, "d(a,n)"), unitOf(run, "gap"), "zone", "triplets", unitOf(run, "cell width")], [...rows, ...cells]);
  }

  // --- pointer ---

  function viewAt(x, y) {
    return lens?.holds(x, y) ? lens : whole.holds(x, y) ? whole : null;
  }

  function thingAt(x, y) {
    const view = whole && viewAt(x, y);
    if (!view) return null;
    let best = null;
    let nearest = PLANE_REACH;
    // The chosen positive's triplets come last in the list, and win a tie.
    for (const triplet of [...picks, ...own]) {
      if (view.lens && (triplet.dap > view.max || triplet.dan > view.max)) continue;
      const d = Math.hypot(view.toX(triplet.dap) - x, view.toY(triplet.dan) - y);
      if (d <= nearest) [best, nearest] = [triplet, d];
    }
    if (best) return { triplet: best };
    const cells = (view.lens ? lensDensity : density)?.cells ?? [];
    const cell = cells.find((c) => x >= c.x && x <= c.x + c.w && y >= c.y && y <= c.y + c.h);
    return cell ? { cell } : null;
  }

  function point(thing) {
    if (thing?.triplet === pointed?.triplet && thing?.cell === pointed?.cell) return;
    pointed = thing;
    const s = state.get();
    const triplet = thing?.triplet;
    const patch = {};
    if (triplet && triplet.negative !== null) patch.hover = { index: triplet.negative, where: "plane" };
    else if (s.hover?.where === "plane") patch.hover = null;
    if (triplet?.kind === "pick" && triplet.anchor !== null && triplet.negative !== null) {
      const { label } = s.runs[s.run];
      patch.hoverClasses = [label[triplet.anchor], label[triplet.negative]];
    } else if (s.hoverClasses && spokeClasses) patch.hoverClasses = null;
    spokeClasses = Boolean(patch.hoverClasses);
    state.set(patch);
    state.touch("plane");
  }
  let spokeClasses = false;

  function act(triplet) {
    if (triplet.kind === "own") actions.chooseCandidate(triplet.chosen ? triplet.negative : triplet.positive);
    else if (triplet.anchor !== null && triplet.anchor !== state.get().anchor) actions.selectAnchor(triplet.anchor);
  }

  const local = (event) => {
    const rect = plot.getBoundingClientRect();
    return [event.clientX - rect.left, event.clientY - rect.top];
  };
  plot.addEventListener("pointermove", (event) => {
    const thing = thingAt(...local(event));
    plot.style.cursor = thing?.triplet ? "pointer" : "";
    point(thing);
  });
  plot.addEventListener("pointerleave", () => point(null));
  plot.addEventListener("click", (event) => {
    const thing = thingAt(...local(event));
    if (thing?.triplet) act(thing.triplet);
  });

  // --- keys ---

  /** Own triplets by positive (nearest first), each by d(a,n): what the arrows walk through. */
  function columns() {
    const groups = new Map();
    for (const triplet of own) groups.set(triplet.positive, [...(groups.get(triplet.positive) ?? []), triplet]);
    return [...groups.values()].map((group) => group.sort((a, b) => a.dan - b.dan)).sort((a, b) => a[0].dap - b[0].dap);
  }

  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !own.length) return;
    const all = columns();
    const at = pointed?.triplet?.kind === "own" ? pointed.triplet : null;
    let column = Math.max(0, all.findIndex((group) => (at ? group.includes(at) : group[0].chosen)));
    let row = at ? all[column].indexOf(at) : 0;
    if (event.key === "Enter") {
      if (!at) return;
      act(at);
    } else if (event.key === "Escape") point(null);
    else if (!event.key.startsWith("Arrow")) return;
    else if (at) {
      if (event.key === "ArrowUp") row += 1;
      if (event.key === "ArrowDown") row -= 1;
      if (event.key === "ArrowRight") column += 1;
      if (event.key === "ArrowLeft") column -= 1;
      column = clamp(column, 0, all.length - 1);
      row = clamp(row, 0, all[column].length - 1);
    }
    event.preventDefault();
    event.stopPropagation();
    if (!event.key.startsWith("Arrow")) return;
    const triplet = all[column][row];
    point({ triplet });
    const s = state.get();
    setText(spoken, tripletWords(s.runs[s.run], triplet, laneStrategy(s)?.title ?? ""));
  });
  plot.addEventListener("blur", () => point(null));

  const observer = new ResizeObserver(resize);
  observer.observe(plot);

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    element.toggleAttribute("data-empty", !run);
    element.toggleAttribute("data-no-aside", !asideOf(s));
    if (!run || !s.theme || size.width < 80) return;
    const batchChanged = touches(changed, "run", "runs", "planeSize", "frame", "asides");
    const tripletsChanged = batchChanged || touches(changed, "anchor", "positive", "answers", "lane", "margin", "strategies");
    if (touches(changed, "run", "runs", "planeSize")) layout(run);
    if (batchChanged) gatherBatch(s);
    if (tripletsChanged) {
      gatherTriplets(s, run);
      pointed = pointed?.triplet ? keepPointed() : null; // a cell of another frame is another cell
    }
    if (batchChanged || touches(changed, "theme", "margin")) {
      drawGround(s, run);
      drawFrame(s, run);
    }
    if (tripletsChanged || touches(changed, "theme", "focus")) drawMarks(s, run);
    if (tripletsChanged || touches(changed, "hover", "hoverClasses", "plane", "theme")) drawOver(s, run);
    if (tripletsChanged || touches(changed, "plane", "message", "theme", "playing", "dragging")) drawWords(s, run);
  });

  /** The same triplet among the new ones, so that the keyboard's place survives a step in time. */
  function keepPointed() {
    const { positive, negative, kind } = pointed.triplet;
    const triplet = kind === "own" ? own.find((t) => t.positive === positive && t.negative === negative) : null;
    return triplet ? { triplet } : null;
  }

  // For tests: a canvas has no elements to ask.
  element.tripletscopePlane = () => {
    const rect = plot.getBoundingClientRect();
    return {
      own, picks, picked, cells: density?.cells ?? null, total: density?.total ?? null, domain, lens: lens && { max: lens.max, times: lens.times },
      left: rect.left + whole.left, top: rect.top + whole.top, side: whole.side, max: whole.max,
      far: gapLine(whole, marginOn(state.get())),
    };
  };
  element.tripletscopeSpot = (dap, dan) => {
    const rect = plot.getBoundingClientRect();
    return { x: rect.left + whole.toX(dap), y: rect.top + whole.toY(dan) };
  };

  return { element, resize, stop: () => observer.disconnect() };
}
