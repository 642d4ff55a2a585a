// All gaps of the cohort at the frame, between the two lines that decide everything: 0 and the margin. The axes are the
// run's, so a histogram that moves is a space that moves.
import { fixed, h, setText, svg, wholeNumber } from "./dom.js";
import { touches } from "./state.js";
import { asideFrame, finePercent, plainMargin, violationsAt } from "./population.js";
import { panelFiles, unitOf } from "./watch_files.js";

const GAP_HEIGHT = 224;
const GAP_PAD = { left: 40, right: 10, top: 22, bottom: 20 };
const GAP_FINE = 5; // pixels: narrower columns touch each other
const GAP_ZONES = ["hard", "semi-hard", "easy"];

/** {hard, semi-hard, easy}: triplets of the cohort at a frame. Counted one by one, not from bins. */
function zoneCounts(aside, f) {
  const { eligible, violating, hard } = violationsAt(aside, f);
  return { hard, "semi-hard": violating - hard, easy: eligible - violating, eligible };
}

export function createGaps({ state }) {
  const title = h("h4", { class: "ts-part-title" }, "Gaps");
  const zones = Object.fromEntries(GAP_ZONES.map((zone) => [zone, h("span", {})]));
  const legend = h("div", { class: "ts-gap-legend" }, GAP_ZONES.map((zone) => h("span", { "data-zone": zone }, h("i", { class: "ts-gap-swatch", "data-zone": zone }), `${zone} `, zones[zone])));
  const drawing = svg("svg", { class: "ts-gap-drawing", height: GAP_HEIGHT, "aria-hidden": "true" });
  const picture = h("div", {}, legend, drawing);
  const words = h("p", { class: "ts-sr" });
  const whatIf = h("p", { class: "ts-readout" });
  const element = h("div", { class: "ts-part ts-gaps" },
    h("div", { class: "ts-part-head" }, title, panelFiles({ state, name: "gaps", title: "gaps", element: picture, table: tableOf, titled: true })),
    h("div", { class: "ts-part-note" }, h("span", { class: "ts-ellipsis", title: "gap = d(a,n) − d(a,p) of every triplet of the cohort. Heights are counts on a log scale; both axes stay the same over the run." }, "d(a,n) − d(a,p) of every cohort triplet; axes fixed over the run")),
    picture, whatIf, words);
  const bars = Object.fromEntries(GAP_ZONES.map((zone) => [zone, svg("path", { class: "ts-gap-bars", "data-zone": zone })]));
  const hatches = { "semi-hard": svg("path", { fill: "url(#ts-gap-dots)" }), easy: svg("path", { fill: "url(#ts-gap-hatch)" }) };
  const ghost = svg("path", { class: "ts-gap-ghost" });
  const tryLine = svg("g", { class: "ts-gap-try", visibility: "hidden" });
  let width = 0;
  let ceiling = 1; // the largest count of a bin at any frame

  const bins = (aside) => aside.gap_edges.length - 1;
  const xOfBin = (aside, i) => GAP_PAD.left + ((width - GAP_PAD.left - GAP_PAD.right) * i) / bins(aside);
  const yOf = (count) => GAP_HEIGHT - GAP_PAD.bottom - (GAP_HEIGHT - GAP_PAD.top - GAP_PAD.bottom) * (Math.log1p(count) / Math.log1p(ceiling));
  const edgeNear = (aside, value) => aside.gap_edges.reduce((best, edge, i) => (Math.abs(edge - value) < Math.abs(aside.gap_edges[best] - value) ? i : best), 0);

  /** Pixels of any gap: bins stand side by side, and within one it is linear. Null beyond the closed bins. */
  function xOfGap(aside, gap) {
    const { gap_edges: edges } = aside;
    const bin = edges.findIndex((edge, i) => i > 0 && gap <= edge) - 1;
    if (bin < 0 || gap < edges[0]) return null;
    return xOfBin(aside, bin + (gap - edges[bin]) / (edges[bin + 1] - edges[bin]));
  }

  /** Columns of the bins from..to, with a pixel between them where there is room. */
  function columns(aside, f, from, to) {
    const count = bins(aside);
    const floor = yOf(0).toFixed(1);
    const air = xOfBin(aside, 1) - xOfBin(aside, 0) < GAP_FINE ? 0 : 0.5;
    let path = "";
    for (let i = from; i < to; i++) {
      const value = aside.gap_counts[f * count + i];
      if (!value) continue;
      const [left, right] = [xOfBin(aside, i) + air, xOfBin(aside, i + 1) - air];
      path += `M${left.toFixed(1)},${floor}V${yOf(value).toFixed(1)}H${right.toFixed(1)}V${floor}Z`;
    }
    return path;
  }

  function outline(aside, f) {
    const count = bins(aside);
    let path = `M${xOfBin(aside, 0).toFixed(1)},${yOf(0).toFixed(1)}`;
    for (let i = 0; i < count; i++) path += `V${yOf(aside.gap_counts[f * count + i]).toFixed(1)}H${xOfBin(aside, i + 1).toFixed(1)}`;
    return path;
  }

  function tickTexts(aside) {
    const { gap_edges: edges, margin } = aside;
    const round = (edge) => (Math.abs(edge / margin - Math.round(edge / margin)) < 1e-6 ? 0 : 1);
    const order = edges.map((_, i) => i).slice(1, -1).sort((a, b) => round(edges[a]) - round(edges[b]) || a - b);
    const chosen = [edgeNear(aside, 0), edgeNear(aside, margin)];
    const free = (i) => chosen.every((j) => Math.abs(xOfBin(aside, i) - xOfBin(aside, j)) >= (round(edges[i]) ? 90 : 38));
    for (const i of order) if (xOfBin(aside, i) > GAP_PAD.left + 40 && xOfBin(aside, i) < width - 52 && free(i)) chosen.push(i);
    return chosen.map((i) => svg("text", { class: "ts-tick-text", x: xOfBin(aside, i), y: GAP_HEIGHT - 5, "text-anchor": "middle" }, fixed(edges[i], Number.isInteger(edges[i]) ? 0 : 2)));
  }

  function drawFrame(aside) {
    ceiling = aside.gap_counts.reduce((most, count) => Math.max(most, count), 1);
    const [zero, margin] = [0, aside.margin].map((value) => xOfBin(aside, edgeNear(aside, value)));
    const [left, right, bottom] = [GAP_PAD.left, width - GAP_PAD.right, GAP_HEIGHT - GAP_PAD.bottom];
    const powers = [];
    for (let count = 1; count <= ceiling; count *= 10) if (!powers.length || yOf(powers.at(-1)) - yOf(count) > 15) powers.push(count);
    const pattern = (id, ...mark) => svg("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: id === "ts-gap-hatch" ? "rotate(45)" : null }, ...mark);
    drawing.setAttribute("viewBox", `0 0 ${width} ${GAP_HEIGHT}`);
    drawing.toggleAttribute("data-fine", xOfBin(aside, 1) - xOfBin(aside, 0) < GAP_FINE);
    drawing.replaceChildren(
      svg("defs", {},
        pattern("ts-gap-hatch", svg("line", { class: "ts-gap-hatch", x1: 0, y1: 0, x2: 0, y2: 6 })),
        pattern("ts-gap-dots", svg("circle", { class: "ts-gap-dot", cx: 2, cy: 2, r: 0.9 }))),
      ...powers.flatMap((count) => [
        svg("line", { class: "ts-grid", x1: left, x2: right, y1: yOf(count), y2: yOf(count) }),
        svg("text", { class: "ts-tick-text", x: left - 5, y: yOf(count) + 4, "text-anchor": "end" }, count >= 1e6 ? `${count / 1e6}M` : count >= 1000 ? `${count / 1000}k` : String(count)),
      ]),
      svg("line", { class: "ts-gap-floor", x1: left, x2: right, y1: bottom, y2: bottom }),
      ...GAP_ZONES.map((zone) => bars[zone]), hatches["semi-hard"], hatches.easy, ghost,
      svg("line", { class: "ts-gap-line", "data-at": "zero", x1: zero, x2: zero, y1: GAP_PAD.top - 6, y2: bottom }),
      svg("line", { class: "ts-gap-line", "data-at": "margin", x1: margin, x2: margin, y1: GAP_PAD.top - 6, y2: bottom }),
      svg("text", { class: "ts-gap-name", x: zero - 4, y: GAP_PAD.top - 9, "text-anchor": "end" }, "gap 0"),
      svg("text", { class: "ts-gap-name", x: margin + 4, y: GAP_PAD.top - 9 }, `margin ${plainMargin(aside.margin)}`),
      tryLine,
      ...tickTexts(aside),
      svg("text", { class: "ts-tick-text", x: left, y: GAP_HEIGHT - 5 }, "less"), // the bins at both ends are open
      svg("text", { class: "ts-tick-text", x: right, y: GAP_HEIGHT - 5, "text-anchor": "end" }, "more"),
    );
  }

  function drawTry(s, aside) {
    const set = s.margin !== null && s.margin !== aside.margin;
    const x = set ? xOfGap(aside, s.margin) : null;
    tryLine.setAttribute("visibility", x === null ? "hidden" : "visible");
    if (x !== null) {
      tryLine.replaceChildren(
        svg("line", { x1: x, x2: x, y1: GAP_PAD.top + 4, y2: GAP_HEIGHT - GAP_PAD.bottom }),
        svg("text", { x: x + 4, y: GAP_PAD.top + 12 }, `what if ${plainMargin(s.margin)}`));
    }
    setText(whatIf, set ? `Shares, colours and counts stay those of the run's margin ${plainMargin(aside.margin)}.` : "");
  }

  function drawBars(aside, f) {
    const [zero, margin] = [edgeNear(aside, 0), edgeNear(aside, aside.margin)];
    const ends = { hard: [0, zero], "semi-hard": [zero, margin], easy: [margin, bins(aside)] };
    for (const zone of GAP_ZONES) {
      const d = columns(aside, f, ...ends[zone]);
      bars[zone].setAttribute("d", d);
      hatches[zone]?.setAttribute("d", d);
    }
    const counts = zoneCounts(aside, f);
    for (const zone of GAP_ZONES) setText(zones[zone], counts.eligible ? `${finePercent(counts[zone] / counts.eligible)}` : "–");
    setText(title, `Gaps at step ${aside.frames[f]}`);
  }

  /** Every bin of the histogram; of the two that are open, one edge is left out. */
  function tableOf(s) {
    const [run, aside] = [s.runs[s.run], s.asides[s.run]];
    const f = asideFrame(aside, run, s.frame);
    const [zero, margin] = [edgeNear(aside, 0), edgeNear(aside, aside.margin)];
    const rows = Array.from({ length: bins(aside) }, (_, i) => [run.name, run.strategy, aside.frames[f], aside.gap_edges[i], aside.gap_edges[i + 1], aside.gap_counts[f * bins(aside) + i], i < zero ? "hard" : i < margin ? "semi-hard" : "easy"]);
    return [["run", "strategy", "step", unitOf(run, "gap from"), unitOf(run, "gap to"), "triplets of the cohort", "zone"], rows];
  }

  function tell(aside, f) {
    const counts = zoneCounts(aside, f);
    const parts = GAP_ZONES.map((zone) => `${wholeNumber(counts[zone])} ${zone}`).join(", ");
    setText(words, `Histogram of gaps at step ${aside.frames[f]}: of ${wholeNumber(counts.eligible)} triplets of the cohort, ${parts}.`);
    legend.title = GAP_ZONES.map((zone) => `${wholeNumber(counts[zone])} ${zone}`).join(", ") + ` of ${wholeNumber(counts.eligible)}`;
  }

  function update(s, changed, run, aside) {
    const fresh = touches(changed, "run", "runs", "asides", "size");
    if (fresh) {
      width = element.clientWidth;
      drawFrame(aside);
    }
    const f = asideFrame(aside, run, s.frame);
    if (fresh || touches(changed, "frame")) drawBars(aside, f);
    if (fresh || touches(changed, "margin")) drawTry(s, aside);
    if (fresh || touches(changed, "hoverFrame", "frame")) {
      const shown = s.hoverFrame !== null && s.hoverFrame !== s.frame && s.hoverFrame < run.frames.length;
      ghost.setAttribute("d", shown ? outline(aside, asideFrame(aside, run, s.hoverFrame)) : "");
    }
    if ((fresh || touches(changed, "frame", "playing", "dragging")) && !s.playing && !s.dragging) tell(aside, f);
  }

  return { element, update };
}
