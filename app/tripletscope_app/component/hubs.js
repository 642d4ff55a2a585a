// The negatives that are picked most: a few samples near everything carry much of the training, or one wrong label does.
import { h, setText, wholeNumber } from "./dom.js";
import { className, sampleName, shortName } from "./store.js";
import { touches } from "./state.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { finePercent, mostPicked, nameElement } from "./population.js";
import { panelFiles } from "./watch_files.js";

const HUBS_SHOWN = 10;
const HUB_THUMB = 22;
const probeIndexOf = new WeakMap(); // run -> Map of row in samples/ -> probe index

function probeIndex(run, row) {
  if (!probeIndexOf.has(run)) probeIndexOf.set(run, new Map(Array.from(run.row, (at, index) => [at, index])));
  return probeIndexOf.get(run).get(row) ?? null;
}

/** How much of all picks the most picked negatives are, against what an even spread would give them. */
export function hubSentence({ known, top }, total, exact) {
  const picked = top.reduce((sum, { count }) => sum + count, 0);
  if (!exact) return `the ${top.length} most picked are at least ${finePercent(picked / total)} of ${wholeNumber(total)} picks (only each interval's 64 most picked were counted)`;
  if (known <= top.length) return `only ${known} ${known === 1 ? "sample was" : "samples were"} ever picked, ${wholeNumber(total)} times`;
  return `${top.length} of ${wholeNumber(known)} picked samples are ${finePercent(picked / total)} of ${wholeNumber(total)} picks; even would be ${finePercent(top.length / known)}`;
}

export function createHubs({ state, actions, sprites }) {
  const note = h("span", { class: "ts-hub-sentence" });
  const list = h("ol", { class: "ts-hubs" });
  const element = h("div", { class: "ts-part ts-hubs-part" },
    h("div", { class: "ts-part-head" }, h("h4", { class: "ts-part-title" }, "Most picked negatives"), panelFiles({ state, name: "most-picked", title: "most picked negatives", element: list, table: tableOf, titled: true, about: () => `picks by ${told.strategy} from step ${told.steps?.[0]} to ${told.steps?.[1]}` })),
    h("div", { class: "ts-part-note ts-part-note-tall" }, note), list);
  let entries = []; // {index, element, thumb}
  let told = { top: [], total: 0, strategy: "" };

  /** The rows of the list. */
  function tableOf(s) {
    const run = s.runs[s.run];
    const rows = told.top.map(({ row, count }, i) => {
      const index = probeIndex(run, row);
      const known = index === null ? [null, null] : [sampleName(run, index), className(run, index)];
      return [run.name, told.strategy, ...told.steps, i + 1, row, ...known, count, count / Math.max(1, told.total)];
    });
    return [["run", "picked by", "from step", "to step", "rank", "row of the data set", "id", "class", "picks", "share of all picks"], rows];
  }

  function rowOf(run, { row, count }, total, most) {
    const index = probeIndex(run, row);
    const parts = [
      h("span", { class: "ts-hub-bar" }, h("i", { style: { transform: `scaleX(${(count / most).toFixed(3)})` } })),
      h("span", { class: "ts-hub-share" }, finePercent(count / total)),
    ];
    const times = `${wholeNumber(count)} picks`;
    if (index === null) {
      const plain = h("div", { class: "ts-hub", title: times }, h("span", { class: "ts-hub-nothing" }), h("span", { class: "ts-ellipsis" }, `row ${wholeNumber(row)}, not on the map`), parts);
      return { index, thumb: null, element: h("li", {}, plain) };
    }
    const thumb = thumbElement("span", { class: "ts-thumb" });
    const name = `class ${className(run, index)}, id ${sampleName(run, index)}`;
    const button = h("button", { type: "button", class: "ts-hub", "data-sample": index, title: `${name}: ${times}; click to make it the anchor`, "aria-label": `${name}: ${times}, ${finePercent(count / total)} of all` },
      thumb, h("span", { class: "ts-hub-name" }, nameElement(shortName(run, index, 40)), h("span", { class: "ts-hub-id" }, `id ${sampleName(run, index)}`)), parts);
    const enter = () => state.set({ hover: { index, where: "hubs" } });
    const leave = () => state.get().hover?.index === index && state.set({ hover: null });
    button.addEventListener("pointerenter", enter);
    button.addEventListener("focus", enter);
    button.addEventListener("pointerleave", leave);
    button.addEventListener("blur", leave);
    button.addEventListener("click", () => actions.selectAnchor(index));
    return { index, thumb, element: h("li", {}, button) };
  }

  function draw(run, aside, strategy, span, total, chosen) {
    const hubs = mostPicked(aside, strategy, span, HUBS_SHOWN);
    told = { top: hubs.top, total, strategy: chosen, steps: span.map((f) => aside.frames[f]) };
    entries = hubs.top.map((hub) => rowOf(run, hub, Math.max(1, total), hubs.top[0].count));
    list.replaceChildren(...entries.map((entry) => entry.element));
    setText(note, hubs.top.length ? hubSentence(hubs, total, aside.hubs_exact).replaceAll(" %", "\u00a0%") : "Nothing was picked in these steps.");
    note.title = note.textContent;
  }

  return {
    element,
    update(s, changed, run, aside, { strategy, span, picks, fresh, chosen }) {
      if (fresh) draw(run, aside, strategy, span, picks.total, chosen);
      if (fresh || touches(changed, "sprites", "theme")) for (const { thumb, index } of entries) if (thumb) paintThumb(thumb, run, index, HUB_THUMB, sprites);
      if (fresh || touches(changed, "hover", "anchor", "focus", "hoverClasses")) {
        for (const entry of entries) {
          const button = entry.element.firstChild;
          button.toggleAttribute("data-lit", entry.index !== null && s.hover?.index === entry.index);
          const own = entry.index === null ? null : run.label[entry.index];
          button.toggleAttribute("data-dimmed", s.focus !== null && s.focus[1] !== null && own !== s.focus[1]);
        }
      }
    },
  };
}
