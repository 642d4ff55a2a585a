// What was found in a set, as ranked cards. A card opens here, without a word to Python; what is chosen for the map, what
// stays in mining and which table is wanted goes there.
import { h, setText, wholeNumber } from "./dom.js";
import { readTheme } from "./theme.js";
import { deckOf } from "./deck.js";

const cardLists = new WeakMap();
const CARD_SIGNS = { problem: "\u25b2", warning: "\u25c6", note: "\u25cf" };
const CARD_WORDS = { problem: "Problem", warning: "Warning", note: "Note" };

const cardCount = (card) => (card.unit === "set" ? "the whole set" : `${wholeNumber(card.count)} ${card.unit}`);

/** One row of an example: picture, id, class and the beginning of its text. A click looks at that row. */
function drawSide(side, look) {
  const picture = side.picture ? h("img", { class: "ts-side-picture", src: side.picture, alt: "", decoding: "async" }) : null;
  const name = side.class === null ? "no label" : side.class;
  return h("button", { class: "ts-side", type: "button", onclick: () => look(side.row), "aria-label": `Look at row ${side.id}, ${name}` },
    picture,
    h("span", { class: "ts-side-class", dir: "auto" }, name),
    side.text ? h("span", { class: "ts-side-text", dir: "auto" }, side.text) : null,
    h("span", { class: "ts-side-id", dir: "auto" }, String(side.id)));
}

function drawExample(example, look) {
  return h("li", { class: "ts-example" },
    h("div", { class: "ts-example-sides" }, example.sides.map((side) => drawSide(side, look))),
    h("p", { class: "ts-example-text", dir: "auto" }, example.text));
}

/** The parts of an open card that are made when it is opened for the first time. */
function drawBody(card, list) {
  const onMap = h("button", { class: "ts-fault-button", type: "button", "aria-pressed": "false", onclick: () => list.show(card.check) }, "Show on map");
  const table = h("button", { class: "ts-fault-button", type: "button", onclick: () => list.report("table", { check: card.check, at: performance.now() }) }, "All rows, as a table");
  const box = h("input", { type: "checkbox", onchange: (event) => list.keep(card.check, !event.target.checked) });
  const leave = card.excluded
    ? h("label", { class: "ts-fault-leave" }, box, h("span", {}, `Leave ${card.excluded === 1 ? "this row" : `these ${wholeNumber(card.excluded)} rows`} out of mining`))
    : h("p", { class: "ts-fault-leave" }, "No row is left out of mining for this.");
  const element = h("div", { class: "ts-fault-body" },
    h("p", { class: "ts-fault-evidence", dir: "auto" }, card.evidence),
    card.planted ? h("p", { class: "ts-fault-planted" }, card.planted) : null,
    card.examples.length ? h("ul", { class: "ts-examples" }, card.examples.map((example) => drawExample(example, list.look))) : null,
    h("p", { dir: "auto" }, h("b", {}, "Why it matters. "), card.why),
    h("p", { dir: "auto" }, h("b", {}, "What to do. "), card.remedy),
    h("div", { class: "ts-fault-actions" }, card.rows ? onMap : null, card.rows ? table : null),
    leave);
  return {
    element,
    update() {
      const shown = list.chosen === card.check;
      onMap.setAttribute("aria-pressed", String(shown));
      setText(onMap, shown ? "Shown on the map" : "Show on map");
      box.checked = !list.kept.has(card.check);
    },
  };
}

function drawCard(card, list) {
  const id = `ts-fault-${card.check}`;
  const out = h("span", { class: "ts-fault-out" });
  const head = h("button", { class: "ts-fault-head", type: "button", "aria-expanded": "false", "aria-controls": id, onclick: () => list.open(card.check) },
    h("span", { class: "ts-fault-sign", "aria-hidden": "true" }, CARD_SIGNS[card.severity]),
    h("span", { class: "ts-fault-title" }, card.title),
    h("span", { class: "ts-fault-severity" }, CARD_WORDS[card.severity]),
    out,
    h("span", { class: "ts-fault-count" }, cardCount(card)));
  const element = h("li", { class: "ts-fault", "data-severity": card.severity, "data-check": card.check }, h("h3", { class: "ts-fault-heading" }, head));
  let body = null;
  return {
    check: card.check,
    element,
    update() {
      const isOpen = list.opened === card.check;
      head.setAttribute("aria-expanded", String(isOpen));
      element.toggleAttribute("data-open", isOpen);
      element.toggleAttribute("data-chosen", list.chosen === card.check);
      const kept = list.kept.has(card.check);
      setText(out, card.excluded ? (kept ? "stays in" : `${wholeNumber(card.excluded)} out`) : "");
      out.toggleAttribute("data-kept", kept);
      if (isOpen && !body) {
        body = drawBody(card, list);
        body.element.id = id;
        element.append(body.element);
      }
      if (body) {
        body.element.hidden = !isOpen;
        body.update();
      }
    },
  };
}

function drawUnfound(unfound) {
  if (!unfound.length) return null;
  return h("details", { class: "ts-unfound" },
    h("summary", {}, `${unfound.length} more ${unfound.length === 1 ? "check" : "checks"}: nothing found, or not possible here`),
    h("ul", {}, unfound.map((one) => h("li", {}, h("b", {}, one.title), ` ${one.words}. `, h("span", { class: "ts-soft" }, one.looks_for)))));
}

/** The list in one component: what is open, what is chosen, what stays in mining. */
function createCards(root) {
  const element = h("section", { class: "ts-instrument ts-faults", "aria-label": "Findings" });
  root.append(element);
  const list = {
    element, opened: null, chosen: null, kept: new Set(), deck: null, cards: [], given: null, told: "",
    report(name, value) {
      list.given.setTriggerValue(name, value);
    },
    look: (row) => list.report("look", { row, at: performance.now() }),
    open(check) {
      list.opened = list.opened === check ? null : check;
      list.update();
    },
    show(check) {
      list.chosen = list.chosen === check ? null : check;
      list.update();
      list.given.setStateValue("chosen", list.chosen);
    },
    keep(check, stays) {
      if (stays) list.kept.add(check);
      else list.kept.delete(check);
      list.update();
      list.given.setStateValue("kept", [...list.kept].sort());
    },
    update() {
      for (const card of list.cards) card.update();
    },
    redraw() {
      const deck = deckOf(list.given.data?.deck);
      if (!deck || deck === list.deck) return;
      list.deck = deck;
      list.cards = deck.cards.map((card) => drawCard(card, list));
      list.element.replaceChildren(
        deck.cards.length
          ? h("ol", { class: "ts-fault-list" }, list.cards.map((card) => card.element))
          : h("p", { class: "ts-fault-none" }, "Nothing was found. That is rare: look at the map all the same."),
        ...[drawUnfound(deck.unfound)].filter(Boolean));
    },
    /** Python's word counts where it is news; a click here is faster than its echo. */
    take(given) {
      list.given = given;
      list.element.dataset.theme = readTheme(list.element).dark ? "dark" : "light";
      const { chosen, kept, revision } = given.data ?? {};
      list.redraw();
      if (list.told !== `${given.data?.deck} ${revision}`) {
        list.told = `${given.data?.deck} ${revision}`;
        list.chosen = chosen ?? null;
        list.kept = new Set(kept);
        if (chosen) list.opened = chosen;
      }
      list.update();
    },
  };
  list.hear = () => {
    list.redraw();
    list.update();
  };
  document.addEventListener("tripletscope:deck", list.hear);
  return list;
}

export default function showCards(given) {
  const { parentElement } = given;
  let list = cardLists.get(parentElement);
  if (!list) cardLists.set(parentElement, (list = createCards(parentElement)));
  list.take(given);
  return () => {
    document.removeEventListener("tripletscope:deck", list.hear);
    list.element.remove();
    cardLists.delete(parentElement);
  };
}
