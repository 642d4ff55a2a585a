// The triplet plane: every eligible triplet of the step as density, the picked ones as shapes.
import { h } from "./dom.js";

export function createPlane({ state }) {
  const body = h("div", { class: "ts-panel-body ts-plane-body", style: { height: "360px" } });
  const element = h(
    "section", { class: "ts-panel ts-plane", "aria-label": "Triplet plane", "data-empty": true },
    h("div", { class: "ts-panel-head" }, h("div", { class: "ts-panel-title" }, "Triplet plane")), body,
  );
  state.subscribe(() => {});
  return { element, resize() {}, stop() {} };
}
