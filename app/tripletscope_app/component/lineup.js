// Which strategies have a lane: the chooser. Those that train always have one; the others stand in groups of what they pick.
import { h, setText } from "./dom.js";
import { touches } from "./state.js";
import { markColour, markIcon } from "./marks.js";
import { createComposer } from "./composer.js";

/** The lanes that are shown. `lineup`: null = the first ones, ["all"], or names; what trains, what somebody composed and
 * the lane that the sentence speaks about are always there. */
export function lanesShown({ known, lineup, composed, lane }) {
  return known.filter((strategy) => {
    if (strategy.group === "composed") return Boolean(composed?.includes(strategy.name));
    if (strategy.group === "trained" || strategy.name === lane) return true;
    return lineup ? lineup.includes("all") || lineup.includes(strategy.name) : !strategy.later;
  });
}

const free = ({ group }) => group !== "trained" && group !== "composed";

/** The line-up with exactly these of the free ones, as short as it can be said: null, ["all"], ["none"] or names. */
export function lineupOf(known, names) {
  const chosen = known.filter((strategy) => free(strategy) && names.has(strategy.name));
  const others = known.filter(free);
  if (others.every((strategy) => names.has(strategy.name) === !strategy.later)) return null;
  if (chosen.length === others.length) return ["all"];
  return chosen.length ? chosen.map(({ name }) => name) : ["none"];
}

export function createLineup({ state, actions }) {
  const count = h("span", {});
  const button = h("button", { type: "button", class: "ts-lineup-button", "aria-expanded": "false", "aria-controls": "ts-lineup", title: "choose which strategies have a lane, or compose one" }, count, h("span", { "aria-hidden": "true" }, " \u25be"));
  const tabs = Object.fromEntries([["show", "Which are shown"], ["compose", "Compose your own"]].map(([name, words]) => {
    const tab = h("button", { type: "button", class: "ts-segment", "data-tab": name }, words);
    tab.addEventListener("click", () => actions.openLineup(name));
    return [name, tab];
  }));
  const close = h("button", { type: "button", class: "ts-icon-button", "aria-label": "close", title: "close (Esc)" }, "\u00d7");
  const search = h("input", { type: "search", class: "ts-lineup-search", placeholder: "find a strategy", "aria-label": "find a strategy", autocomplete: "off", spellcheck: "false" });
  const sets = [
    ["first ones", () => null, "those of the race, of a first lesson, and what you brought along"],
    ["all", () => ["all"], "every strategy there is"],
    ["only those that train", () => ["none"], "nothing but the strategies of this race"],
  ].map(([words, lineup, title]) => {
    const set = h("button", { type: "button", class: "ts-lineup-set", title }, words);
    set.addEventListener("click", () => actions.setLineup(lineup()));
    return { set, lineup };
  });
  const groups = h("div", { class: "ts-lineup-groups" });
  const words = h("p", { class: "ts-lineup-words", "aria-live": "polite" });
  const found = h("p", { class: "ts-sr", role: "status" });
  const show = h("div", { class: "ts-lineup-show" }, h("div", { class: "ts-lineup-tools" }, search, sets.map(({ set }) => set)), groups, words, found);
  const composer = createComposer({ state, actions });
  const element = h("section", { class: "ts-lineup", id: "ts-lineup", "aria-label": "Strategies with a lane", hidden: true },
    h("div", { class: "ts-lineup-head" }, h("div", { class: "ts-segments", role: "group", "aria-label": "Strategies" }, Object.values(tabs)), close), show, composer.element);
  let pills = []; // {element, strategy}
  let key = "";

  button.addEventListener("click", () => actions.openLineup(state.get().chooser ? null : "show"));
  close.addEventListener("click", () => actions.openLineup(null));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    event.stopPropagation();
    if (search.value && event.target === search) {
      search.value = "";
      sift();
    } else actions.openLineup(null);
  });

  const visible = () => pills.filter((pill) => !pill.element.hidden);

  /** One pill is a stop of the Tab key; arrows go to the others. */
  function stopAt(target) {
    for (const { element: pill } of pills) pill.tabIndex = pill === target ? 0 : -1;
  }

  groups.addEventListener("keydown", (event) => {
    const row = visible();
    const at = row.findIndex(({ element: pill }) => pill === event.target);
    const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: row.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!row[to]) return;
    stopAt(row[to].element);
    row[to].element.focus();
  });

  function toggle(name) {
    const s = state.get();
    const names = new Set(s.strategies.map((strategy) => strategy.name));
    if (!names.delete(name)) names.add(name);
    actions.setLineup(lineupOf(s.known, names));
  }

  function sift() {
    const wanted = search.value.trim().toLowerCase();
    for (const { element: pill, text } of pills) pill.hidden = !text.includes(wanted);
    for (const group of groups.children) group.hidden = !group.querySelector("button:not([hidden])");
    const left = visible();
    if (!left.some(({ element: pill }) => pill.tabIndex === 0) && left.length) stopAt(left[0].element);
    setText(found, wanted ? `${left.length} of ${pills.length} strategies` : "");
    setText(words, wanted && !left.length ? "No strategy is called so." : "");
  }

  search.addEventListener("input", sift);
  search.addEventListener("keydown", (event) => {
    const [only, ...more] = visible();
    if (event.key === "ArrowDown" && only) {
      event.preventDefault();
      stopAt(only.element);
      only.element.focus();
    } else if (event.key === "Enter" && only && !more.length && free(only.strategy)) toggle(only.strategy.name);
  });

  function pillOf(strategy, dark) {
    const pill = h("button", { type: "button", class: "ts-lineup-pill", tabindex: "-1", "data-strategy": strategy.name, style: { "--mark": markColour(strategy.mark, dark) } },
      markIcon(strategy.mark, dark, 14), h("span", { class: "ts-ellipsis" }, strategy.title));
    if (!free(strategy)) pill.title = "its lane is always there; press to choose it";
    const say = () => setText(words, strategy.summary ?? "");
    pill.addEventListener("click", () => (free(strategy) ? toggle(strategy.name) : actions.selectLane(strategy.name)));
    pill.addEventListener("pointerenter", say);
    pill.addEventListener("focus", say);
    return { element: pill, strategy, text: [strategy.title, strategy.name, strategy.summary].join(" ").toLowerCase() };
  }

  function build(s) {
    const focused = element.getRootNode().activeElement?.dataset?.strategy;
    const names = [...new Set(s.known.map(({ group }) => group))];
    pills = [];
    groups.replaceChildren(...names.map((group) => {
      const members = s.known.filter((strategy) => strategy.group === group).map((strategy) => pillOf(strategy, s.theme.dark));
      pills.push(...members);
      const title = s.groups?.[group] ?? "Strategies";
      return h("div", { class: "ts-lineup-group", role: "group", "aria-label": title }, h("h3", { class: "ts-lineup-title" }, title), h("div", { class: "ts-lineup-pills" }, members.map(({ element: pill }) => pill)));
    }));
    sift();
    pills.find(({ strategy }) => strategy.name === focused)?.element.focus();
  }

  state.subscribe((s, changed) => {
    if (!s.theme || !touches(changed, "known", "strategies", "theme", "chooser", "lineup", "composed", "engine", "lane", "run", "runs")) return;
    setText(count, `${s.strategies.length} of ${s.known.length} strategies`);
    button.hidden = s.known.length < 2;
    button.setAttribute("aria-expanded", String(Boolean(s.chooser)));
    const opens = s.chooser && element.hidden;
    const closes = !s.chooser && !element.hidden;
    element.hidden = !s.chooser;
    if (closes && element.contains(element.getRootNode().activeElement)) button.focus();
    if (!s.chooser) return;
    show.hidden = s.chooser !== "show";
    tabs.compose.hidden = !s.engine;
    for (const [name, tab] of Object.entries(tabs)) tab.setAttribute("aria-pressed", String(name === s.chooser));
    const wanted = `${s.known.map(({ name, group }) => `${name}/${group}`).join()}/${s.theme.key}`;
    if (wanted !== key) {
      key = wanted;
      build(s);
    }
    const shown = new Set(s.strategies.map(({ name }) => name));
    for (const { element: pill, strategy } of pills) pill.setAttribute("aria-pressed", String(shown.has(strategy.name)));
    for (const { set, lineup } of sets) set.setAttribute("aria-pressed", String(JSON.stringify(lineup()) === JSON.stringify(s.lineup)));
    composer.update(s, s.chooser === "compose");
    if (opens) (s.chooser === "show" ? search : tabs.compose).focus({ preventScroll: true });
  });

  return { element, button };
}
