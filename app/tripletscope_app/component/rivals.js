// Which negatives, over time: who is picked for whom in a span of steps, the most picked, and how long a pick lasts.
import { h, setText } from "./dom.js";
import { touches } from "./state.js";
import { markColour, markIcon } from "./marks.js";
import { whenSeen } from "./seen.js";
import { picksByClass, stepsOfSpan, waitingText } from "./population.js";
import { createSpan, spanOf } from "./span.js";
import { createMatrix } from "./matrix.js";
import { createHubs } from "./hubs.js";
import { createChurn } from "./churn.js";

export function createRivals({ state, actions, sprites }) {
  const [span, matrix, hubs, churn] = [createSpan({ state, actions }), createMatrix({ state, actions }), createHubs({ state, actions, sprites }), createChurn({ state, actions })];
  const note = h("span", { class: "ts-panel-note ts-ellipsis" });
  const choices = h("div", { class: "ts-rival-choices", role: "group", "aria-label": "Whose picks" });
  const waiting = h("p", { class: "ts-panel-wait" });
  const body = h("div", { class: "ts-panel-body ts-rivals-body" }, waiting,
    h("div", { class: "ts-part ts-rival-tools" }, h("div", { class: "ts-rival-bar" }, choices, span.tools), span.bar),
    matrix.element, hubs.element, churn.element);
  const element = h(
    "section", { class: "ts-panel ts-rivals", "aria-label": "Which negatives, over time", "data-empty": true, "data-without": true },
    h("div", { class: "ts-panel-head" }, h("h3", { class: "ts-panel-title" }, "Which negatives, over time"), note), body,
  );
  let wished = null; // pressed here: holds until another lane that was recorded is chosen
  let summed = { stamp: "", picks: null };

  const titleOf = (s, name) => s.known.find((strategy) => strategy.name === name)?.title ?? name;

  /** Whose picks are shown: the lane's where they were recorded, else those asked for here, else the trainer's. */
  function shownOf(s, aside) {
    return [s.lane, wished].find((name) => aside.strategies.includes(name)) ?? aside.strategies[0] ?? null;
  }

  function drawChoices(s, aside, shown) {
    choices.replaceChildren(...aside.strategies.map((name) => {
      const mark = s.known.find((strategy) => strategy.name === name)?.mark;
      const choice = h("button", { type: "button", class: "ts-rival-choice", "data-strategy": name, "aria-pressed": String(name === shown), style: { "--mark": markColour(mark, s.theme.dark) } },
        markIcon(mark, s.theme.dark, 13), h("span", { class: "ts-ellipsis" }, titleOf(s, name)));
      choice.addEventListener("click", () => {
        wished = name;
        if (state.get().known.some((strategy) => strategy.name === name)) actions.selectLane(name);
        else state.touch("lane");
      });
      return choice;
    }));
    const missing = s.lane && !aside.strategies.includes(s.lane) && s.strategies.some((strategy) => strategy.name === s.lane);
    setText(note, missing
      ? `${titleOf(s, s.lane)} was not recorded in this run: these are the picks of ${titleOf(s, shown)}`
      : `recorded picks of ${titleOf(s, shown)} at every step${shown === s.runs[s.run].strategy ? ", which trained" : ", which looked on"}`);
    note.title = [note.textContent, ...(aside.left_out ?? [])].join(". ");
  }

  function update(s, changed) {
    const run = s.runs[s.run];
    const aside = run && s.asides[s.run];
    if (touches(changed, "run", "runs", "asides", "news")) {
      const { failed, text } = waitingText(s);
      const nothing = aside && !aside.strategies.length ? "This run recorded no picks." : text;
      element.toggleAttribute("data-empty", !aside && !failed);
      element.toggleAttribute("data-without", !aside?.strategies.length);
      setText(waiting, run && !aside?.strategies.length ? nothing : "");
    }
    if (!aside?.strategies.length) {
      setText(note, "");
      return;
    }
    const shown = shownOf(s, aside);
    const frames = spanOf(s, run);
    const strategy = aside.strategies.indexOf(shown);
    const stamp = [aside.digest, shown, ...frames].join("/");
    const fresh = stamp !== summed.stamp || touches(changed, "run", "runs", "asides");
    if (fresh) summed = { stamp, picks: picksByClass(aside, strategy, frames) };
    const told = { fresh, strategy, chosen: shown, span: frames, picks: summed.picks, where: stepsOfSpan(aside, frames) };
    if (fresh || touches(changed, "lane", "theme", "strategies")) drawChoices(s, aside, shown);
    span.update(s, changed, run, aside);
    matrix.update(s, changed, aside, told);
    hubs.update(s, changed, run, aside, told);
    churn.update(s, changed, run, aside, told);
  }

  const seen = whenSeen({ element: body, state, update });
  return {
    element,
    resize() {},
    stop() {
      seen.stop();
      span.stop();
    },
  };
}
