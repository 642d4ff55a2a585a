// Violations as a heat map: a row per class of the anchor, a column per frame, darker where more of its triplets violate.
// One pixel per cell, stretched by the browser: 200 classes cost what 2 do.
import { h, setText, svg, wholeNumber } from "./dom.js";
import { touches } from "./state.js";
import { labelledFrames, scrubOn, timeScale } from "./timeline.js";
import { asideFrame, classesByViolation, finePercent, shareColour, nameElement, shareGradient, shortClass, violationsAt, wholeClass } from "./population.js";

import { panelFiles } from "./watch_files.js";

const HEAT_HEIGHT = 224;
const HEAT_ROW = { least: 14, most: 112 };
const HEAT_SCALE = [0, 0.05, 0.25, 0.5, 1];
const HEAT_DIMMED = 70; // of 255

/** Place of a share on the colour scale. The root lifts small ones: most of a run's history happens below a tenth. */
function heatOf(share) {
  return Math.sqrt(share);
}

/** "class 8 at step 30: 31 % of 4,464 cohort triplets violate, 9 % hard" */
export function violationWords(aside, f, c) {
  const { eligible, violating, hard } = violationsAt(aside, f, c);
  const who = c === null ? "all classes" : `class ${shortClass(aside, c, 28)}`;
  if (!eligible) return `${who}: no triplet in the cohort`;
  return `${who} at step ${aside.frames[f]}: ${finePercent(violating / eligible)} of ${wholeNumber(eligible)} cohort triplets violate, ${finePercent(hard / eligible)} hard`;
}

export function createHeatmap({ state, actions }) {
  const legend = h("div", { class: "ts-heat-legend", "aria-hidden": "true" },
    h("div", { class: "ts-heat-ramp" }),
    HEAT_SCALE.map((share) => h("span", { style: { left: `${100 * heatOf(share)}%` } }, share === 1 ? "100 %" : String(100 * share))));
  const sort = h("button", { type: "button", class: "ts-small-toggle", "aria-pressed": "false", title: "rows by their share over the whole run, the largest first" }, "sort by violation");
  const all = h("button", { type: "button", class: "ts-small-toggle", "aria-pressed": "false", hidden: true });
  const names = h("div", { class: "ts-heat-names", role: "group", "aria-label": "Classes: arrow keys go from row to row, Enter filters" });
  const canvas = h("canvas", { class: "ts-heat-canvas", "aria-hidden": "true" });
  const light = h("div", { class: "ts-heat-light", hidden: true });
  const ghost = h("div", { class: "ts-heat-column ts-heat-ghost", hidden: true });
  const cursor = h("div", { class: "ts-heat-column" });
  const plot = h("div", { class: "ts-heat-plot" }, canvas, h("div", { class: "ts-heat-lines" }), light, ghost, cursor);
  const scroll = h("div", { class: "ts-heat-scroll", style: { height: `${HEAT_HEIGHT}px` } }, h("div", { class: "ts-heat-both" }, names, plot));
  const axis = svg("svg", { class: "ts-heat-axis", height: 18, "aria-hidden": "true" });
  const readout = h("p", { class: "ts-readout" });
  const reading = h("span", { class: "ts-ellipsis", title: "The class is the anchor's. A click on a row filters every panel by it; dragging moves time." });
  const picture = h("div", {}, scroll, axis);
  const files = panelFiles({ state, name: "violations-by-class", title: "violating share by class", element: picture, table: tableOf, titled: true, without: ".ts-heat-ghost, .ts-heat-light", about: () => `${reading.textContent}; columns are recorded steps` });
  const element = h("div", { class: "ts-part ts-heat" },
    h("div", { class: "ts-part-head" }, h("h4", { class: "ts-part-title" }, "Violating share by class"), sort, all, files),
    h("div", { class: "ts-part-note" }, reading, legend),
    picture, readout);

  let byViolation = false;
  let showAll = false;
  let shown = []; // classes, in the order of rows
  let rowHeight = HEAT_ROW.most;
  let plotWidth = 0;
  let gutter = 0;
  let named = "";
  let stop = 0; // the row that the Tab key comes to

  const asideNow = () => state.get().asides[state.get().run] ?? null;
  const columnOf = (run) => plotWidth / Math.max(1, run.frames.length);
  const scaleOf = (run) => timeScale(run, columnOf(run) / 2, plotWidth - columnOf(run) / 2);
  const toggle = (c) => actions.setFocus(state.get().focus?.[0] === c && state.get().focus[1] === null ? null : [c, null]);
  const pointAt = (c) => {
    const now = state.get().hoverClasses;
    if (c === null ? now !== null : now?.[0] !== c || now[1] !== null) state.set({ hoverClasses: c === null ? null : [c, null] });
  };

  /** Every class at every frame, also those that the list leaves out. */
  function tableOf(s) {
    const [run, aside] = [s.runs[s.run], s.asides[s.run]];
    const rows = aside.frames.flatMap((step, f) => aside.class_names.map((name, c) => {
      const { eligible, violating, hard } = violationsAt(aside, f, c);
      return [run.name, run.strategy, step, name, eligible, violating, hard, eligible ? violating / eligible : null];
    }));
    return [["run", "strategy", "step", "class of anchor", "triplets of the cohort", "violating", "hard", "violating share"], rows];
  }

  function arrange(aside) {
    const many = aside.classes > Math.floor(HEAT_HEIGHT / HEAT_ROW.least);
    const order = byViolation || (many && !showAll) ? classesByViolation(aside) : Array.from({ length: aside.classes }, (_, c) => c);
    shown = many && !showAll ? order.slice(0, Math.floor(HEAT_HEIGHT / HEAT_ROW.least)) : order;
    rowHeight = Math.min(HEAT_ROW.most, Math.max(HEAT_ROW.least, Math.floor(HEAT_HEIGHT / shown.length)));
    all.hidden = !many;
    setText(all, showAll ? `only the top ${Math.floor(HEAT_HEIGHT / HEAT_ROW.least)}` : `show all ${aside.classes}`);
    all.setAttribute("aria-pressed", String(showAll));
    sort.setAttribute("aria-pressed", String(byViolation || (many && !showAll)));
    sort.disabled = many && !showAll;
  }

  function nameOf(aside, c, row) {
    const name = h("button", {
      type: "button", class: "ts-heat-name", "data-class": c, tabindex: row === stop ? 0 : -1, title: String(aside.class_names[c]),
      style: { height: `${rowHeight}px` },
    }, nameElement(wholeClass(aside, c)));
    const tell = () => name.setAttribute("aria-label", violationWords(aside, Math.min(state.get().frame, aside.frames.length - 1), c));
    name.addEventListener("click", () => toggle(c));
    name.addEventListener("pointerenter", () => pointAt(c));
    name.addEventListener("pointerleave", () => pointAt(null));
    name.addEventListener("focus", () => {
      tell();
      pointAt(c);
    });
    name.addEventListener("blur", () => pointAt(null));
    return name;
  }

  function drawNames(aside) {
    const stamp = JSON.stringify([aside.digest, shown, rowHeight]);
    if (stamp === named) return;
    named = stamp;
    stop = Math.min(stop, shown.length - 1);
    names.replaceChildren(...shown.map((c, row) => nameOf(aside, c, row)));
  }

  names.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    names.children[stop]?.setAttribute("tabindex", "-1");
    stop = Math.min(shown.length - 1, Math.max(0, stop + by));
    names.children[stop].setAttribute("tabindex", "0");
    names.children[stop].focus();
  });
  names.addEventListener("focusin", (event) => {
    const row = [...names.children].indexOf(event.target);
    if (row < 0 || row === stop) return;
    names.children[stop]?.setAttribute("tabindex", "-1");
    stop = row;
    event.target.setAttribute("tabindex", "0");
  });

  function paint(s, aside) {
    const frames = aside.frames.length;
    canvas.width = frames;
    canvas.height = shown.length;
    const context = canvas.getContext("2d");
    const image = context.createImageData(frames, shown.length);
    shown.forEach((c, row) => {
      const dimmed = s.focus && s.focus[0] !== c;
      for (let f = 0; f < frames; f++) {
        const at = 4 * (row * frames + f);
        const eligible = aside.class_eligible[c];
        const colour = eligible ? shareColour(heatOf(aside.class_violating[f * aside.classes + c] / eligible), s.theme.dark) : [0, 0, 0];
        image.data.set(colour, at);
        image.data[at + 3] = eligible ? (dimmed ? HEAT_DIMMED : 255) : 0;
      }
    });
    context.putImageData(image, 0, 0);
  }

  function draw(s, run, aside) {
    arrange(aside);
    drawNames(aside);
    const longest = Math.max(...shown.map((c) => Array.from(wholeClass(aside, c)).length));
    gutter = Math.min(118, Math.max(26, Math.round(7.2 * longest) + 12));
    plotWidth = scroll.clientWidth - gutter;
    const height = rowHeight * shown.length;
    element.style.setProperty("--row", `${rowHeight}px`);
    element.style.setProperty("--gutter", `${gutter}px`);
    plot.style.height = `${height}px`;
    setText(reading, `${s.theme.dark ? "brighter" : "darker"}: more triplets violate`);
    legend.firstChild.style.background = shareGradient(s.theme.dark);
    for (const column of [cursor, ghost]) column.style.width = `${Math.max(3, columnOf(run)).toFixed(1)}px`;
    const x = scaleOf(run);
    axis.setAttribute("viewBox", `0 0 ${plotWidth} 18`);
    axis.style.marginLeft = `${gutter}px`;
    axis.style.width = `${plotWidth}px`;
    axis.replaceChildren(...labelledFrames(run, x, 40).map((i) => svg("text", { class: "ts-tick-text", x: x(i), y: 13, "text-anchor": "middle" }, String(run.frames[i]))));
  }

  function mark(s, run) {
    const at = s.hoverClasses ? shown.indexOf(s.hoverClasses[0]) : -1;
    light.hidden = at < 0;
    if (at >= 0) light.style.transform = `translateY(${at * rowHeight}px)`;
    [...names.children].forEach((name, row) => {
      name.toggleAttribute("data-lit", row === at);
      name.toggleAttribute("data-dimmed", Boolean(s.focus) && s.focus[0] !== shown[row]);
      const pressed = String(s.focus?.[0] === shown[row]);
      if (name.getAttribute("aria-pressed") !== pressed) name.setAttribute("aria-pressed", pressed);
    });
    ghost.hidden = s.hoverFrame === null || s.hoverFrame >= run.frames.length;
    if (!ghost.hidden) ghost.style.transform = `translateX(${(scaleOf(run)(s.hoverFrame) - columnOf(run) / 2).toFixed(1)}px)`;
  }

  sort.addEventListener("click", () => {
    byViolation = !byViolation;
    redraw(state.get());
  });
  all.addEventListener("click", () => {
    showAll = !showAll;
    scroll.scrollTop = 0;
    redraw(state.get());
  });

  const rowAt = (event) => shown[Math.floor((event.clientY - plot.getBoundingClientRect().top) / rowHeight)] ?? null;
  scrubOn(plot, { state, actions, scaleOf, onclick: (event) => rowAt(event) !== null && toggle(rowAt(event)) });
  plot.addEventListener("pointermove", (event) => event.pointerType !== "touch" && pointAt(rowAt(event)));
  plot.addEventListener("pointerleave", () => pointAt(null));

  function redraw(s) {
    const [run, aside] = [s.runs[s.run], asideNow()];
    if (!run || !aside) return;
    draw(s, run, aside);
    paint(s, aside);
    update(s, new Set(["t", "frame", "hoverFrame"]), run, aside);
  }

  function update(s, changed, run, aside) {
    if (touches(changed, "run", "runs", "asides", "size", "theme")) return redraw(s);
    if (touches(changed, "focus")) paint(s, aside);
    if (touches(changed, "hoverClasses", "hoverFrame", "focus")) mark(s, run);
    if (touches(changed, "t")) cursor.style.transform = `translateX(${(scaleOf(run)(s.t) - columnOf(run) / 2).toFixed(1)}px)`;
    if (touches(changed, "frame", "hoverFrame", "hoverClasses", "focus")) {
      const f = asideFrame(aside, run, Math.min(s.hoverFrame ?? s.frame, run.frames.length - 1));
      setText(readout, violationWords(aside, f, s.hoverClasses?.[0] ?? s.focus?.[0] ?? null));
    }
  }

  return { element, update };
}
