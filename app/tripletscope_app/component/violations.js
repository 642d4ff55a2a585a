// Margin violations over time: class by step, the pairs of classes that violate most, the gaps.
import { h } from "./dom.js";

export function createViolations({ state }) {
  const body = h("div", { class: "ts-panel-body ts-violations-body", style: { height: "300px" } });
  const element = h(
    "section", { class: "ts-panel ts-violations", "aria-label": "Margin violations over time", "data-empty": true },
    h("div", { class: "ts-panel-head" }, h("div", { class: "ts-panel-title" }, "Margin violations over time")), body,
  );
  state.subscribe(() => {});
  return { element, resize() {}, stop() {} };
}
