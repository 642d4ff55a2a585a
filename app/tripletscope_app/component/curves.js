// Curves of the race under one cursor: R@1 and spread first, loss last. Pressing and dragging on any of them scrubs; a
// frame that is pointed at, here or in another panel, is a dashed line with the values of all runs beside the title.
import { clamp, h, percent, setText, svg } from "./dom.js";
import { markColour, markIcon, shapePath } from "./marks.js";
import { lastStepWith, nearestFrame } from "./store.js";
import { touches } from "./state.js";
import { tickText } from "./scale.js";
import { curvePath, labelledFrames, scrubOn, tellTime, timeOfStep, timeScale } from "./timeline.js";
import { shortNumber } from "./counters.js";
import { panelFiles } from "./watch_files.js";

const CHARTS = [
  { name: "recall_at_1", title: "R@1", low: 0, high: 1, text: (value) => value.toFixed(2) },
  { name: "spread", title: "spread, in margins (log)", log: true },
  { name: "violating_share", title: "violating share", low: 0, high: 1, text: percent },
  { name: "zones", title: "zones of the watched run", low: 0, high: 1, stacked: true },
  { name: "false_negative_trend", title: "false negatives, of the picks of 20 steps", low: 0, whole: true, text: percent, truth: true, blind: "blind_false_negative_trend" },
  { name: "false_positive_trend", title: "false positives, of the picks of 20 steps", low: 0, whole: true, text: percent, truth: true, blind: "blind_false_positive_trend" },
  { name: "loss", title: "loss (not comparable)", low: 0, quiet: true },
];
const STACK = [["hard_share", "hard"], ["semi_hard_share", "semi-hard"], ["easy_share", "easy"]];
const CHART_HEIGHT = 128;
const PAD = { left: 34, right: 12, top: 6, bottom: 20 };

/** [low, high] over all runs of the race: one axis for all, so that lines can be compared. */
function rangeOf(chart, runs) {
  let [low, high] = [Infinity, -Infinity];
  for (const run of runs) {
    for (const value of run.seriesOf[chart.name] ?? []) {
      if (!Number.isFinite(value) || (chart.log && value <= 0)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (!(high > -Infinity)) return [0, 1];
  if (chart.log) return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.0001))];
  if (chart.whole) return [chart.low, Math.max(0.1, Math.ceil(high * 10) / 10)]; // tens of percents
  return [chart.low ?? low, chart.high ?? (high || 1)];
}

function valueScale(chart, [low, high]) {
  const [top, bottom] = [PAD.top, CHART_HEIGHT - PAD.bottom];
  const share = chart.log ? (v) => Math.log(Math.max(v, low) / low) / Math.log(high / low) : (v) => (v - low) / (high - low || 1);
  return (v) => bottom - (bottom - top) * clamp(share(v), 0, 1);
}

function gridOf(chart, [low, high]) {
  if (!chart.log) return [low, (low + high) / 2, high];
  const powers = Math.round(Math.log10(high / low));
  const every = Math.ceil(powers / 4);
  return Array.from({ length: Math.floor(powers / every) + 1 }, (_, i) => low * 10 ** (i * every));
}

/** What a chart says of one frame: [{mark, title, text}], the watched run first; of the zones three shares. */
function valuesAt(chart, s, frame) {
  const run = s.runs[s.run];
  const step = run.frames[frame];
  if (chart.stacked) {
    return STACK.flatMap(([name, zone]) => {
      const found = lastStepWith(run, name, frame);
      return found ? [{ zone, title: zone, text: percent(run.seriesOf[name][found.at]) }] : [];
    });
  }
  const entries = [...s.race].sort((a, b) => (b.digest === s.run) - (a.digest === s.run));
  return entries.flatMap((entry) => {
    const other = s.runs[entry.digest];
    const found = other && lastStepWith(other, chart.name, nearestFrame(other, step));
    if (!found) return [];
    return { mark: entry.mark, title: entry.title, text: (chart.text ?? shortNumber)(other.seriesOf[chart.name][found.at]) };
  });
}

/** Every recorded value: of all runs of the race, or the zones of the watched one. */
function curveTable(chart, s) {
  if (chart.stacked) {
    const run = s.runs[s.run];
    const kept = STACK.filter(([name]) => run.seriesOf[name]);
    const rows = run.steps.map((step, i) => [run.name, run.strategy, step, ...kept.map(([name]) => run.seriesOf[name][i])]);
    return [["run", "strategy", "step", ...kept.map(([, zone]) => `${zone} (share)`)], rows.filter((row) => row.slice(3).some(Number.isFinite))];
  }
  const rows = s.race.flatMap(({ digest }) => {
    const run = s.runs[digest];
    const values = run?.seriesOf[chart.name] ?? [];
    const blind = chart.blind ? [run?.seriesOf[chart.blind] ?? []] : [];
    return Array.from(values, (value, i) => [run.name, run.strategy, run.steps[i], value, ...blind.map((all) => all[i])]).filter((row) => Number.isFinite(row[3]));
  });
  return [["run", "strategy", "step", chart.name, ...(chart.blind ? ["of all eligible triplets"] : [])], rows];
}

/** Which line is whose: the file has no buttons above it. */
function raceWords(chart, s) {
  const dashes = { "": "solid" };
  return chart.stacked ? "from below: hard, semi-hard, easy" : `lines: ${s.race.map(({ title, mark }) => `${title} (${mark?.shape ?? "circle"}${dashes[(mark?.dash ?? []).join("")] ? "" : ", dashed"})`).join(", ")}`;
}

/** A curve in words: where it begins and ends, and its extremes. */
function curveInWords(chart, s, run) {
  const last = run.frames.length - 1;
  const list = (frame) => valuesAt(chart, s, frame).map(({ title, text }) => `${title} ${text}`).join(", ") || "no values";
  return `${chart.title}. At step ${run.frames[0]}: ${list(0)}. At step ${run.frames[last]}: ${list(last)}.`;
}

export function createCurves({ state, actions }) {
  const all = CHARTS.map((chart) => {
    const drawing = svg("svg", { class: "ts-curve-drawing", "aria-hidden": "true" });
    const cursor = h("div", { class: "ts-curve-cursor" });
    const ghost = h("div", { class: "ts-curve-cursor ts-curve-ghost", hidden: true });
    const plot = h("div", { class: "ts-curve-plot", "data-chart": chart.name, role: "slider", tabindex: "0", "aria-label": `${chart.title}, over training` }, drawing, cursor, ghost);
    const title = h("div", { class: "ts-curve-title ts-ellipsis", title: chart.title }, chart.title);
    const readout = h("div", { class: "ts-curve-readout", "aria-hidden": "true", hidden: true });
    const words = h("p", { class: "ts-sr" });
    const files = panelFiles({ state, name: chart.name.replaceAll("_", "-"), title: chart.title, element: plot, titled: true, without: ".ts-curve-ghost", table: (s) => curveTable(chart, s), about: (s) => raceWords(chart, s) });
    const element = h("div", { class: "ts-curve", "data-quiet": chart.quiet ?? false, hidden: Boolean(chart.truth) }, h("div", { class: "ts-curve-head" }, title, readout), plot, words, files);
    return { chart, drawing, cursor, ghost, plot, title, readout, words, element };
  });
  const element = h("section", { class: "ts-curves", "aria-label": "Curves over training" }, all.map((panel) => panel.element));
  let panels = all.filter(({ chart }) => !chart.truth); // those that are shown
  let width = 0;

  const scaleOf = (run) => timeScale(run, PAD.left, width - PAD.right);

  function resize() {
    const box = panels[0].plot.getBoundingClientRect();
    if (box.width === width) return;
    width = box.width;
    state.touch("size");
  }

  function drawLines(chart, s, run, x, y) {
    const entries = [...s.race].sort((a, b) => (a.digest === s.run) - (b.digest === s.run)); // the watched run on top
    return entries.flatMap((entry) => {
      const other = s.runs[entry.digest];
      const values = other?.seriesOf[chart.name];
      if (!values) return [];
      const colour = markColour(entry.mark, s.theme.dark);
      const current = entry.digest === s.run;
      const line = svg("path", {
        class: "ts-curve-line", d: curvePath(run, other.steps, values, x, y), stroke: colour, "data-current": current,
        "stroke-dasharray": (entry.mark?.dash ?? []).join(" ") || null,
      });
      let end = values.length - 1;
      while (end > 0 && !Number.isFinite(values[end])) end--;
      const at = [x(timeOfStep(run, other.steps[end])), y(values[end])];
      if (!Number.isFinite(at[1])) return [line];
      const mark = svg("path", { d: shapePath(entry.mark?.shape, 4.5), fill: colour, transform: `translate(${at[0].toFixed(1)},${at[1].toFixed(1)})` });
      return [line, mark];
    });
  }

  function drawStack(run, x, y) {
    const below = new Float64Array(run.steps.length);
    return STACK.flatMap(([name, zone]) => {
      const values = run.seriesOf[name];
      if (!values) return [];
      const points = [];
      const floor = [];
      run.steps.forEach((step, i) => {
        if (!Number.isFinite(values[i])) return;
        const px = x(timeOfStep(run, step)).toFixed(1);
        floor.push(`${px},${y(below[i]).toFixed(1)}`);
        below[i] += values[i];
        points.push(`${px},${y(below[i]).toFixed(1)}`);
      });
      if (!points.length) return [];
      const d = `M${points.join("L")}L${floor.reverse().join("L")}Z`;
      const area = svg("path", { class: "ts-zone-area", "data-zone": zone, d });
      return zone === "easy" ? [area, svg("path", { d, fill: "url(#ts-curve-hatch)" })] : [area];
    });
  }

  function draw(s, run) {
    const x = scaleOf(run);
    for (const { chart, drawing, title } of panels) {
      const runs = s.race.map((entry) => s.runs[entry.digest]).filter(Boolean);
      const range = chart.stacked ? [0, 1] : rangeOf(chart, runs);
      const y = valueScale(chart, range);
      const hatch = svg("defs", {}, svg("pattern", { id: "ts-curve-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        svg("line", { class: "ts-hatch-line", x1: 0, y1: 0, x2: 0, y2: 7 })));
      const grid = gridOf(chart, range).flatMap((value) => [
        svg("line", { class: "ts-grid", x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }),
        svg("text", { class: "ts-tick-text", x: PAD.left - 5, y: y(value) + 4, "text-anchor": "end" }, tickText(value)),
      ]);
      const labels = labelledFrames(run, x, 44).map((i) =>
        svg("text", { class: "ts-tick-text", x: x(i), y: CHART_HEIGHT - 5, "text-anchor": "middle" }, String(run.frames[i])));
      drawing.setAttribute("viewBox", `0 0 ${width} ${CHART_HEIGHT}`);
      drawing.replaceChildren(...(chart.stacked ? [hatch] : []), ...grid, ...labels, ...drawBlind(chart, run, x, y), ...(chart.stacked ? drawStack(run, x, y) : drawLines(chart, s, run, x, y)));
      if (chart.stacked) setText(title, `zones: ${run.strategy_title}`);
    }
  }

  function point(s, run) {
    const shown = s.hoverFrame !== null && s.hoverFrame < run.frames.length;
    for (const [i, { chart, ghost, readout }] of panels.entries()) {
      ghost.hidden = readout.hidden = !shown;
      if (!shown) continue;
      ghost.style.transform = `translateX(${scaleOf(run)(s.hoverFrame).toFixed(1)}px)`;
      const step = h("span", { class: "ts-curve-step" }, `step ${run.frames[s.hoverFrame]}`); // once: the cursor is the same in all
      readout.replaceChildren(...(i === 0 ? [step] : []), ...valuesAt(chart, s, s.hoverFrame).map(({ mark, zone, title, text }) =>
        h("span", { title, "data-zone": zone }, zone ? h("i", { class: "ts-zone-dot", "data-zone": zone }) : markIcon(mark, s.theme.dark, 10), text)));
    }
  }

  /** While time runs nobody can listen to five charts; they speak when it rests. */
  function tell(s, run) {
    for (const { chart, plot } of panels) {
      const values = valuesAt(chart, s, s.frame).map(({ title, text }) => `${title} ${text}`);
      tellTime(plot, run, s.frame, [`step ${run.frames[s.frame]}`, ...values].join(", "));
    }
  }

  /** What needs the truth is drawn only where somebody knows it. */
  function choose(run) {
    const known = Boolean(run.truth);
    element.toggleAttribute("data-truth", known);
    panels = all.filter(({ chart }) => known || !chart.truth);
    for (const { chart, element: panel } of all) panel.hidden = Boolean(chart.truth) && !known;
  }

  /** What picking blindly would give: the share among all eligible triplets of the watched run's batches. */
  function drawBlind(chart, run, x, y) {
    const values = run.seriesOf[chart.blind];
    if (!values) return [];
    return [svg("path", { class: "ts-curve-line ts-curve-blind", d: curvePath(run, run.steps, values, x, y) }, svg("title", {}, "picking blindly: of all eligible triplets"))];
  }

  for (const { plot } of all) scrubOn(plot, { state, actions, scaleOf });

  const observer = new ResizeObserver(resize);
  observer.observe(all[0].plot);

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    element.toggleAttribute("data-empty", !run);
    if (run && touches(changed, "run", "runs")) choose(run);
    if (!run || !width) return;
    if (touches(changed, "run", "runs", "race", "theme", "size")) draw(s, run);
    if (touches(changed, "t", "run", "runs", "size")) {
      const at = `translateX(${scaleOf(run)(s.t).toFixed(1)}px)`;
      for (const { cursor } of panels) cursor.style.transform = at;
    }
    if (touches(changed, "hoverFrame", "run", "runs", "race", "theme", "size")) point(s, run);
    if (touches(changed, "frame", "playing", "dragging", "run", "runs", "race") && !s.playing && !s.dragging) tell(s, run);
    if (touches(changed, "run", "runs", "race")) for (const { chart, words } of panels) setText(words, curveInWords(chart, s, run));
  });

  return { element, resize, stop: () => observer.disconnect() };
}
