// Whose ruler it is: picture, class, id and text of the row, what was found about it, what its neighbours are, and the way back.
import { h, setText } from "./dom.js";
import { paintThumb, thumbElement } from "./sprite.js";

const HEAD_PICTURE = 52;

export function createRuleHead({ state, sprites, go }) {
  const thumb = thumbElement("span", { class: "ts-thumb ts-rule-picture" });
  const name = h("bdi");
  const id = h("bdi", { class: "ts-rule-id" });
  const flags = h("div", { class: "ts-rule-flags" });
  const text = h("p", { class: "ts-rule-text", dir: "auto" });
  const votes = h("p", { class: "ts-rule-votes" });
  const way = (direction, arrow, words) => {
    const button = h("button", { type: "button", class: "ts-rule-way", title: words, "aria-label": words }, arrow);
    button.addEventListener("click", () => go({ way: direction }));
    return button;
  };
  const [back, forward] = [way("back", "\u2190", "back to the row before (key [)"), way("forward", "\u2192", "forward again (key ])")];
  const heading = h("h2", { class: "ts-rule-title" }, name, " ", id);
  const element = h(
    "header", { class: "ts-rule-head" },
    thumb, h("div", { class: "ts-rule-who" }, h("div", { class: "ts-rule-line" }, heading, flags), text, votes), h("div", { class: "ts-rule-ways" }, back, forward),
  );
  return {
    element,
    draw(data, run) {
      const anchor = data.samples[0];
      setText(name, anchor.class ?? "no class");
      setText(id, `id ${anchor.id}`);
      setText(text, anchor.text ?? "");
      text.hidden = !anchor.text;
      text.title = anchor.text ?? "";
      setText(votes, [data.votes, data.note].filter(Boolean).join(" "));
      votes.hidden = !votes.textContent;
      // What a check is called is ours; who is asked about it sees the whole line.
      flags.replaceChildren(...(anchor.flags ?? []).map((flag) => h("span", { class: "ts-rule-flag", title: `found by the check \u201c${flag}\u201d` }, flag)));
      thumb.hidden = !run.sprite;
      if (run.sprite) paintThumb(thumb, run, 0, HEAD_PICTURE, sprites);
      back.disabled = !data.back;
      forward.disabled = !data.forward;
    },
  };
}
