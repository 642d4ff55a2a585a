// Curves of all runs over what is held equal: every seed a thin line, each group's band and median; and who is ahead.
import { clamp, h, setText, svg, wholeNumber } from "./dom.js";
import { markColour, markIcon, shapePath } from "./marks.js";
import { touches } from "./state.js";
import { niceStep, tickText } from "./scale.js";
import { fileButtons } from "./chart_file.js";

const COMPARED = [
  { name: "recall_at_1", title: "R@1", low: 0, high: 1 },
  { name: "map_at_r", title: "MAP@R", low: 0, high: 1 },
  { name: "spread", title: "spread, in margins (log)", log: true },
  { name: "violating_share", title: "violating share", low: 0, high: 1 },
  { name: "loss", title: "loss (not comparable)", low: 0, quiet: true },
];
const [CURVE_HEIGHT, ROOM] = [190, { left: 40, right: 10, top: 8, bottom: 36 }];

const piece = (block, names, { at, count }) => names.map((name) => block[name].subarray(at, at + count));

function reachOf(chart, block, fair) {
  let [low, high, far] = [Infinity, -Infinity, 0];
  for (const line of block.lines) {
    if (line.fair !== fair || line.measure !== chart.name) continue;
    const [x, y] = piece(block, ["x", "y"], line);
    if (x.length) far = Math.max(far, x.at(-1));
    for (const value of y) {
      if (chart.log && !(value > 0)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (!(high > -Infinity)) return [0, 1, far || 1];
  if (chart.log) return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.0001)), far || 1];
  return [chart.low ?? low, chart.high ?? (high || 1), far || 1];
}

function interpolate(x, y, at) {
  if (!x.length || at < x[0] || at > x.at(-1)) return NaN;
  let k = 0;
  while (k < x.length - 1 && x[k + 1] <= at) k++;
  return k === x.length - 1 ? y[k] : y[k] + ((y[k + 1] - y[k]) * (at - x[k])) / (x[k + 1] - x[k]);
}

export function createCompareCharts({ state, actions }) {
  const charts = COMPARED.map((chart) => {
    const drawing = svg("svg", { class: "ts-compare-drawing", role: "img" });
    const element = h(
      "figure", { class: "ts-compare-chart", "data-name": chart.name, "data-quiet": chart.quiet ?? false },
      h("figcaption", {}, h("span", { class: "ts-curve-title" }, chart.title), fileButtons({ name: `compare-${chart.name}`, title: chart.title, drawing: () => drawing, table: () => tableOf(chart), theme: () => state.get().theme, caption: () => captionOf(state.get()) })),
      drawing,
    );
    return { chart, drawing, element, marks: null, scale: null };
  });
  const fairs = h("div", { class: "ts-segments", role: "group", "aria-label": "fair by: what is held equal" });
  const order = h("ol", { class: "ts-compare-order", "aria-label": "who is ahead" });
  const note = h("p", { class: "ts-compare-note", role: "status" });
  const why = h("p", { class: "ts-compare-why" }, "Loss comes last: it is a mean over triplets that each strategy chose itself, so a higher loss may be the better space. R@1, MAP@R and spread are taken in the same way for all.");
  const seeds = h("p", { class: "ts-panel-note" });
  const grid = h("div", { class: "ts-compare-charts" }, charts.map(({ element }) => element));
  const head = h("div", { class: "ts-panel-head" }, h("h2", { class: "ts-panel-title" }, "Curves, fair by"), fairs);
  const element = h("section", { class: "ts-panel", "aria-label": "Curves" }, head, h("div", { class: "ts-compare-ranking" }, order, note), seeds, grid, why);
  let width = 0;
  const observer = new ResizeObserver(() => {
    const now = charts[0].element.clientWidth;
    if (!now || now === width) return;
    width = now;
    state.touch("size");
  });
  observer.observe(grid);

  const captionOf = (s) => `${block(s).groups.map(({ title, seeds }) => `${title} (${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"})`).join(", ")}; over ${block(s).fair[s.fair]}; marks: step ${s.clock.frames[s.frame]}`;
  const block = (s) => s.figures.get(s.data?.curves);

  function tableOf(chart) {
    const s = state.get();
    const found = block(s);
    const rows = [];
    const about = (line) => [found.groups[line.group].title];
    for (const line of found.lines.filter((one) => one.fair === s.fair && one.measure === chart.name)) {
      const [x, y] = piece(found, ["x", "y"], line);
      x.forEach((at, k) => rows.push([...about(line), line.name, at, y[k], null, null]));
    }
    for (const band of found.bands.filter((one) => one.fair === s.fair && one.measure === chart.name)) {
      const [x, median, low, high] = piece(found, ["bx", "median", "low", "high"], band);
      x.forEach((at, k) => rows.push([...about(band), "median of seeds", at, median[k], low[k], high[k]]));
    }
    return [["group", "run", s.fair, chart.name, "lowest seed", "highest seed"], rows];
  }

  function drawChart(s, one) {
    const found = block(s);
    const { chart, drawing } = one;
    const [low, high, far] = reachOf(chart, found, s.fair);
    const bottom = CURVE_HEIGHT - ROOM.bottom;
    const x = (value) => ROOM.left + ((width - ROOM.left - ROOM.right) * value) / far;
    const share = chart.log ? (v) => Math.log(Math.max(v, low) / low) / Math.log(high / low) : (v) => (v - low) / (high - low || 1);
    const y = (value) => bottom - (bottom - ROOM.top) * clamp(share(value), 0, 1);
    one.scale = { x, y };
    const { text, dark } = s.theme;
    const parts = [];
    const words = (attributes, content) => svg("text", { "font-size": 11.5, fill: text, "fill-opacity": 0.75, ...attributes }, content);
    const powers = chart.log ? Math.round(Math.log10(high / low)) : 0;
    const every = Math.max(1, Math.ceil(powers / 4));
    const levels = chart.log ? Array.from({ length: Math.floor(powers / every) + 1 }, (_, i) => low * 10 ** (i * every)) : [low, (low + high) / 2, high];
    for (const level of levels) {
      parts.push(svg("line", { x1: ROOM.left, x2: width - ROOM.right, y1: y(level), y2: y(level), stroke: text, "stroke-opacity": 0.14 }));
      parts.push(words({ x: ROOM.left - 5, y: y(level) + 4, "text-anchor": "end" }, tickText(Number(level.toPrecision(3)))));
    }
    const step = niceStep(far / Math.max(2, Math.floor(width / 90)));
    for (let at = 0; at <= far * 1.0001; at += step) {
      parts.push(svg("line", { x1: x(at), x2: x(at), y1: bottom, y2: bottom + 4, stroke: text, "stroke-opacity": 0.3 }));
      parts.push(words({ x: x(at), y: bottom + 16, "text-anchor": "middle" }, far >= 1000 ? wholeNumber(at) : tickText(at)));
    }
    parts.push(words({ x: (ROOM.left + width - ROOM.right) / 2, y: CURVE_HEIGHT - 4, "text-anchor": "middle" }, found.fair[s.fair]));
    const path = (xs, ys) => {
      let d = "";
      for (let k = 0; k < xs.length; k++) if (!chart.log || ys[k] > 0) d += `${d ? "L" : "M"}${x(xs[k]).toFixed(1)},${y(ys[k]).toFixed(1)}`;
      return d;
    };
    const here = (list) => list.filter((entry) => entry.fair === s.fair && entry.measure === chart.name);
    for (const among of here(found.bands)) {
      if (among.seeds < 2) continue;
      const [xs, , lows, highs] = piece(found, ["bx", "median", "low", "high"], among);
      const back = path(xs.slice().reverse(), highs.slice().reverse()).replace("M", "L");
      parts.push(svg("path", { d: `${path(xs, lows)}${back}Z`, fill: colourOf(s, among.group), "fill-opacity": dark ? 0.22 : 0.15 }));
    }
    for (const line of here(found.lines)) {
      const [xs, ys] = piece(found, ["x", "y"], line);
      const alone = found.groups[line.group].seeds.length === 1;
      parts.push(svg("path", { d: path(xs, ys), fill: "none", stroke: colourOf(s, line.group), "stroke-width": alone ? 2 : 0.9, "stroke-opacity": alone ? 1 : 0.6, "stroke-dasharray": alone ? dashOf(s, line.group) : null, "data-seed": line.name }));
    }
    for (const among of here(found.bands)) {
      if (among.seeds < 2) continue;
      const [xs, middle] = piece(found, ["bx", "median"], among);
      parts.push(svg("path", { d: path(xs, middle), fill: "none", stroke: colourOf(s, among.group), "stroke-width": 2.4, "stroke-dasharray": dashOf(s, among.group), "data-median": found.groups[among.group].title }));
    }
    one.marks = svg("g", {});
    drawing.setAttribute("viewBox", `0 0 ${width} ${CURVE_HEIGHT}`);
    drawing.setAttribute("aria-label", inWords(s, chart));
    drawing.replaceChildren(...parts, one.marks);
  }

  const colourOf = (s, group) => markColour(s.data.groups[group].mark, s.theme.dark);
  const dashOf = (s, group) => (s.data.groups[group].mark?.dash ?? []).join(" ") || null;

  function inWords(s, chart) {
    const found = block(s);
    const ends = found.bands.filter((one) => one.fair === s.fair && one.measure === chart.name && one.count).map((one) => {
      const [x, middle] = piece(found, ["bx", "median"], one);
      return `${found.groups[one.group].title} ends at ${middle.at(-1).toPrecision(3)} after ${wholeNumber(x.at(-1))}`;
    });
    return `${chart.title} over ${found.fair[s.fair]}. ${ends.join("; ") || "No values"}.`;
  }

  /** Where each run on the maps is now: a mark on its own line. */
  function drawMarks(s) {
    const found = block(s);
    for (const one of charts) {
      if (!one.scale) continue;
      const marks = s.data.runs.flatMap((entry, place) => {
        const spent = found.spent[s.fair][place]?.[s.clock.frameOf[entry.digest][s.frame]];
        const line = found.lines.find((each) => each.fair === s.fair && each.measure === one.chart.name && each.run === place);
        if (spent === undefined || !line) return [];
        const value = interpolate(...piece(found, ["x", "y"], line), spent);
        if (!Number.isFinite(value)) return [];
        return [svg("path", { d: shapePath(entry.mark?.shape, 4.2), transform: `translate(${one.scale.x(spent).toFixed(1)},${one.scale.y(value).toFixed(1)})`, fill: markColour(entry.mark, s.theme.dark), stroke: s.theme.background, "stroke-width": 1.2, "data-mark": entry.name })];
      });
      one.marks?.replaceChildren(...marks);
    }
  }

  function drawRanking(s) {
    const found = block(s);
    const told = found.rankings[s.fair];
    order.replaceChildren(...told.standings.map(({ group, value, low, high }) => h(
      "li", {}, markIcon(s.data.groups[group].mark, s.theme.dark, 13), ` ${found.groups[group].title} `,
      h("b", {}, value === null ? "–" : value.toFixed(3)), low !== high && low !== null ? h("small", {}, ` ${low.toFixed(3)} to ${high.toFixed(3)}`) : null,
    )));
    setText(note, `${told.standings.length ? "R@1. " : ""}${told.note}`);
    const several = found.groups.filter((group) => group.seeds.length > 1);
    setText(seeds, several.length
      ? `Thin lines: one seed each (${several.map((group) => `${group.title} ${group.seeds.length}`).join(", ")}${s.data.more_seeds ? `; ${s.data.more_seeds} of them not on the maps` : ""}). Band: lowest to highest seed. Thick: median.`
      : "One seed of each: no band. Train more seeds with the same settings, and they are found.");
    fairs.replaceChildren(...Object.entries(found.fair).map(([name, title]) => h("button", {
      type: "button", class: "ts-segment", "data-fair": name, "aria-pressed": String(name === s.fair), "aria-disabled": found.known.includes(name) ? null : "true",
      title: found.known.includes(name) ? `hold ${title} equal` : "not every run here tells it",
      onclick: () => actions.choose({ fair: name }),
    }, title)));
  }

  state.subscribe((s, changed) => {
    if (!s.clock || !s.theme || !block(s)) return;
    if (touches(changed, "fair", "figures", "data", "theme")) drawRanking(s);
    if (!width) return;
    if (touches(changed, "fair", "figures", "data", "theme", "size")) for (const one of charts) drawChart(s, one);
    if (touches(changed, "fair", "figures", "data", "theme", "size", "frame", "clock")) drawMarks(s);
  });

  return { element, stop: () => observer.disconnect() };
}
