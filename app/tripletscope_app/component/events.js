// What happened here: the doctor's findings, each with its step, its evidence and its remedy.
import { h } from "./dom.js";

export function createEvents({ state }) {
  const body = h("div", { class: "ts-panel-body ts-events-body", style: { height: "96px" } });
  const element = h(
    "section", { class: "ts-panel ts-events", "aria-label": "What happened here", "data-empty": true },
    h("div", { class: "ts-panel-head" }, h("div", { class: "ts-panel-title" }, "What happened here")), body,
  );
  state.subscribe(() => {});
  return { element, resize() {}, stop() {} };
}
