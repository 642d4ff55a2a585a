// The parameters of the chosen strategy as small number fields over its lane: what if they were others?
import { h } from "./dom.js";

export function createTune({ state, actions }) {
  const fields = h("span", { class: "ts-tune-fields" });
  const reset = h("button", { type: "button", class: "ts-tune-reset", title: "the values that the run, or the strategy, has by itself" }, "reset");
  const element = h("div", { class: "ts-tune", role: "group", hidden: true }, fields, reset);
  let key = "";
  let inputs = [];

  const valueOf = (s, strategy, name) => s.tuned?.find(([of, what]) => of === strategy.name && what === name)?.[2];

  function take(strategy, parameter, input) {
    const number = input.value.trim() === "" ? null : Number(input.value);
    const legal = number === null || (number >= parameter.low && number <= parameter.high && (!parameter.whole || Number.isInteger(number)));
    input.setAttribute("aria-invalid", String(!legal));
    input.title = legal ? parameter.help : `${parameter.whole ? "a whole number" : "a number"} from ${parameter.low} to ${parameter.high}`;
    if (legal) actions.tune(strategy.name, parameter.name, number === parameter.default ? null : number);
  }

  function build(strategy) {
    inputs = strategy.params.map((parameter) => {
      const step = parameter.whole ? 1 : "any";
      const input = h("input", { type: "number", class: "ts-tune-field", min: parameter.low, max: parameter.high, step, title: parameter.help, "data-parameter": parameter.name });
      input.addEventListener("change", () => take(strategy, parameter, input));
      return { parameter, input };
    });
    fields.replaceChildren(...inputs.map(({ parameter, input }) => h("label", { title: parameter.help }, h("span", {}, parameter.name.replaceAll("_", " ")), input)));
    element.setAttribute("aria-label", `Parameters of ${strategy.title}`);
    reset.onclick = () => {
      for (const { parameter, input } of inputs) {
        input.value = String(parameter.default);
        input.setAttribute("aria-invalid", "false");
      }
      actions.tune(strategy.name, null, null);
    };
  }

  return {
    element,
    /** Over the lanes, at the right end of the row with their heading. */
    place(s, strategy, box) {
      element.hidden = !strategy?.params?.length || !s.engine;
      if (element.hidden) return;
      const wanted = strategy.name;
      if (wanted !== key) build(strategy);
      key = wanted;
      const top = `${box.lanesTop - 19}px`;
      if (element.style.top !== top) element.style.top = top;
      element.style.right = `${box.width - box.right}px`;
      const focused = element.getRootNode().activeElement;
      for (const { parameter, input } of inputs) {
        const text = String(valueOf(s, strategy, parameter.name) ?? parameter.default);
        if (input !== focused && input.value !== text && input.getAttribute("aria-invalid") !== "true") input.value = text;
      }
      const tried = s.tuned?.some(([of]) => of === strategy.name);
      reset.hidden = !tried;
    },
  };
}
