// Do the runs learn from the same triplets? A matrix of agreement at the step, and where the picks lie: zone and rank.
import { h, percent, setText, svg, wholeNumber } from "./dom.js";
import { markColour, markIcon } from "./marks.js";
import { touches } from "./state.js";
import { rgba, parseColour } from "./theme.js";
import { fileButtons } from "./chart_file.js";

const PICK_ZONES = ["hard", "semi-hard", "easy"];
const [MATRIX_CELL, MATRIX_SIDE, PICK_ROW] = [54, 138, 26];
const share = (value) => (Number.isFinite(value) ? (value > 0 && value < 0.005 ? "<.01" : value.toFixed(2).replace(/^0/, "")) : "–");

export function createComparePicks({ state, actions }) {
  const drawings = { matrix: svg("svg", { class: "ts-compare-drawing", role: "img" }), zones: svg("svg", { class: "ts-compare-drawing", role: "img" }), ranks: svg("svg", { class: "ts-compare-drawing", role: "img" }) };
  const TITLES = { matrix: "who picks the same negative", zones: "zones of the picks", ranks: "rank of the pick: 1 = nearest negative" };
  const tables = { matrix: matrixTable, zones: () => barTable("zones"), ranks: () => barTable("ranks") };
  const figures = Object.entries(drawings).map(([name, drawing]) => h(
    "figure", { class: "ts-compare-chart", "data-name": name },
    h("figcaption", {}, h("span", { class: "ts-curve-title" }, TITLES[name]), fileButtons({ name: `compare-${name}`, title: TITLES[name], drawing: () => drawing, table: tables[name], theme: () => state.get().theme, caption: () => captionOf(state.get()) })),
    h("div", { class: "ts-compare-scroll" }, drawing),
  ));
  const sources = h("div", { class: "ts-segments", role: "group", "aria-label": "which picks" });
  const measures = h("div", { class: "ts-segments", role: "group", "aria-label": "measure of agreement" });
  const note = h("p", { class: "ts-panel-note" });
  const waiting = h("p", { class: "ts-panel-note", role: "status" });
  const body = h("div", { class: "ts-compare-picks" }, figures);
  const element = h("section", { class: "ts-panel", "aria-label": "Agreement" }, h("div", { class: "ts-panel-head" }, h("h2", { class: "ts-panel-title" }, "Do they learn from the same triplets?"), sources, measures), note, waiting, body);

  const captionOf = (s) => `runs ${s.data.runs.map(({ title }) => title).join(", ")}; step ${s.clock.frames[s.frame]}; picks: ${s.picks}`;
  const block = (s) => s.figures.get(s.data?.agreement);

  /** Place of the common step in the block. */
  function placeOf(s) {
    const { steps } = block(s);
    const step = s.clock.frames[s.frame];
    return Math.max(0, steps.findLastIndex((each) => each <= step));
  }

  function numbers(s) {
    const found = block(s);
    const [at, count] = [placeOf(s), found.voices];
    const cut = (name, size) => found[`${s.picks}_${name}`].subarray(at * size, (at + 1) * size);
    const bins = found.ranks.length;
    return {
      found, at, count,
      same: cut("same", count * count), jaccard: cut("jaccard", count * count), both: cut("both", count * count),
      zones: cut("zones", 3 * count), ranks: cut("ranks", bins * count), abstained: cut("abstained", count), steps: cut("at", count),
    };
  }

  function matrixTable() {
    const s = state.get();
    const { count, same, jaccard, both } = numbers(s);
    const rows = [];
    for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) rows.push([s.clock.frames[s.frame], s.picks, s.data.runs[i].name, s.data.runs[j].name, same[i * count + j], jaccard[i * count + j], both[i * count + j]]);
    return [["step", "picks", "run", "other run", "same negative", "jaccard", "pairs both answered"], rows];
  }

  function barTable(name) {
    const s = state.get();
    const told = numbers(s);
    const bins = name === "zones" ? PICK_ZONES : told.found.ranks;
    const rows = s.data.runs.flatMap((run, i) => bins.map((bin, k) => [s.clock.frames[s.frame], s.picks, run.name, bin, told[name][i * bins.length + k]]));
    return [["step", "picks", "run", name === "zones" ? "zone" : "rank", "picks in it"], rows];
  }

  const words = (s, attributes, content) => svg("text", { "font-size": 12, fill: s.theme.text, ...attributes }, content);
  const shorten = (text, most) => (Array.from(text).length > most ? `${Array.from(text).slice(0, most - 1).join("")}…` : text);

  function drawMatrix(s) {
    const told = numbers(s);
    const { count } = told;
    const values = told[s.measure];
    const ink = parseColour(s.theme.dark ? "#5cb8ee" : "#0072b2");
    const parts = [];
    s.data.runs.forEach((run, i) => {
      const middle = 26 + i * MATRIX_CELL * 0.62 + MATRIX_CELL * 0.31;
      parts.push(words(s, { x: MATRIX_SIDE - 8, y: middle + 4, "text-anchor": "end" }, shorten(run.title, 20)));
      const icon = markIcon(run.mark, s.theme.dark, 14);
      icon.setAttribute("x", MATRIX_SIDE + i * MATRIX_CELL + MATRIX_CELL / 2 - 7);
      icon.setAttribute("y", 6);
      parts.push(icon);
    });
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) {
        const value = values[i * count + j];
        const [x, y] = [MATRIX_SIDE + j * MATRIX_CELL, 26 + i * MATRIX_CELL * 0.62];
        const strong = Number.isFinite(value) ? value : 0;
        parts.push(svg("rect", { x: x + 1, y: y + 1, width: MATRIX_CELL - 2, height: MATRIX_CELL * 0.62 - 2, rx: 4, fill: i === j ? "none" : rgba(ink, (0.06 + 0.5 * strong).toFixed(3)), stroke: s.theme.text, "stroke-opacity": i === j ? 0.15 : 0 },
          svg("title", {}, `${s.data.runs[i].title} and ${s.data.runs[j].title}: ${share(value)} of ${wholeNumber(told.both[i * count + j])} pairs that both answer`)));
        parts.push(words(s, { x: x + MATRIX_CELL / 2, y: y + MATRIX_CELL * 0.31 + 4, "text-anchor": "middle", "fill-opacity": i === j ? 0.4 : 1, "data-pair": `${i}-${j}` }, i === j ? "·" : share(value)));
      }
    }
    const [wide, tall] = [MATRIX_SIDE + count * MATRIX_CELL + 2, 30 + count * MATRIX_CELL * 0.62];
    finish(drawings.matrix, wide, tall, parts, `${s.measure === "same" ? "Share of same negatives" : "Jaccard of picks"}: ${s.data.runs.flatMap((one, i) => s.data.runs.slice(0, i).map((other, j) => `${one.title} and ${other.title} ${share(values[i * count + j])}`)).join(", ")}`);
  }

  function finish(drawing, wide, tall, parts, label) {
    drawing.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    drawing.setAttribute("width", wide);
    drawing.setAttribute("height", tall);
    drawing.setAttribute("aria-label", label);
    drawing.replaceChildren(...parts);
  }

  function drawZones(s) {
    const told = numbers(s);
    const colours = s.theme.dark ? ["#f0a830", "#5cb8ee", "#2fc497"] : ["#d98a00", "#0072b2", "#009e73"];
    const [left, wide] = [MATRIX_SIDE, 220];
    const parts = PICK_ZONES.map((zone, k) => svg("g", {}, svg("rect", { x: left + k * 80, y: 4, width: 11, height: 11, rx: 2, fill: colours[k] }), words(s, { x: left + k * 80 + 16, y: 14 }, zone)));
    const spoken = [];
    s.data.runs.forEach((run, i) => {
      const counts = told.zones.subarray(3 * i, 3 * i + 3);
      const total = counts[0] + counts[1] + counts[2];
      const y = 26 + i * PICK_ROW;
      parts.push(words(s, { x: left - 8, y: y + 14, "text-anchor": "end" }, shorten(run.title, 20)));
      let x = left;
      for (let k = 0; k < 3 && total; k++) {
        const length = (wide * counts[k]) / total;
        parts.push(svg("rect", { x, y: y + 3, width: length, height: PICK_ROW - 9, fill: colours[k], "data-zone": PICK_ZONES[k], "data-run": run.name, "data-count": counts[k] }, svg("title", {}, `${run.title}: ${wholeNumber(counts[k])} ${PICK_ZONES[k]} of ${wholeNumber(total)} picks`)));
        x += length;
      }
      const idle = told.abstained[i];
      parts.push(words(s, { x: left + wide + 8, y: y + 14, "fill-opacity": 0.75, "font-size": 11 }, total ? `${wholeNumber(total)}${idle > 0.0005 ? `, abstains ${percent(idle)}` : ""}` : "none"));
      spoken.push(`${run.title}: ${PICK_ZONES.map((zone, k) => `${total ? percent(counts[k] / total) : 0} ${zone}`).join(", ")}`);
    });
    finish(drawings.zones, left + wide + 132, 30 + s.data.runs.length * PICK_ROW, parts, `Zones of the picks. ${spoken.join(". ")}`);
  }

  function drawRanks(s) {
    const told = numbers(s);
    const bins = told.found.ranks;
    const [left, cell] = [MATRIX_SIDE, 46];
    const parts = bins.map((bin, k) => words(s, { x: left + k * cell + cell / 2, y: 14, "text-anchor": "middle", "font-size": 11.5, "fill-opacity": 0.75 }, bin));
    s.data.runs.forEach((run, i) => {
      const counts = told.ranks.subarray(bins.length * i, bins.length * (i + 1));
      const total = counts.reduce((sum, value) => sum + value, 0);
      const y = 26 + i * PICK_ROW;
      parts.push(words(s, { x: left - 8, y: y + 14, "text-anchor": "end" }, shorten(run.title, 20)));
      bins.forEach((bin, k) => {
        const part = total ? counts[k] / total : 0;
        parts.push(svg("rect", { x: left + k * cell + 3, y: y + 3 + (PICK_ROW - 8) * (1 - part), width: cell - 6, height: Math.max(part ? 1 : 0, (PICK_ROW - 8) * part), fill: markColour(run.mark, s.theme.dark), "data-rank": bin, "data-run": run.name, "data-count": counts[k] }, svg("title", {}, `${run.title}: ${percent(part)} of picks have rank ${bin}`)));
        parts.push(svg("line", { x1: left + k * cell + 3, x2: left + (k + 1) * cell - 3, y1: y + PICK_ROW - 5, y2: y + PICK_ROW - 5, stroke: s.theme.text, "stroke-opacity": 0.25 }));
      });
    });
    finish(drawings.ranks, left + bins.length * cell + 4, 30 + s.data.runs.length * PICK_ROW, parts, s.picks === "recorded" ? "Ranks are not on record" : `Ranks of the picks of ${s.data.runs.map((run) => run.title).join(", ")}`);
  }

  function drawHead(s) {
    const found = block(s);
    const segment = (group, name, title, now, patch) => h("button", { type: "button", class: "ts-segment", [`data-${group}`]: name, "aria-pressed": String(now === name), onclick: () => actions.choose(patch) }, title);
    sources.replaceChildren(segment("picks", "asked", "each in its own space", s.picks, { picks: "asked" }), segment("picks", "shared", "all in one space", s.picks, { picks: "shared" }), segment("picks", "recorded", "as recorded", s.picks, { picks: "recorded" }));
    measures.replaceChildren(segment("measure", "same", "same negative", s.measure, { measure: "same" }), segment("measure", "jaccard", "Jaccard", s.measure, { measure: "jaccard" }));
    const problem = s.problems[s.data.agreement];
    waiting.hidden = Boolean(found);
    setText(waiting, problem ? `This could not be worked out: ${problem}` : "The strategies are being asked about every step; this takes some seconds the first time.");
    body.hidden = !found;
    note.hidden = !found;
    if (!found) return;
    const where = s.picks === "asked"
      ? `Each run's strategy, asked at its last frame up to this step in the space it has made by then, about the same ${found.cohort_title}.`
      : s.picks === "shared" ? `Every strategy, asked in the space of ${s.data.runs[0].title}, with its margin, about the same ${found.cohort_title}: only the rule differs, so two runs of one strategy agree.`
      : found.same_batches ? "What was trained on at this step, from the same batch in every run. The closing frame has no batch." : "What was trained on at this step. The batches of these runs differ, so they share few pairs.";
    setText(note, [where, ...found.left_out].join(" "));
    figures[2].hidden = s.picks === "recorded"; // ranks are not on record
  }

  state.subscribe((s, changed) => {
    if (!s.clock || !s.theme || !s.data) return;
    if (touches(changed, "picks", "measure", "figures", "data", "problems", "theme")) drawHead(s);
    if (!block(s) || !touches(changed, "frame", "clock", "picks", "measure", "figures", "data", "theme")) return;
    drawMatrix(s);
    drawZones(s);
    if (s.picks !== "recorded") drawRanks(s);
  });

  return { element, stop() {} };
}
