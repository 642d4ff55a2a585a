// The texts of the triplet that the sentence speaks about, one below the other: what a picture would show, they say.
import { h, setText } from "./dom.js";
import { currentAnswer, pickOf } from "./answers.js";
import { laneStrategy } from "./ruler.js";

/** {element, draw}: three lines, each with a button that goes to the row, and one that says what the ruler shows. */
export function createRuleWords({ go }) {
  const lines = ["anchor", "positive", "negative"].map((role) => {
    const words = h("span", { class: "ts-rule-words-text", dir: "auto" });
    const button = h("button", { type: "button", class: "ts-rule-go" }, "look at it");
    const line = { role, words, button, row: null, element: null };
    button.addEventListener("click", () => line.row !== null && go({ row: line.row }));
    line.element = h("div", { class: "ts-rule-words-line", "data-role": role }, h("span", { class: "ts-rule-role" }, role), words, button);
    return line;
  });
  const note = h("p", { class: "ts-panel-note" });
  const element = h("section", { class: "ts-rule-words", "aria-label": "The three rows" }, lines.map((line) => line.element), note);
  return {
    element,
    draw(data, s) {
      const found = currentAnswer(s);
      const samples = found ? trioOf(found, s) : [0, null, null];
      setText(note, data.answer ? `On the ruler: ${data.answer.candidates_title}.` : "");
      lines.forEach((line, i) => {
        const told = samples[i] === null ? null : data.samples[samples[i]];
        line.row = told?.row ?? null;
        setText(line.words, told ? told.text || `${told.class ?? "no class"}, id ${told.id}` : "\u2013");
        line.words.title = told?.text ?? "";
        line.button.hidden = i === 0 || !told;
        line.button.setAttribute("aria-label", told ? `look at this ${line.role}, id ${told.id}` : "");
      });
    },
  };
}

/** [anchor, positive, negative] that the sentence speaks about. */
function trioOf(found, s) {
  const looked = s.hover?.index ?? s.pinned;
  if (looked && found.answer.positives.includes(looked)) return [0, looked, null];
  if (looked && found.answer.negatives.includes(looked)) return [0, found.positive, looked];
  const strategy = s.strategies.find((one) => one.name === s.hoverLane) ?? laneStrategy(s);
  const pick = strategy ? pickOf(found.answer, found.at, strategy, found.positive) : {};
  return [0, pick.positive ?? found.positive, pick.negative ?? null];
}
