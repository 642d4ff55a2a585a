// The pairs of classes that violate most at the frame: whose anchors have which class too near.
import { h, setText, svg, wholeNumber } from "./dom.js";
import { touches } from "./state.js";
import { timeScale } from "./timeline.js";
import { panelFiles } from "./watch_files.js";
import { asideFrame, finePercent, nameElement, pairCurve, pairsAt, setName, wholeClass } from "./population.js";

const PAIRS_SHOWN = 8;
const PAIR_SPARK = { width: 72, height: 20 };

/** The share at every frame as an SVG path on a fixed scale from 0 to 1; frames that were not kept leave a gap. */
function pairPath(curve, x) {
  let path = "";
  let pen = "M";
  curve.forEach((share, f) => {
    if (Number.isNaN(share)) pen = "M";
    else {
      path += `${pen}${x(f).toFixed(1)},${(PAIR_SPARK.height - 1.5 - share * (PAIR_SPARK.height - 3)).toFixed(1)}`;
      pen = "L";
    }
  });
  return path;
}

export function createPairs({ state, actions }) {
  const title = h("h4", { class: "ts-part-title" }, "Pairs that violate most");
  const list = h("div", { class: "ts-classpairs", role: "group", "aria-label": "Pairs of classes, anchor to negative" });
  const none = h("p", { class: "ts-part-none", hidden: true }, "No triplet of the cohort violates the margin at this step.");
  const element = h("div", { class: "ts-part ts-classpairs-part" },
    h("div", { class: "ts-part-head" }, title, panelFiles({ state, name: "pairs", title: "pairs that violate most", element: list, table: tableOf, titled: true, about: () => "bar: share now; line: share over the run" })),
    h("div", { class: "ts-part-note" }, h("span", { class: "ts-ellipsis", title: "Most violating triplets first. The bar and the number are the share of the pair's triplets at this step; the line is that share over the run, from 0 to 100 %, and stops where the pair is not among the hundred worst." },
      "anchor → negative; bar now, line over the run")),
    list, none);
  /** All pairs that were kept at the frame, the list's eight first. */
  function tableOf(s) {
    const [run, aside] = [s.runs[s.run], s.asides[s.run]];
    const f = asideFrame(aside, run, s.frame);
    const told = pairsAt(aside, f, Infinity).map(({ anchor, negative, violating, eligible }) => [run.name, run.strategy, aside.frames[f], aside.class_names[anchor], aside.class_names[negative], violating, eligible, violating / eligible]);
    return [["run", "strategy", "step", "class of anchor", "class of negative", "violating", "triplets of the cohort", "violating share"], told];
  }

  const rows = Array.from({ length: PAIRS_SHOWN }, () => {
    const [anchor, negative] = [nameElement(), nameElement()];
    const fill = h("i", {});
    const share = h("span", { class: "ts-classpair-share" });
    const line = svg("path", { class: "ts-classpair-line" });
    const dot = svg("line", { class: "ts-classpair-now", y1: 0, y2: PAIR_SPARK.height });
    const row = h("button", { type: "button", class: "ts-classpair" },
      h("span", { class: "ts-classpair-names" }, anchor, h("span", { class: "ts-classpair-arrow" }, "→"), negative),
      h("span", { class: "ts-classpair-bar" }, fill), share,
      svg("svg", { class: "ts-classpair-spark", width: PAIR_SPARK.width, height: PAIR_SPARK.height, viewBox: `0 0 ${PAIR_SPARK.width} ${PAIR_SPARK.height}`, "aria-hidden": "true" }, dot, line));
    const entry = { row, anchor, negative, fill, share, line, dot, pair: null };
    const point = () => entry.pair && state.set({ hoverClasses: [entry.pair.anchor, entry.pair.negative] });
    const leave = () => state.set({ hoverClasses: null });
    row.addEventListener("pointerenter", point);
    row.addEventListener("focus", point);
    row.addEventListener("pointerleave", leave);
    row.addEventListener("blur", leave);
    row.addEventListener("click", () => {
      const { focus } = state.get();
      const { anchor: a, negative: n } = entry.pair;
      actions.setFocus(focus?.[0] === a && focus[1] === n ? null : [a, n]);
    });
    return entry;
  });
  list.append(...rows.map((entry) => entry.row));
  let paths = { stamp: null, of: new Map() };

  function pathOf(run, aside, code) {
    const stamp = `${aside.digest}/${run.frames.length}`;
    if (paths.stamp !== stamp) paths = { stamp, of: new Map() };
    if (!paths.of.has(code)) paths.of.set(code, pairPath(pairCurve(aside, code), timeScale(run, 1, PAIR_SPARK.width - 1)));
    return paths.of.get(code);
  }

  function draw(run, aside, f, moving, fresh) {
    const pairs = pairsAt(aside, f, PAIRS_SHOWN);
    setText(title, `Pairs that violate most at step ${aside.frames[f]}`);
    none.hidden = pairs.length > 0;
    rows.forEach((entry, i) => {
      const pair = pairs[i] ?? null;
      entry.row.hidden = !pair;
      if (!pair) {
        entry.pair = null;
        return;
      }
      const share = pair.violating / pair.eligible;
      if (entry.pair?.code !== pair.code || fresh) {
        setName(entry.anchor, wholeClass(aside, pair.anchor));
        setName(entry.negative, wholeClass(aside, pair.negative));
        entry.line.setAttribute("d", pathOf(run, aside, pair.code));
        entry.row.dataset.pair = `${pair.anchor},${pair.negative}`;
      }
      entry.pair = pair;
      entry.fill.style.transform = `scaleX(${share.toFixed(3)})`;
      setText(entry.share, finePercent(share));
      if (moving) return;
      const words = `anchors of class ${aside.class_names[pair.anchor]}, negatives of class ${aside.class_names[pair.negative]}: ${finePercent(share)} of ${wholeNumber(pair.eligible)} triplets violate at step ${aside.frames[f]}`;
      entry.row.setAttribute("aria-label", words);
      entry.row.title = words;
    });
  }

  function update(s, changed, run, aside) {
    const fresh = touches(changed, "run", "runs", "asides");
    const redraw = fresh || touches(changed, "frame", "playing", "dragging");
    if (redraw) draw(run, aside, asideFrame(aside, run, s.frame), s.playing || s.dragging, fresh);
    if (redraw || touches(changed, "t")) {
      const x = timeScale(run, 1, PAIR_SPARK.width - 1)(s.t).toFixed(1);
      for (const { dot, pair } of rows) if (pair) dot.setAttribute("transform", `translate(${x},0)`);
    }
    if (redraw || touches(changed, "focus", "hoverClasses")) {
      for (const { row, pair } of rows) {
        if (!pair) continue;
        const matches = (classes) => Boolean(classes) && classes[0] === pair.anchor && (classes[1] === null || classes[1] === pair.negative);
        row.toggleAttribute("data-lit", matches(s.hoverClasses));
        row.toggleAttribute("data-dimmed", Boolean(s.focus) && !matches(s.focus));
        const pressed = String(s.focus?.[0] === pair.anchor && s.focus[1] === pair.negative);
        if (row.getAttribute("aria-pressed") !== pressed) row.setAttribute("aria-pressed", pressed);
      }
    }
  }

  return { element, update };
}
