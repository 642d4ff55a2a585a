// The film strip: whom every strategy would pick for this anchor and positive, frame by frame.
import { h } from "./dom.js";

export function createStrip({ state }) {
  const body = h("div", { class: "ts-panel-body ts-strip-body", style: { height: "360px" } });
  const element = h(
    "section", { class: "ts-panel ts-strip", "aria-label": "Film strip", "data-empty": true },
    h("div", { class: "ts-panel-head" }, h("div", { class: "ts-panel-title" }, "Film strip")), body,
  );
  state.subscribe(() => {});
  return { element, resize() {}, stop() {} };
}
