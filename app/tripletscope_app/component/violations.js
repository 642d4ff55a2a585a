// Margin violations over time, in three parts that share one selection: class by step, the worst pairs of classes, the gaps.
import { h, setText } from "./dom.js";
import { touches } from "./state.js";
import { whenSeen } from "./seen.js";
import { cohortNote, waitingText } from "./population.js";
import { createHeatmap } from "./heatmap.js";
import { createPairs } from "./pairs.js";
import { createGaps } from "./gaps.js";

export function createViolations({ state, actions }) {
  const parts = [createHeatmap({ state, actions }), createPairs({ state, actions }), createGaps({ state })];
  const note = h("span", { class: "ts-panel-note ts-ellipsis" });
  const clear = h("button", { type: "button", class: "ts-small-toggle", hidden: true }, "clear the filter");
  const waiting = h("p", { class: "ts-panel-wait" });
  const body = h("div", { class: "ts-panel-body ts-violations-body" }, waiting, parts.map((part) => part.element));
  const element = h(
    "section", { class: "ts-panel ts-violations", "aria-label": "Margin violations over time", "data-empty": true, "data-without": true },
    h("div", { class: "ts-panel-head" }, h("h3", { class: "ts-panel-title" }, "Margin violations over time"), note, clear), body,
  );
  clear.addEventListener("click", () => actions.setFocus(null));

  function update(s, changed) {
    const run = s.runs[s.run];
    const aside = run && s.asides[s.run];
    if (touches(changed, "run", "runs", "asides", "news")) {
      const { failed, text } = waitingText(s);
      element.toggleAttribute("data-empty", !aside && !failed);
      element.toggleAttribute("data-without", !aside);
      setText(waiting, run && !aside ? text : "");
      setText(note, aside ? cohortNote(aside) : "");
      note.title = note.textContent;
    }
    if (touches(changed, "focus")) clear.hidden = !s.focus;
    if (aside) for (const part of parts) part.update(s, changed, run, aside);
  }

  const seen = whenSeen({ element: body, state, update });
  return { element, resize() {}, stop: seen.stop };
}
