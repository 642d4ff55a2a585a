// The nearest rows in the original space, of the same class and of others, as lists: a click goes there.
import { decimalsFor, fixed, h, setText } from "./dom.js";
import { className, sampleName } from "./store.js";
import { currentAnswer, distanceTo, zoneOf } from "./answers.js";
import { paintThumb, thumbElement } from "./sprite.js";

const LIST_PICTURE = 30;

/** One list. `kind` is "same", "other" or "any". */
function createRuleList({ kind, state, sprites, go }) {
  const title = h("h3", { class: "ts-rule-list-title" });
  const note = h("p", { class: "ts-rule-list-note" });
  const items = h("ol", { class: "ts-rule-items" });
  const element = h("section", { class: "ts-rule-list", "data-kind": kind }, h("div", { class: "ts-rule-list-head" }, title, note), items);
  let scrolled = 0;
  items.addEventListener("scroll", () => (scrolled = 1), { passive: true });
  let rows = []; // {button, sample, distance, gap, zone}

  function rowOf(data, run, sample, distance) {
    const told = data.samples[sample];
    const thumb = thumbElement("span", { class: "ts-thumb", "aria-hidden": "true" });
    const gap = h("span", { class: "ts-rule-gap" });
    const zone = h("span", { class: "ts-rule-zone" });
    const away = fixed(distance, decimalsFor(distance));
    const words = told.text || `id ${told.id}`;
    const marks = [...(told.flags ?? []), ...(told.out ? ["not mined"] : [])];
    const button = h(
      "button", { type: "button", class: "ts-rule-item", tabindex: "-1" }, thumb,
      h("span", { class: "ts-rule-item-words" }, h("bdi", { class: "ts-rule-item-name" }, className(run, sample)), h("span", { class: "ts-rule-item-text ts-ellipsis", dir: "auto" }, words)),
      h("span", { class: "ts-rule-item-numbers" }, h("span", { class: "ts-rule-away" }, away), gap, zone),
    );
    if (marks.length) {
      button.dataset.marked = "";
      button.querySelector(".ts-rule-item-name").after(h("span", { class: "ts-rule-mark" }, marks[0] + (marks.length > 1 ? ` +${marks.length - 1}` : "")));
    }
    const title = [`${className(run, sample)}, id ${sampleName(run, sample)}`, told.text, marks.join(", ")].filter(Boolean).join("\n");
    button.title = title;
    if (run.sprite) paintThumb(thumb, run, sample, LIST_PICTURE, sprites);
    else thumb.hidden = true;
    const enter = () => state.set({ hover: { index: sample, where: "list" } });
    const leave = () => state.get().hover?.index === sample && state.set({ hover: null });
    button.addEventListener("pointerenter", enter);
    button.addEventListener("pointerleave", leave);
    button.addEventListener("focus", enter);
    button.addEventListener("blur", leave);
    button.addEventListener("click", () => go({ row: told.row }));
    return { button, sample, distance, gap, zone, thumb, away };
  }

  items.addEventListener("keydown", (event) => {
    const at = rows.findIndex(({ button }) => button === event.target.closest("button"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!rows[to]) return;
    rows[at].button.tabIndex = -1;
    rows[to].button.tabIndex = 0;
    rows[to].button.focus();
  });

  return {
    element,
    draw(data, run) {
      const told = data.lists[kind];
      element.hidden = !told;
      if (!told) return;
      setText(title, told.title);
      setText(note, told.note ?? "");
      rows = told.samples.map((sample, i) => rowOf(data, run, sample, told.distances[i]));
      if (rows.length) rows[0].button.tabIndex = 0;
      items.replaceChildren(...rows.map(({ button }) => h("li", {}, button)));
      if (scrolled) items.scrollTop = scrolled = 0; // asked for only then: it makes the browser lay out the page at once
    },
    /** Gaps and zones follow the chosen positive and the margin in the hand. */
    measure(s) {
      const found = kind === "other" ? currentAnswer(s) : null;
      const near = found ? distanceTo(found.answer, found.at, found.positive) : NaN;
      for (const { button, distance, gap, zone, sample, away } of rows) {
        const apart = Math.fround(distance - near);
        const known = Number.isFinite(apart);
        const where = known ? zoneOf(apart, found.run.margin) : "";
        const words = known ? `${apart >= 0 ? "+" : ""}${fixed(apart, decimalsFor(apart, near))}` : "";
        setText(gap, words);
        setText(zone, where);
        if (zone.dataset.zone !== where) zone.dataset.zone = where;
        const run = s.runs[s.run];
        const spoken = [`${className(run, sample)}, id ${sampleName(run, sample)}`, `${away} away`, known ? `gap ${words}, ${where}` : ""].filter(Boolean).join(", ");
        if (button.getAttribute("aria-label") !== spoken) button.setAttribute("aria-label", spoken);
      }
    },
    mark(s) {
      for (const { button, sample } of rows) button.toggleAttribute("data-hovered", s.hover?.index === sample || s.pinned === sample);
    },
    repaint(run) {
      if (run.sprite) for (const { thumb, sample } of rows) paintThumb(thumb, run, sample, LIST_PICTURE, sprites);
    },
  };
}

export function createRuleLists(context) {
  const lists = ["same", "other", "any"].map((kind) => createRuleList({ kind, ...context }));
  const element = h("div", { class: "ts-rule-lists" }, lists.map((list) => list.element));
  const each = (name) => (...given) => lists.forEach((list) => list[name](...given));
  return { element, draw: each("draw"), measure: each("measure"), mark: each("mark"), repaint: each("repaint") };
}
