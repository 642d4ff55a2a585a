// A strategy of one's own: a choice on every axis. The engine says what each value does, what the sentence is made of, and
// what makes no sense; here they are only put together.
import { h, setText } from "./dom.js";
import { markColour, markIcon } from "./marks.js";
import { copyText } from "./link.js";

const MOST_COMPOSED = 4;
const COPIED = 2500; // ms that "copied" stays

/** Name, text and sentence of a composition, and [axis, reason] where it makes no sense. */
export function composition({ parts, refused }, { positive, negative, lower, upper, fallback }) {
  const choices = [positive === "all" ? ["pair", "all"] : ["anchor", positive], ["negative", negative], ["lower", lower], ["upper", upper], ["fallback", fallback]]
    .filter(([, value]) => value !== "none");
  const band = lower === "none" && upper === "none" ? "any" : "band";
  return {
    name: choices.flat().join("-"),
    text: choices.map((choice) => choice.join(":")).join(", "),
    sentence: parts.positive[positive] + parts.negative[negative] + parts.band[`${lower}/${upper}`] + parts.fallback[`${band}/${fallback}`],
    refused: refused[`${lower}/${upper}/${fallback}`] ?? null,
  };
}

export function createComposer({ state, actions }) {
  const fields = h("div", { class: "ts-composer-fields" });
  const sentence = h("p", { class: "ts-composer-sentence", "aria-live": "polite" });
  const text = h("code", { class: "ts-composer-text" });
  const add = h("button", { type: "button", class: "ts-play ts-composer-add" }, "Show it as a lane");
  const why = h("span", { class: "ts-composer-why" });
  const mine = h("div", { class: "ts-composer-mine", role: "group", "aria-label": "Composed here" });
  const command = h("code", { class: "ts-composer-command", tabindex: "0", "aria-label": "command that would train it" });
  const copy = h("button", { type: "button", class: "ts-lineup-set" }, "copy");
  const train = h("div", { class: "ts-composer-train" }, h("div", { class: "ts-composer-line" }, h("span", {}, "To train it as this run was trained:"), copy), command);
  const element = h("div", { class: "ts-composer", hidden: true },
    fields, sentence, text, h("div", { class: "ts-composer-line" }, add, why), mine, train);
  const chosen = { positive: "all", negative: "nearest", lower: "positive", upper: "margin", fallback: "none" };
  let told = null; // as the engine put it
  let made = null;
  let mineKey = "";
  let timer = 0;

  function build() {
    fields.replaceChildren(...told.axes.map(({ name, title, values }) => {
      const select = h("select", { class: "ts-composer-select", "data-axis": name, "aria-describedby": `ts-refused-${name}` },
        values.map(([value, words]) => h("option", { value }, `${value} \u2013 ${words}`)));
      select.value = chosen[name];
      select.addEventListener("change", () => {
        chosen[name] = select.value;
        draw(state.get());
      });
      const refused = h("span", { class: "ts-composer-refused", id: `ts-refused-${name}`, "data-axis": name, "aria-live": "polite", hidden: true });
      return h("label", { class: "ts-composer-field" }, h("span", { class: "ts-composer-name" }, title, h("code", {}, name === "positive" ? "pair / anchor" : name)), select, refused);
    }));
  }

  function draw(s) {
    made = composition(told, chosen);
    for (const select of fields.querySelectorAll("select")) {
      const wrong = made.refused?.[0] === select.dataset.axis;
      select.setAttribute("aria-invalid", String(wrong));
      const refused = select.parentElement.querySelector(".ts-composer-refused");
      refused.hidden = !wrong;
      setText(refused, wrong ? made.refused[1] : "");
    }
    setText(sentence, made.refused ? "This makes no strategy yet." : made.sentence);
    setText(text, made.text);
    const there = s.known.find((strategy) => strategy.name === made.name && (strategy.group === "trained" || s.composed?.includes(made.name)));
    const full = (s.composed?.length ?? 0) >= MOST_COMPOSED;
    add.disabled = Boolean(made.refused || there || full);
    setText(why, made.refused ? "" : there ? "It has a lane." : full ? `${MOST_COMPOSED} at a time: remove one first.` : "");
    const template = told.commands?.[s.run];
    setText(command, template ? template.replace("{strategy}", made.text).replace("{name}", made.name) : `strategies.get("${made.text}")`);
    setText(train.querySelector("span"), template ? "To train it as this run was trained:" : "In the loop that recorded this run:");
    train.hidden = Boolean(made.refused);
    drawMine(s);
  }

  function drawMine(s) {
    const lanes = s.known.filter((strategy) => strategy.group === "composed" && s.composed?.includes(strategy.name));
    const key = `${lanes.map(({ name }) => name).join()}/${s.theme.key}`;
    if (key === mineKey) return;
    mineKey = key;
    mine.hidden = !lanes.length;
    mine.replaceChildren(...lanes.map((lane) => {
      const name = h("button", { type: "button", class: "ts-composed-name", title: lane.summary, style: { "--mark": markColour(lane.mark, s.theme.dark) } }, markIcon(lane.mark, s.theme.dark, 14), h("span", { class: "ts-ellipsis" }, lane.title));
      name.addEventListener("click", () => actions.selectLane(lane.name));
      const remove = h("button", { type: "button", class: "ts-composed-remove", "aria-label": `remove ${lane.title}`, title: "remove this lane" }, "\u00d7");
      remove.addEventListener("click", () => actions.removeComposed(lane.name));
      return h("span", { class: "ts-composed" }, name, remove);
    }));
  }

  add.addEventListener("click", () => actions.addComposed(made.name));
  copy.addEventListener("click", async () => {
    const done = await copyText(command.textContent);
    setText(copy, done ? "copied" : "copy by hand");
    clearTimeout(timer);
    timer = setTimeout(() => setText(copy, "copy"), COPIED);
  });

  return {
    element,
    update(s, shown) {
      element.hidden = !shown;
      if (!shown || !s.news.composer) return;
      if (told !== s.news.composer) {
        const first = !told;
        told = s.news.composer;
        if (first) build();
      }
      draw(s);
    },
  };
}
