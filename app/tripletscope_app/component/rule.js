// One row of a set: the ruler of Watch with this row as the anchor, what each strategy would pick, and the nearest rows as
// lists. Python hears of another row, positive, margin or strategy; what is hovered stays here.
import { h } from "./dom.js";
import { readTheme } from "./theme.js";
import { createState, touches } from "./state.js";
import { answerKey, currentAnswer } from "./answers.js";
import { createSprites } from "./sprite.js";
import { createRuler } from "./ruler.js";
import { createSentence } from "./sentence.js";
import { ruleAnswer, ruleRun } from "./rule_data.js";
import { createRuleHead } from "./rule_head.js";
import { createRuleLists } from "./rule_lists.js";
import { createRuleWords } from "./rule_words.js";

const rules = new WeakMap();

function createRule() {
  const root = h("div", { class: "ts-instrument ts-rule" });
  const state = createState({
    strategies: [], runs: {}, answers: new Map(), message: null, asking: false, run: null, frame: 0, anchor: 0, positive: null, lane: null,
    hover: null, pinned: null, margin: null, focus: null, hoverClasses: null, hoverLane: null, playing: false, dragging: false,
    notes: true, others: true, theme: null,
  });
  let send = () => {};
  let data = null; // what is shown
  let waiting = null; // what will be, when its pictures are there
  let sent = Date.now(); // number of the last message; Python says which one it has heard
  let row = null;

  function tell(more) {
    const s = state.get();
    const positive = currentAnswer(s)?.positive ?? null;
    sent = Math.max(sent + 1, Date.now());
    root.toggleAttribute("data-asking", true);
    send("selection", {
      row, positive: positive === null ? null : data.samples[positive].row, margin: s.margin ?? null, lane: s.lane, n: sent, ...more,
    });
  }

  let committed = "";
  const standing = () => {
    const { margin, lane } = state.get();
    return JSON.stringify([row, currentAnswer(state.get())?.positive ?? null, margin, lane]);
  };
  const actions = {
    commit() {
      const now = standing();
      if (!data || now === committed) return;
      committed = now;
      tell({});
    },
    setMargin: (margin) => state.set({ margin }),
    selectLane(lane) {
      state.set({ lane });
      actions.commit();
    },
    chooseCandidate(sample) {
      const found = currentAnswer(state.get());
      if (found?.answer.positives.includes(sample)) {
        state.set({ positive: sample, pinned: null });
        actions.commit();
      } else state.set({ pinned: state.get().pinned === sample ? null : sample });
    },
  };
  /** Another row: {row}, or {way: "back" | "forward"}. */
  const go = (where) => data && tell({ positive: null, ...where });

  const sprites = createSprites(() => {
    if (waiting) return adopt();
    state.touch("sprites");
  });
  const context = { state, actions, sprites, go };
  const head = createRuleHead(context);
  const ruler = createRuler(context);
  const sentence = createSentence(context);
  const words = createRuleWords(context);
  const lists = createRuleLists(context);
  const left = h("div", { class: "ts-rule-left" }, ruler.element, sentence.element, words.element);
  root.append(head.element, h("div", { class: "ts-rule-main" }, left, lists.element));

  function adopt() {
    const next = waiting;
    const run = next.shown;
    if (run.sprite && !sprites.sheet(run)) return; // it comes back here when the sheet is there
    waiting = null;
    data = next;
    const s = state.get();
    const same = s.run === run.digest;
    const shown = same ? s.runs[run.digest] : run;
    const answer = next.answer ? ruleAnswer(next) : null;
    const key = answer && answerKey(run.digest, 0, answer.margin);
    const answers = new Map(same ? s.answers : []);
    if (answer) answers.set(key, answer);
    const strategies = JSON.stringify(s.strategies) === JSON.stringify(next.strategies) ? s.strategies : next.strategies;
    const { selection } = next;
    row = selection.row;
    const patch = { runs: { [run.digest]: shown }, run: run.digest, answers, strategies, message: next.message ?? null };
    if (!same) Object.assign(patch, { hover: null, pinned: null });
    // Somebody who has clicked on meanwhile is not thrown back.
    if (!same || selection.heard >= sent) {
      const positive = next.samples.findIndex((sample) => sample.row === selection.positive);
      Object.assign(patch, { positive: positive > 0 ? positive : null, lane: selection.lane, margin: selection.margin ?? null });
    }
    if (selection.heard >= sent || !same) root.toggleAttribute("data-asking", false);
    root.toggleAttribute("data-plain", !next.answer);
    left.hidden = !next.answer;
    state.set(patch);
    head.draw(next, shown);
    lists.draw(next, shown);
    committed = standing();
    state.flush();
    root.dataset.row = row;
    root.dataset.drawn = next.key;
  }

  function retheme() {
    const theme = readTheme(root);
    if (theme.key === state.get().theme?.key) return;
    root.dataset.theme = theme.dark ? "dark" : "light";
    sprites.setInk(theme.text);
    state.set({ theme });
  }

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    if (!run || !data) return;
    root.dataset.positive = currentAnswer(s)?.positive ?? "";
    root.dataset.lane = s.lane ?? "";
    if (touches(changed, "run", "positive", "margin", "answers")) lists.measure(s);
    if (touches(changed, "hover", "pinned", "run")) lists.mark(s);
    if (touches(changed, "sprites", "theme")) {
      lists.repaint(run);
      head.draw(data, run);
    }
    if (touches(changed, "run", "positive", "answers", "lane", "hover", "hoverLane", "pinned")) words.draw(data, s);
  });

  root.addEventListener("keydown", (event) => {
    const way = { "[": "back", "]": "forward" }[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey || !data?.[way]) return;
    event.preventDefault();
    go({ way });
  });
  state.touch(...Object.keys(state.get()));
  root.tripletscope = { state: state.get, go };

  return {
    root,
    update(given, setStateValue, parent) {
      send = setStateValue;
      if (root.parentNode !== parent) parent.append(root);
      retheme();
      if (given.key !== (waiting ?? data)?.key || given.selection.heard !== (waiting ?? data)?.selection.heard) {
        waiting = { ...given, shown: ruleRun(given) };
        adopt();
      }
      state.flush();
    },
    stop() {
      waiting = null;
      for (const part of [sprites, ruler, sentence]) part.stop();
      state.stop();
      root.remove();
    },
  };
}

export default function showRule({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  if (!rules.has(parentElement)) rules.set(parentElement, createRule());
  const rule = rules.get(parentElement);
  rule.update(data, setStateValue, parentElement);
  return () => {
    rule.stop();
    if (rules.get(parentElement) === rule) rules.delete(parentElement);
  };
}
