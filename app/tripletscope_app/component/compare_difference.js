// Two runs at one step: which samples have other neighbours in one than in the other, and how far they have moved.
import { clamp, h, percent, setText, svg } from "./dom.js";
import { className, sampleName } from "./store.js";
import { touches } from "./state.js";
import { oklch } from "./theme.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { fileButtons } from "./chart_file.js";
import { projection } from "./camera.js";
import { ownSheet } from "./space.js";

const [CHANGE_SIDE, CHANGE_FOOT] = [330, 34];
const short = (value) => (Number.isFinite(value) ? value.toPrecision(3) : "–");

function medianOfFinite(values) {
  const good = Float32Array.from(values.filter(Number.isFinite)).sort();
  return good.length ? good[good.length >> 1] : NaN;
}

/** From quiet to strong: unchanged neighbourhoods step back. */
function changeColour(amount, dark) {
  const [r, g, b] = dark ? oklch(0.42 + 0.4 * amount, 0.02 + 0.15 * amount, 0.9) : oklch(0.82 - 0.36 * amount, 0.02 + 0.15 * amount, 0.6);
  return `rgb(${r},${g},${b})`;
}

export function createCompareDifference({ state, actions, sprites }) {
  const drawing = svg("svg", { class: "ts-compare-drawing", role: "img", width: CHANGE_SIDE, height: CHANGE_SIDE + CHANGE_FOOT });
  const choose = (label, place) => h("select", { "aria-label": label, onchange: (event) => choosePair(place, Number(event.target.value)) });
  const [first, second] = [choose("first run", 0), choose("second run", 1)];
  const summary = h("p", { class: "ts-panel-note", role: "status" });
  const list = h("ol", { class: "ts-compare-changed" });
  const title = "neighbourhood change, on the first run's map";
  const figure = h("figure", { class: "ts-compare-chart", "data-name": "difference" }, h("figcaption", {}, h("span", { class: "ts-curve-title" }, title), fileButtons({ name: "compare-difference", title, drawing: () => drawing, table, theme: () => state.get().theme, caption: () => captionOf(state.get()) })), drawing);
  const body = h("div", { class: "ts-compare-difference" }, figure, h("div", { class: "ts-compare-list" }, h("h3", { class: "ts-curve-title" }, "The 20 most changed: click one to make it the anchor"), list));
  const element = h("section", { class: "ts-panel", "aria-label": "Difference of two runs" }, h("div", { class: "ts-panel-head" }, h("h2", { class: "ts-panel-title" }, "What two runs do not share"), h("span", { class: "ts-compare-pair" }, first, " and ", second)), summary, body);

  const captionOf = (s) => `runs ${s.pair.map((place) => s.data.runs[place].title).join(" and ")}; step ${s.clock.frames[s.frame]}; space of ${s.data.runs[s.pair[0]].title}`;
  const block = (s) => s.figures.get(keyOf(s));
  const keyOf = (s) => s.data?.differences[[...s.pair].sort((a, b) => a - b).join("-")];

  function choosePair(place, run) {
    const pair = [...state.get().pair];
    if (pair[1 - place] === run) pair[1 - place] = pair[place]; // the two change places
    pair[place] = run;
    pair.sort((a, b) => a - b);
    actions.choose({ pair });
  }

  function numbers(s) {
    const found = block(s);
    const step = s.clock.frames[s.frame];
    const at = Math.max(0, found.steps.findLastIndex((each) => each <= step));
    const size = found.changed.length / found.steps.length;
    const cut = (name, width) => found[name].subarray(at * width, (at + 1) * width);
    return { found, changed: cut("changed", size), moved: cut("moved", size), worst: [...cut("worst", 20)].filter((i) => i >= 0), size };
  }

  function table() {
    const s = state.get();
    const { changed, moved, size } = numbers(s);
    const run = s.runs[s.data.runs[s.pair[0]].digest];
    const order = Array.from({ length: size }, (_, i) => i).sort((a, b) => changed[b] - changed[a] || moved[b] - moved[a] || a - b);
    return [["step", "run", "other run", "id", "class", "neighbourhood change", "moved"], order.map((i) => [s.clock.frames[s.frame], s.data.runs[s.pair[0]].name, s.data.runs[s.pair[1]].name, sampleName(run, i), className(run, i), changed[i], moved[i]])];
  }

  function draw(s) {
    const told = numbers(s);
    const run = s.runs[s.data.runs[s.pair[0]].digest];
    const sheet = ownSheet(run);
    const frame = s.clock.frameOf[run.digest][s.frame];
    const at = 2 * frame * sheet.n;
    const view = projection(s.camera, sheet, CHANGE_SIDE, CHANGE_SIDE); // the camera of the maps
    const radius = clamp(2.6 * (2000 / sheet.n) ** 0.18, 1.2, 4);
    // Points of one shade are one path: two thousand elements would be slow to draw and slow to save.
    const shades = Array.from({ length: 12 }, () => "");
    for (let i = 0; i < sheet.n; i++) {
      const [x, y] = [view.toX(sheet.pos[at + 2 * i]), view.toY(sheet.pos[at + 2 * i + 1])];
      if (!(x >= 0 && y >= 0 && x <= CHANGE_SIDE && y <= CHANGE_SIDE) || !Number.isFinite(told.changed[i])) continue;
      shades[Math.min(11, Math.floor(told.changed[i] * 12))] += `M${(x - radius).toFixed(1)},${y.toFixed(1)}a${radius.toFixed(1)},${radius.toFixed(1)} 0 1 0 ${(2 * radius).toFixed(1)},0a${radius.toFixed(1)},${radius.toFixed(1)} 0 1 0 ${(-2 * radius).toFixed(1)},0Z`;
    }
    const parts = shades.map((d, k) => (d ? svg("path", { d, fill: changeColour(k / 11, s.theme.dark), "fill-opacity": 0.85 }) : null)).filter(Boolean);
    const words = (x, anchor, text) => svg("text", { x, y: CHANGE_SIDE + 30, "font-size": 11.5, fill: s.theme.text, "text-anchor": anchor }, text);
    for (let k = 0; k < 12; k++) parts.push(svg("rect", { x: 10 + k * 26, y: CHANGE_SIDE + 8, width: 26, height: 8, fill: changeColour(k / 11, s.theme.dark) }));
    parts.push(words(10, "start", "same neighbours"), words(322, "end", "all others"));
    drawing.setAttribute("viewBox", `0 0 ${CHANGE_SIDE} ${CHANGE_SIDE + CHANGE_FOOT}`);
    drawing.setAttribute("aria-label", `${s.data.runs[s.pair[0]].title} coloured by how many of the ${told.found.nearest} nearest neighbours are others in ${s.data.runs[s.pair[1]].title}`);
    drawing.replaceChildren(...parts);
    drawList(s, run, told);
    const known = told.changed.filter(Number.isFinite);
    const whole = known.length ? known.filter((value) => value === 0).length / known.length : 0;
    setText(summary, `Of the ${told.found.nearest} nearest neighbours, the median sample has a change of ${short(medianOfFinite(told.changed))} (0 the same, 1 all others); ${percent(whole)} keep them all. Median place ${short(medianOfFinite(told.moved))} away once the second space is turned, mirrored and shifted onto the first; nothing is scaled.`);
  }

  function drawList(s, run, told) {
    list.replaceChildren(...told.worst.map((i) => {
      const thumb = thumbElement("span", { class: "ts-thumb" });
      paintThumb(thumb, run, i, 24, sprites);
      return h("li", {}, h("button", { type: "button", "data-sample": i, "aria-pressed": String(i === s.anchor), onclick: () => actions.selectAnchor(i) },
        thumb, h("span", { class: "ts-ellipsis" }, `${sampleName(run, i)} · ${className(run, i)}`), h("small", {}, `change ${told.changed[i].toFixed(2)}, moved ${short(told.moved[i])}`)));
    }));
  }

  let timer = 0;
  state.subscribe((s, changed) => {
    if (!s.clock || !s.theme || !s.data) return;
    element.hidden = s.data.runs.length < 2;
    if (element.hidden) return;
    if (touches(changed, "pair", "data")) {
      for (const [place, select] of [first, second].entries()) {
        select.replaceChildren(...s.data.runs.map((run, i) => h("option", { value: i, selected: i === s.pair[place] }, run.title)));
        select.value = String(s.pair[place]);
      }
    }
    const found = block(s);
    body.hidden = !found;
    if (!found) {
      const problem = s.problems[keyOf(s)];
      setText(summary, problem ? `This could not be worked out: ${problem}` : "Neighbours are being compared at every step; this takes some seconds the first time.");
      return;
    }
    if (!touches(changed, "frame", "clock", "pair", "figures", "data", "theme", "sprites", "anchor", "camera")) return;
    // While time moves it waits for a rest: two thousand points as a drawing cost more than a frame.
    clearTimeout(timer);
    timer = setTimeout(() => !state.get().gone && draw(state.get()), s.playing || s.dragging || changed.has("camera") ? 250 : 0);
  });

  return { element, stop: () => clearTimeout(timer) };
}
