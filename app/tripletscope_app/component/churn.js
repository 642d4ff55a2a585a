// How long a negative stays the pick: lines of what changed between frames, and for how many steps picks have lasted.
import { h, setText, svg } from "./dom.js";
import { touches } from "./state.js";
import { markColour, markIcon } from "./marks.js";
import { labelledFrames, scrubOn, tellTime, timeScale } from "./timeline.js";
import { asideFrame, finePercent } from "./population.js";
import { panelFiles } from "./watch_files.js";

const CHURN_HEIGHT = 168;
const CHURN_PAD = { left: 34, right: 16, top: 8, bottom: 20 };

export function createChurn({ state, actions }) {
  const drawing = svg("svg", { class: "ts-churn-drawing", height: CHURN_HEIGHT, "aria-hidden": "true" });
  const cursor = h("div", { class: "ts-curve-cursor ts-churn-cursor" });
  const ghost = h("div", { class: "ts-curve-cursor ts-curve-ghost ts-churn-cursor", hidden: true });
  const plot = h("div", { class: "ts-churn-plot", role: "slider", tabindex: "0", "aria-label": "Changed picks, over training", style: { height: `${CHURN_HEIGHT}px` } }, drawing, cursor, ghost);
  const head = h("span", {});
  const body = h("tbody", {});
  const table = h("table", { class: "ts-churn-table" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, head), h("th", { scope: "col", title: "share of the cohort's picks that differ from those of the frame before" }, "changed"), h("th", { scope: "col", title: "median number of steps that the cohort's present picks have lasted" }, "lasting"))),
    body);
  const picture = h("div", {}, plot, table);
  const readout = h("p", { class: "ts-readout ts-churn-sentence" });
  const element = h("div", { class: "ts-part ts-churn" },
    h("div", { class: "ts-part-head" }, h("h4", { class: "ts-part-title" }, "How long a pick lasts"), panelFiles({ state, name: "how-long-a-pick-lasts", title: "how long a pick lasts", element: picture, table: tableOf, titled: true, without: ".ts-curve-ghost", about: () => "lines: % of the cohort's picks that differ from those of the frame before" })),
    h("div", { class: "ts-part-note" }, h("span", { class: "ts-ellipsis", title: "Each line: the share of the cohort's picks that differ from those of the frame before. Strategies that draw at random are left out: they change by nature." }, "share of cohort picks changed since the frame before")),
    picture, readout);
  let width = 0;
  let rows = []; // {name, changed, lasting}

  const scaleOf = (run) => timeScale(run, CHURN_PAD.left, width - CHURN_PAD.right);
  const yOf = (share) => CHURN_HEIGHT - CHURN_PAD.bottom - share * (CHURN_HEIGHT - CHURN_PAD.top - CHURN_PAD.bottom);
  const entryOf = (s, name) => s.known.find((strategy) => strategy.name === name) ?? { name, title: name, mark: null };
  const lines = (aside) => [
    ...aside.churn_strategies.map((name, i) => ({ name, curve: aside.churn.subarray(i * aside.frames.length, (i + 1) * aside.frames.length), held: aside.held.subarray(i * aside.frames.length, (i + 1) * aside.frames.length) })),
    { name: null, curve: aside.turnover, held: null },
  ];
  const lasting = (held, f) => (held && Number.isFinite(held[f]) ? `${Math.round(held[f])} ${Math.round(held[f]) === 1 ? "step" : "steps"}` : "–");
  const share = (value) => (Number.isFinite(value) ? finePercent(value) : "–");

  /** Every line at every frame. */
  function tableOf(s) {
    const [run, aside] = [s.runs[s.run], s.asides[s.run]];
    const told = lines(aside).flatMap(({ name, curve, held }) => Array.from(curve, (value, f) => [run.name, run.strategy, name ?? "nearest negative", aside.frames[f], value, held ? held[f] : null]));
    return [["run", "strategy", "picks of", "step", "share changed since the frame before", "median steps that picks have lasted"], told.filter((row) => Number.isFinite(row[4]))];
  }

  function draw(s, run, aside, chosen) {
    const x = scaleOf(run);
    const grid = [0, 0.5, 1].flatMap((value) => [
      svg("line", { class: "ts-grid", x1: CHURN_PAD.left, x2: width - CHURN_PAD.right, y1: yOf(value), y2: yOf(value) }),
      svg("text", { class: "ts-tick-text", x: CHURN_PAD.left - 5, y: yOf(value) + 4, "text-anchor": "end" }, `${100 * value}`)]);
    const labels = labelledFrames(run, x, 40).map((i) => svg("text", { class: "ts-tick-text", x: x(i), y: CHURN_HEIGHT - 5, "text-anchor": "middle" }, String(run.frames[i])));
    const drawn = lines(aside).sort((a, b) => (a.name === chosen) - (b.name === chosen)).map(({ name, curve }) => {
      const mark = name && entryOf(s, name).mark;
      let d = "";
      curve.forEach((value, f) => {
        if (Number.isFinite(value)) d += `${d ? "L" : "M"}${x(f).toFixed(1)},${yOf(value).toFixed(1)}`;
      });
      return svg("path", { class: "ts-churn-line", d, "data-turnover": name === null, "data-current": name !== null && name === chosen, stroke: name ? markColour(mark, s.theme.dark) : null, "stroke-dasharray": (mark?.dash ?? []).join(" ") || null });
    });
    drawing.setAttribute("viewBox", `0 0 ${width} ${CHURN_HEIGHT}`);
    drawing.replaceChildren(...grid, ...labels, ...drawn);
    rows = lines(aside).map(({ name }) => ({ name, changed: h("td", {}), lasting: h("td", {}) }));
    body.replaceChildren(...rows.map(({ name, changed, lasting: last }) => {
      const entry = name && entryOf(s, name);
      const icon = entry ? markIcon(entry.mark, s.theme.dark, 12) : svg("svg", { class: "ts-mark", width: 12, height: 12, viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("line", { class: "ts-churn-line", "data-turnover": true, x1: 0, y1: 6, x2: 12, y2: 6 }));
      const label = h("span", { class: "ts-churn-name" }, icon, h("span", { class: "ts-ellipsis" }, entry ? entry.title : "nearest negative"));
      return h("tr", { "data-current": name !== null && name === chosen }, h("th", { scope: "row" }, label), changed, last);
    }));
  }

  function fill(s, aside, f, chosen) {
    setText(head, `at step ${aside.frames[f]}`);
    const all = lines(aside);
    rows.forEach((row, i) => {
      setText(row.changed, share(all[i].curve[f]));
      setText(row.lasting, lasting(all[i].held, f));
    });
    const own = all.find(({ name }) => name !== null && name === chosen);
    const { title, stochastic } = entryOf(s, chosen);
    // Picks are compared at frames: what is newer than the frame before has lasted 0 steps as far as anybody knows.
    const lasts = own && (own.held[f] === 0 ? "most picks are new since the frame before" : `a pick now lasts ${lasting(own.held, f)} (median)`);
    setText(readout, own ? `${title}: ${lasts}.` : stochastic ? `${title} draws anew at every step: its picks do not last.` : "");
  }

  scrubOn(plot, { state, actions, scaleOf });

  return {
    element,
    /** `chosen`: the strategy whose picks the panel shows. */
    update(s, changed, run, aside, { chosen, fresh }) {
      const redraw = fresh || touches(changed, "theme", "size", "strategies");
      if (redraw) {
        width = plot.clientWidth;
        draw(s, run, aside, chosen);
      }
      const x = scaleOf(run);
      if (redraw || touches(changed, "t")) cursor.style.transform = `translateX(${x(s.t).toFixed(1)}px)`;
      if (redraw || touches(changed, "frame", "hoverFrame")) {
        const pointed = s.hoverFrame !== null && s.hoverFrame < run.frames.length;
        ghost.hidden = !pointed;
        if (pointed) ghost.style.transform = `translateX(${x(s.hoverFrame).toFixed(1)}px)`;
        fill(s, aside, asideFrame(aside, run, pointed ? s.hoverFrame : s.frame), chosen);
      }
      if ((redraw || touches(changed, "frame", "playing", "dragging")) && !s.playing && !s.dragging) {
        const f = asideFrame(aside, run, s.frame);
        tellTime(plot, run, s.frame, [`step ${run.frames[s.frame]}`, ...lines(aside).map(({ name, curve }) => `${name ? entryOf(s, name).title : "nearest negatives"} ${share(curve[f])}`)].join(", "));
      }
    },
  };
}
