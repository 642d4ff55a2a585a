// Which negatives, over time: who is picked for whom, the most picked, and how long a pick lasts.
import { h } from "./dom.js";

export function createRivals({ state }) {
  const body = h("div", { class: "ts-panel-body ts-rivals-body", style: { height: "320px" } });
  const element = h(
    "section", { class: "ts-panel ts-rivals", "aria-label": "Which negatives, over time", "data-empty": true },
    h("div", { class: "ts-panel-head" }, h("div", { class: "ts-panel-title" }, "Which negatives, over time")), body,
  );
  state.subscribe(() => {});
  return { element, resize() {}, stop() {} };
}
