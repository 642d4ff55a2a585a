// The film strip: whom every strategy would pick for this anchor and positive, frame by frame.
//
// The strip itself is painted once per anchor, positive, run and margin. While time moves only the magnifier travels: a
// small canvas that shows the current column large.
import { clamp, h, setText, svg } from "./dom.js";
import { touches } from "./state.js";
import { currentAnswer } from "./answers.js";
import { tickText } from "./scale.js";
import { classColours } from "./theme.js";
import { labelledFrames } from "./timeline.js";
import { stripRows } from "./strip_cells.js";
import { calmName } from "./plane_words.js";
import { cellDescription, cellWords, columnWords } from "./strip_words.js";
import { createStripLabels } from "./strip_labels.js";
import { paintStripColumn, paintStripHolding, paintStrip, stripLayout, stripLook } from "./strip_paint.js";
import { laneStrategy } from "./ruler.js";
import { className, sampleName } from "./store.js";
import { paintedBy } from "./snapshot.js";
import { panelFiles, unitOf } from "./watch_files.js";

const STRIP_HEIGHT = 346; // px that the rows share where they are few
const STRIP_ROW_LIMITS = [20, 43];
const STRIP_AXIS = 20;
const STRIP_DRAG = 4; // px a pressed pointer travels before it scrubs

export function createStrip({ state, actions, sprites }) {
  const [base, marks] = ["ts-strip-base", "ts-strip-marks"].map((name) => h("canvas", { class: `ts-strip-canvas ${name}`, "aria-hidden": "true" }));
  const axis = svg("svg", { class: "ts-strip-axis", "aria-hidden": "true" });
  const magnifiers = ["now", "ghost"].map((name) => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const step = h("span", { class: "ts-strip-step" });
    return { canvas, step, element: h("div", { class: "ts-strip-magnifier", "data-which": name, hidden: name === "ghost" }, canvas, step), key: "" };
  });
  const band = h("div", { class: "ts-strip-band" });
  const rowMark = h("div", { class: "ts-strip-row", hidden: true });
  const grid = h(
    "div",
    { class: "ts-strip-grid", role: "application", tabindex: "0", "aria-roledescription": "film strip", "aria-label": "Whom every strategy picks, by recorded frame. Left and right move through time, up and down choose a strategy, Enter makes it the chosen one." },
    base, marks, axis, rowMark, magnifiers.map(({ element }) => element),
  );
  const waiting = h("div", { class: "ts-strip-waiting", role: "status" });
  const labelLayer = h("div", { class: "ts-strip-labels" });
  const labels = createStripLabels({ layer: labelLayer, actions });
  const body = h("div", { class: "ts-panel-body ts-strip-body" }, band, labelLayer, grid, waiting);
  const words = h("p", { class: "ts-strip-words" });
  const legend = h("div", { class: "ts-strip-legend", "aria-hidden": "true" }, ["hard", "semi-hard", "easy"].map((zone) => h("span", {}, h("i", { "data-zone": zone }), zone)));
  const column = h("p", { class: "ts-sr" });
  const spoken = h("p", { class: "ts-sr", "aria-live": "polite" });
  const reading = h("p", { class: "ts-panel-note ts-ellipsis" });
  const seek = (what) => () => actions.request({ kind: "seek", what });
  const buttons = h(
    "div", { class: "ts-strip-buttons", role: "group", "aria-label": "Go to another anchor" },
    seekButton("random anchor", "A", "any sample as the anchor", () => actions.randomAnchor()),
    seekButton("next violating", "N", "the next anchor that still has a triplet with gap < margin at this step", seek("violating")),
    seekButton("most disagreement", "D", "the anchor for which the strategies pick the most different negatives at this step", seek("disagree")),
  );
  const element = h(
    "section", { class: "ts-panel ts-strip", "aria-label": "Film strip" },
    h("div", { class: "ts-panel-head ts-strip-head" }, h("div", { class: "ts-panel-title" }, "Film strip: picks over time"), buttons, panelFiles({ state, name: "film-strip", title: "film strip: picks over time", element: body, table: tableOf, titled: true, anchored: true, without: ".ts-strip-row, [data-which=ghost]" })),
    reading, body, h("div", { class: "ts-strip-foot" }, words, legend), column, spoken,
  );

  let size = { width: 0, ratio: 1 };
  let box = null;
  let rows = null; // what is on screen, or null while the engine has not answered
  let shown = []; // what the rows were computed from
  let stamp = 0; // grows with every new set of rows
  let under = null; // {frame, row} under the pointer
  let cursor = 0; // the row that the keyboard is in
  let press = null;

  function resize() {
    const { width } = grid.getBoundingClientRect();
    const ratio = Math.min(3, devicePixelRatio || 1);
    if (width === size.width && ratio === size.ratio) return;
    size = { width, ratio };
    state.touch("stripSize"); // its own word: another panel that resizes repaints nothing here
  }

  function penOf(canvas, width, height) {
    const [w, tall] = [Math.round(width * size.ratio), Math.round(height * size.ratio)];
    if (canvas.width !== w || canvas.height !== tall) {
      Object.assign(canvas, { width: w, height: tall });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
  }

  function lookOf(s, run) {
    const palette = classColours(run.class_names.length, s.theme.dark);
    return stripLook(s, run, { sheet: sprites.sheet(run), palette, easy: s.theme.dark ? "#2fc497" : "#009e73" });
  }

  /** Height of the rows, known before any run is: nothing moves when the data come. */
  function rowHeightOf(s) {
    return clamp(Math.floor(STRIP_HEIGHT / Math.max(1, s.strategies.length)), ...STRIP_ROW_LIMITS);
  }

  function layout(s) {
    const rowHeight = rowHeightOf(s);
    const height = Math.max(1, s.strategies.length) * rowHeight;
    body.style.height = `${height + STRIP_AXIS}px`;
    const run = s.runs[s.run];
    box = run && size.width > 60
      ? stripLayout({ width: size.width, rows: s.strategies.length, frames: run.frames.length, rowHeight, gutter: 10 })
      : null;
  }

  /** Asks the answer for all cells where it, or what it is asked, has changed; true if so. */
  function recompute(s) {
    const found = currentAnswer(s);
    const now = found ? [found.answer, found.run, found.positive, s.strategies] : [s.run];
    if (now.length === shown.length && now.every((value, i) => value === shown[i])) return false;
    shown = now;
    stamp += 1;
    rows = found && s.strategies.length ? stripRows(found, s.strategies) : null;
    return true;
  }

  function drawAxis(run) {
    const parts = labelledFrames(run, box.middle, 34).map((i) =>
      svg("text", { class: "ts-tick-text", x: clamp(box.middle(i), 8, size.width - 12), y: 15, "text-anchor": "middle" }, String(run.frames[i])));
    axis.setAttribute("viewBox", `0 0 ${size.width} ${STRIP_AXIS}`);
    axis.setAttribute("width", size.width);
    axis.setAttribute("height", STRIP_AXIS);
    axis.style.top = `${box.height}px`;
    axis.replaceChildren(...parts);
  }

  function drawBase(s, run) {
    const pen = penOf(base, size.width, box.height);
    paintedBy(base, (file) => rows && paintStrip(file, rows, box, lookOf(state.get(), run)));
    if (rows) paintStrip(pen, rows, box, lookOf(s, run));
    for (const magnifier of magnifiers) magnifier.key = "";
  }

  function drawMarks(s, run) {
    const pen = penOf(marks, size.width, box.height);
    if (!rows) return;
    const { hover, hoverClasses } = s;
    if (hover) paintStripHolding(pen, rows, box, { theme: s.theme }, (cell) => cell.negative === hover.index);
    else if (hoverClasses && run.label[s.anchor] === hoverClasses[0] && hoverClasses[1] !== null) {
      paintStripHolding(pen, rows, box, { theme: s.theme }, (cell) => cell.kind === "pick" && run.label[cell.negative] === hoverClasses[1]);
    }
  }

  function magnify(s, run, magnifier, frame, t) {
    const { canvas, element: glass } = magnifier;
    const width = Math.max(box.column + 4, box.rowHeight + 2);
    const key = [stamp, frame, width, s.theme.key, Boolean(sprites.sheet(run))].join();
    if (key !== magnifier.key) {
      magnifier.key = key;
      paintedBy(canvas, (file) => rows && paintStripColumn(file, rows, frame, { width, rowHeight: box.rowHeight }, lookOf(state.get(), run)));
      glass.style.width = `${width}px`;
      glass.style.height = `${box.height}px`;
      const pen = penOf(canvas, width, box.height);
      if (rows) paintStripColumn(pen, rows, frame, { width, rowHeight: box.rowHeight }, lookOf(s, run));
    }
    setText(magnifier.step, String(run.frames[frame]));
    glass.style.transform = `translateX(${clamp(box.middle(t) - width / 2, 0, size.width - width).toFixed(1)}px)`;
  }

  function drawTime(s, run) {
    magnify(s, run, magnifiers[0], s.frame, s.t);
    const ghost = s.hoverFrame;
    magnifiers[1].element.hidden = ghost === null || ghost === s.frame || ghost >= run.frames.length || s.playing;
    if (!magnifiers[1].element.hidden) magnify(s, run, magnifiers[1], ghost, ghost);
  }

  function drawBand(s) {
    const lane = s.strategies.findIndex((strategy) => strategy.name === s.lane);
    band.hidden = lane < 0;
    if (lane >= 0) Object.assign(band.style, { top: `${lane * box.rowHeight}px`, height: `${box.rowHeight}px` });
    const row = under?.row ?? (grid.matches(":focus-visible") ? cursor : -1);
    rowMark.hidden = row < 0 || !rows;
    Object.assign(rowMark.style, { top: `${row * box.rowHeight}px`, height: `${box.rowHeight}px` });
  }

  function drawWords(s, run) {
    const lane = Math.max(0, s.strategies.indexOf(laneStrategy(s)));
    const [row, frame] = under ? [under.row, under.frame] : [grid.matches(":focus-visible") ? cursor : lane, s.frame];
    const cell = rows?.[row]?.cells[frame];
    const strategy = rows?.[row]?.strategy;
    const why = currentAnswer(s)?.answer.not_applicable[strategy?.name];
    const draw = strategy?.stochastic && cell?.kind === "pick" ? ", one draw" : "";
    setText(words, cell ? `step ${run.frames[frame]}, ${strategy.title}: ${cellWords(run, cell, why)}${draw}` : "");
    if (!s.playing && !s.dragging) setText(column, rows ? columnWords(run, rows, s.frame) : "");
  }

  /** Every cell of the strip. */
  function tableOf(s) {
    const run = s.runs[s.run];
    const columns = ["run", "trained with", "anchor", "strategy", "step", "kind", "positive", "negative", "class of negative", unitOf(run, "d(a,p)"), unitOf(run, "d(a,n)"), unitOf(run, "gap"), "zone", "loss"];
    const about = [run.name, run.strategy, sampleName(run, s.anchor)];
    const numbers = ({ dap, dan, gap, zone, loss }) => [dap, dan, gap, zone, loss];
    const told = (cell) => {
      if (cell.kind === "pick") return [sampleName(run, cell.positive), sampleName(run, cell.negative), className(run, cell.negative), ...numbers(cell)];
      return cell.kind === "centre" ? [null, null, String(run.class_names[cell.rival] ?? cell.rival), ...numbers(cell)] : Array(8).fill(null);
    };
    return [columns, (rows ?? []).flatMap(({ strategy, cells }) => cells.map((cell, i) => [...about, strategy.name, run.frames[i], cell.kind, ...told(cell)]))];
  }

  function drawReading(s, run) {
    const found = currentAnswer(s);
    const name = calmName(run, s.anchor);
    setText(reading, `Each picture: the negative that strategy would pick for this ${name}, whoever trains. Its border: the zone.`);
    const stale = found?.stale ? ` The picks are those of margin ${tickText(found.answer.margin)}; the zones follow the margin on screen.` : "";
    reading.title = `Rows are strategies, columns recorded steps; anchor and positive are the chosen ones. A dash on hatching: the strategy abstains.${stale}`;
    const alone = !found && [...s.answers].some(([key, answer]) => key.startsWith(`${s.run}/${s.anchor}/`) && !answer.positives.length);
    waiting.hidden = Boolean(rows);
    setText(waiting, rows ? "" : alone
      ? `This ${name} has no other sample of its class among the candidates, so there is no triplet. Choose another anchor.`
      : s.message ?? "asking the engine …");
  }

  // --- pointer ---

  function cellAt(event) {
    const rect = grid.getBoundingClientRect();
    const [x, y] = [event.clientX - rect.left, event.clientY - rect.top];
    const { frame } = state.get();
    // The magnified column is wider than its place on the axis: its middle belongs to it.
    const inGlass = Math.abs(x - box.middle(frame)) < box.rowHeight * 0.32;
    return { frame: inGlass ? frame : box.frameAt(x), row: box.rowAt(y), t: clamp((x - box.gutter) / box.column - 0.5, 0, box.frames - 1) };
  }

  function point(at) {
    if (at?.frame === under?.frame && at?.row === under?.row) return;
    under = at;
    const cell = at && rows?.[at.row]?.cells[at.frame];
    const s = state.get();
    if (cell?.kind === "pick") state.set({ hover: { index: cell.negative, where: "strip" }, hoverFrame: at.frame });
    else state.set({ hoverFrame: at ? at.frame : null, ...(s.hover?.where === "strip" ? { hover: null } : {}) });
    state.touch("strip");
  }

  grid.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !box) return;
    press = { x: event.clientX, moved: false };
  });
  grid.addEventListener("pointermove", (event) => {
    if (!box) return;
    if (press && !press.moved && Math.abs(event.clientX - press.x) > STRIP_DRAG) {
      press.moved = true;
      grid.setPointerCapture(event.pointerId);
      point(null);
    }
    if (press?.moved) actions.scrub(cellAt(event).t);
    else point(cellAt(event));
  });
  grid.addEventListener("pointerup", (event) => {
    if (!press) return;
    if (press.moved) actions.release();
    else actions.goTo(cellAt(event).frame);
    press = null;
  });
  grid.addEventListener("pointercancel", () => {
    if (press?.moved) actions.release();
    press = null;
  });
  grid.addEventListener("pointerleave", () => {
    if (press && !press.moved) press = null;
    point(null);
  });

  // --- keys ---

  let keyRest = 0;

  function sayCell() {
    const s = state.get();
    const run = s.runs[s.run];
    const row = rows?.[cursor];
    if (!row) return;
    const cell = row.cells[s.frame];
    setText(spoken, cellDescription(run, row, cell, run.frames[s.frame]));
    state.set({ hover: cell.kind === "pick" ? { index: cell.negative, where: "strip" } : null });
    state.touch("strip");
  }

  grid.addEventListener("keydown", (event) => {
    if (!rows || event.ctrlKey || event.metaKey || event.altKey) return;
    const s = state.get();
    const through = (count) => {
      actions.stepBy(count);
      clearTimeout(keyRest);
      keyRest = setTimeout(actions.commit, 350); // a held key is one journey
    };
    const keys = {
      ArrowLeft: () => through(event.shiftKey ? -10 : -1),
      ArrowRight: () => through(event.shiftKey ? 10 : 1),
      Home: () => through(-s.runs[s.run].frames.length),
      End: () => through(s.runs[s.run].frames.length),
      ArrowUp: () => (cursor = Math.max(0, cursor - 1)),
      ArrowDown: () => (cursor = Math.min(rows.length - 1, cursor + 1)),
      Enter: () => {
        actions.selectLane(rows[cursor].strategy.name);
        actions.goTo(s.frame);
      },
    };
    if (!keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
    event.stopPropagation();
    sayCell();
  });
  grid.addEventListener("focus", () => {
    const s = state.get();
    cursor = Math.max(0, s.strategies.indexOf(laneStrategy(s)));
    if (grid.matches(":focus-visible")) sayCell();
  });
  grid.addEventListener("blur", () => {
    if (state.get().hover?.where === "strip") state.set({ hover: null });
    state.touch("strip");
  });

  const observer = new ResizeObserver(resize);
  observer.observe(grid);

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    element.toggleAttribute("data-empty", !run);
    if (touches(changed, "strategies", "stripSize", "run", "runs")) layout(s);
    if (!s.theme || !s.strategies.length || !box || !run) {
      if (s.theme && touches(changed, "strategies", "theme")) labels.update(s, null, { rowHeight: rowHeightOf(s), width: labelLayer.clientWidth });
      return;
    }
    const asked = touches(changed, "run", "runs", "anchor", "positive", "answers", "margin", "strategies", "frame");
    const fresh = asked && recompute(s);
    if (fresh || touches(changed, "theme", "stripSize", "run", "runs", "sprites", "strategies", "focus")) {
      drawBase(s, run);
      drawAxis(run);
    }
    if (fresh || touches(changed, "theme", "stripSize", "strategies", "lane", "run", "runs")) labels.update(s, rows, { rowHeight: box.rowHeight, width: labelLayer.clientWidth });
    if (fresh || touches(changed, "hover", "hoverClasses", "stripSize", "theme", "run", "runs")) drawMarks(s, run);
    if (fresh || touches(changed, "t", "frame", "hoverFrame", "playing", "stripSize", "theme", "sprites", "run", "runs", "focus")) drawTime(s, run);
    if (fresh || touches(changed, "lane", "strip", "stripSize", "strategies", "run", "runs")) drawBand(s);
    if (fresh || touches(changed, "frame", "lane", "strip", "playing", "dragging", "run", "runs")) drawWords(s, run);
    if (fresh || touches(changed, "anchor", "answers", "message", "margin", "run", "runs")) drawReading(s, run);
    grid.setAttribute("aria-busy", String(!rows));
  });

  // For tests: a canvas has no elements to ask.
  element.tripletscopeCells = () => rows?.map(({ strategy, cells }) => ({ name: strategy.name, cells })) ?? null;
  element.tripletscopeSpot = (row, frame) => {
    const rect = grid.getBoundingClientRect();
    return { x: rect.left + box.middle(frame), y: rect.top + (row + 0.5) * box.rowHeight };
  };

  return {
    element,
    resize,
    stop() {
      clearTimeout(keyRest);
      observer.disconnect();
    },
  };
}

function seekButton(text, key, title, act) {
  const button = h("button", { type: "button", class: "ts-strip-seek", title: `${title} (key ${key})` }, text, h("kbd", {}, key));
  button.addEventListener("click", act);
  return button;
}
