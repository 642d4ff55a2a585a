// The margin curve: of all pairs, the share whose nearest negative violates the margin. The margin is a handle on it:
// it moves here at once, and Python hears where it was let go.
import { clamp, decimalsFor, fixed, h, percent, setText, svg, wholeNumber } from "./dom.js";
import { readTheme } from "./theme.js";
import { fileName, saveMenu } from "./chart_file.js";

const gapCurves = new WeakMap();
const GAP_EDGE = { left: 46, right: 18, top: 24, bottom: 42 };
const GAP_HEIGHT = 236;

/** How many of the rising `gaps` lie below `value`. */
function gapsBelow(gaps, value) {
  let [low, high] = [0, gaps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (gaps[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The share of the pairs in each zone at a margin; `gaps` are all of them, or as many quantiles. */
export function gapShares(gaps, margin) {
  const all = Math.max(1, gaps.length);
  // A gap of 0 is hard: the first that is not lies above it.
  const hard = gapsBelow(gaps, Number.MIN_VALUE) / all;
  const violating = Math.max(hard, gapsBelow(gaps, margin) / all);
  return { hard, semi: violating - hard, easy: 1 - violating, violating };
}

/** A step of 1, 2 or 5 times a power of ten, so that about `wanted` fit. */
function gapStep(range, wanted) {
  const rough = range / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
}

const gapText = (value, top) => fixed(value, decimalsFor(top) + (value < top / 20 ? 1 : 0));

/** The curve: the share of pairs in each zone at margins from the axis, the chosen one among them. */
function gapTable({ gaps, margin, data: { top, unit, pairs } }) {
  const margins = [...new Set([...Array.from({ length: 200 }, (_, i) => ((i + 1) / 200) * top), margin])].sort((a, b) => a - b);
  return [[`margin (${unit})`, "chosen", "hard (share)", "semi-hard (share)", "easy (share)", "violating (share)", "pairs"], margins.map((value) => {
    const shares = gapShares(gaps, value);
    return [value, value === margin ? 1 : 0, shares.hard, shares.semi, shares.easy, shares.violating, pairs];
  })];
}

function createGapCurve(root) {
  const figure = svg("svg", { class: "ts-gap-figure", role: "presentation" });
  const slider = h("div", { class: "ts-gap-handle", role: "slider", tabindex: "0", "aria-label": "Margin", "aria-orientation": "horizontal" });
  const stage = h("div", { class: "ts-gap-stage" }, figure, slider);
  const bar = h("div", { class: "ts-gap-bar", "aria-hidden": "true" });
  const words = h("p", { class: "ts-gap-words" });
  const files = saveMenu({
    title: "Share of pairs that violate, against the margin", titled: true, element: () => picture, table: () => gapTable(made), theme: () => readTheme(element), without: ".ts-gap-handle",
    name: () => fileName("violating-pairs-by-margin", "margin", made.margin), caption: () => words.textContent,
  });
  const picture = h("div", { class: "ts-gap-picture" }, stage, bar);
  const element = h("section", { class: "ts-instrument ts-gap", "aria-label": "Share of pairs that violate, against the margin" }, picture, words, files);
  root.append(element);
  const made = { element, figure, slider, stage, bar, words, given: null, data: null, gaps: [], margin: 0, sent: null, dragging: false, width: 0 };

  const x = (value) => GAP_EDGE.left + (value / made.data.top) * (made.width - GAP_EDGE.left - GAP_EDGE.right);
  const y = (share) => GAP_EDGE.top + (1 - share) * (GAP_HEIGHT - GAP_EDGE.top - GAP_EDGE.bottom);
  const grain = () => made.data.top / 400;

  function choose(value, { send = true } = {}) {
    const digits = Math.max(0, 1 - Math.floor(Math.log10(made.data.top)) + 1);
    made.margin = Number(clamp(value, grain(), Math.max(made.data.top, made.margin)).toFixed(Math.min(9, digits)));
    drawMargin();
    if (send && made.margin !== made.sent) {
      made.sent = made.margin;
      made.given.setStateValue("margin", made.margin);
    }
  }

  function pointed(event) {
    const box = stage.getBoundingClientRect();
    const share = (event.clientX - box.left - GAP_EDGE.left) / (box.width - GAP_EDGE.left - GAP_EDGE.right);
    return clamp(share, 0, 1) * made.data.top;
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !made.data) return;
    made.dragging = true;
    stage.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true });
    choose(pointed(event), { send: false });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (made.dragging) choose(pointed(event), { send: false });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, () => {
      if (!made.dragging) return;
      made.dragging = false;
      choose(made.margin);
    });
  }
  slider.addEventListener("keydown", (event) => {
    const by = grain() * (event.shiftKey ? 20 : 2);
    const to = {
      ArrowRight: made.margin + by, ArrowUp: made.margin + by, ArrowLeft: made.margin - by, ArrowDown: made.margin - by,
      PageUp: made.margin + 10 * by, PageDown: made.margin - 10 * by, Home: grain(), End: made.data?.top,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to, { send: false });
    clearTimeout(made.later);
    made.later = setTimeout(() => choose(made.margin), 250);
  });

  function path(points) {
    return points.map(([a, b], place) => `${place ? "L" : "M"}${a.toFixed(1)},${b.toFixed(1)}`).join("");
  }

  function drawGround() {
    const { top, unit, suggested } = made.data;
    made.width = Math.max(300, stage.clientWidth || 600);
    figure.setAttribute("width", made.width);
    figure.setAttribute("height", GAP_HEIGHT);
    const hard = gapShares(made.gaps, grain()).hard;
    const floor = y(0);
    const columns = Math.max(80, Math.round(made.width / 3));
    const curve = Array.from({ length: columns + 1 }, (_, i) => {
      const value = (i / columns) * top;
      return [x(value), y(gapShares(made.gaps, value).violating)];
    });
    made.curve = curve;
    const step = gapStep(top, made.width > 560 ? 8 : 5);
    const ticks = Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, i) => i * step);
    const right = x(top);
    made.under = svg("clipPath", { id: made.clip }, svg("rect", { x: x(0), y: 0, width: 0, height: GAP_HEIGHT }));
    figure.replaceChildren(
      svg("defs", {}, made.under),
      ...[0.25, 0.5, 0.75, 1].map((share) => svg("line", { class: "ts-gap-grid", x1: x(0), x2: right, y1: y(share), y2: y(share) })),
      ...[0, 0.5, 1].map((share) => svg("text", { class: "ts-gap-tick", x: x(0) - 7, y: y(share) + 4, "text-anchor": "end" }, percent(share))),
      svg("path", { class: "ts-gap-rest", d: `${path(curve)}L${right},${floor}L${x(0)},${floor}Z` }),
      svg("path", { class: "ts-gap-semi", "clip-path": `url(#${made.clip})`, d: `${path(curve)}L${right},${y(hard)}L${x(0)},${y(hard)}Z` }),
      svg("rect", { class: "ts-gap-hard", x: x(0), y: y(hard), width: right - x(0), height: Math.max(0, floor - y(hard)) }),
      svg("path", { class: "ts-gap-curve", d: path(curve) }),
      svg("line", { class: "ts-gap-axis", x1: x(0), x2: right, y1: floor, y2: floor }),
      ...ticks.map((value) => svg("text", { class: "ts-gap-tick", x: x(value), y: floor + 16, "text-anchor": "middle" }, value === 0 ? "0" : fixed(value, decimalsFor(step)).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""))),
      svg("text", { class: "ts-gap-name", x: right, y: floor + 35, "text-anchor": "end" }, `margin, in ${unit} distance`),
      svg("text", { class: "ts-gap-name", x: x(0) - 38, y: 12 }, "pairs whose nearest negative violates"),
      (made.line = svg("line", { class: "ts-gap-line", y1: y(1) - 4, y2: floor })),
      (made.dot = svg("circle", { class: "ts-gap-dot", r: 6 })),
      (made.label = svg("text", { class: "ts-gap-label" })),
      suggested && suggested <= top
        ? svg("path", { class: "ts-gap-half", d: `M${x(suggested)},${floor + 1}l-5,8h10z` }, svg("title", {}, `a margin to begin with: ${suggested}`))
        : svg("g"),
      hard > 0.12 ? svg("text", { class: "ts-gap-in ts-gap-in-hard", x: right - 8, y: y(hard / 2) + 4, "text-anchor": "end" }, "hard at any margin") : svg("g"),
    );
    drawMargin();
  }

  function drawMargin() {
    if (!made.line) return;
    const { top, pairs, unit } = made.data;
    const beyond = made.margin > top;
    const at = x(Math.min(made.margin, top));
    const shares = gapShares(made.gaps, made.margin);
    const level = y(shares.violating);
    made.line.setAttribute("x1", at);
    made.line.setAttribute("x2", at);
    made.dot.setAttribute("cx", at);
    made.dot.setAttribute("cy", level);
    made.under.firstChild.setAttribute("width", Math.max(0, at - x(0)));
    const number = gapText(made.margin, top);
    const text = `margin ${number}: ${percent(shares.violating)}${beyond ? " (beyond the axis)" : ""}`;
    const end = at > made.width - 190;
    made.label.setAttribute("x", at + (end ? -11 : 11));
    // Above the curve where there is room, else below it.
    made.label.setAttribute("y", level - 12 > y(1) + 14 ? level - 12 : level + 24);
    made.label.setAttribute("text-anchor", end ? "end" : "start");
    setText(made.label, text);
    slider.style.left = `${at}px`;
    const counts = ["hard", "semi", "easy"].map((zone) => Math.round(shares[zone] * pairs));
    const said = made.data.exact && made.gaps.length === pairs ? "" : "about ";
    const sentence = `At margin ${number}, ${said}${wholeNumber(counts[0] + counts[1])} of ${wholeNumber(pairs)} pairs violate: ` +
      `${wholeNumber(counts[0])} hard and ${wholeNumber(counts[1])} semi-hard; ${wholeNumber(counts[2])} are easy and would teach nothing.`;
    setText(made.words, sentence);
    for (const [name, value] of Object.entries({ min: 0, max: Math.max(top, made.margin), now: made.margin, text: `${number} in ${unit} distance. ${sentence}` })) {
      slider.setAttribute(`aria-value${name}`, String(value));
    }
    bar.replaceChildren(...[["hard", "hard"], ["semi", "semi-hard"], ["easy", "easy"]].map(([zone, name]) =>
      h("span", { class: "ts-gap-part", "data-zone": zone, style: { "flex-grow": String(Math.max(shares[zone], 0)) } },
        shares[zone] > 0.09 ? h("span", {}, `${name} ${percent(shares[zone])}`) : "")));
    element.dataset.margin = String(made.margin);
    element.dataset.violating = shares.violating.toFixed(4);
  }

  new ResizeObserver(() => {
    if (made.data && Math.abs(stage.clientWidth - made.width) > 1) drawGround();
  }).observe(stage);
  made.clip = `ts-gap-clip-${Math.random().toString(36).slice(2)}`;
  return {
    update(given) {
      const fresh = JSON.stringify([given.data.gaps, given.data.top, given.data.suggested, given.data.unit, given.data.pairs]);
      made.given = given;
      made.data = given.data;
      made.gaps = given.data.gaps;
      element.dataset.theme = readTheme(element).dark ? "dark" : "light";
      // What was let go here comes back from Python; only another value is news.
      if (!made.dragging && given.data.margin !== made.sent) made.margin = made.sent = given.data.margin;
      if (fresh !== made.fresh || !made.line) {
        made.fresh = fresh;
        drawGround();
      } else drawMargin();
      element.dataset.ready = "true";
    },
  };
}

export default function showGapCurve(given) {
  const root = given.parentElement;
  if (!gapCurves.has(root)) gapCurves.set(root, createGapCurve(root));
  gapCurves.get(root).update(given);
  return undefined;
}
