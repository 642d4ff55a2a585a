// The left column of the film strip: a button per strategy with its mark, its name and how often it agrees with the trainer.
import { h, setText } from "./dom.js";
import { markColour, markIcon } from "./marks.js";
import { stripAgreement } from "./strip_cells.js";
import { agreementWords } from "./strip_words.js";

const STRIP_TWO_LINES = 30; // px that a name and a second line need

export function createStripLabels({ layer, actions }) {
  let labels = [];
  let key = "";

  function build(s) {
    for (const { button } of labels) button.remove();
    labels = s.strategies.map((strategy) => {
      const note = h("span", { class: "ts-strip-note" });
      const button = h(
        "button", { type: "button", class: "ts-strip-label", style: { "--mark": markColour(strategy.mark, s.theme.dark) } },
        markIcon(strategy.mark, s.theme.dark, 15), h("span", { class: "ts-strip-name ts-ellipsis" }, strategy.title), note,
      );
      button.addEventListener("click", () => actions.selectLane(strategy.name));
      layer.append(button);
      return { strategy, button, note };
    });
  }

  return {
    /** `rows` is null while nothing is known: the names stand, the second lines wait. */
    update(s, rows, { rowHeight, width }) {
      const wanted = `${s.strategies.map((strategy) => strategy.name).join()}/${s.theme.key}`;
      if (wanted !== key) build(s);
      key = wanted;
      const run = s.runs[s.run];
      const trainer = rows?.find((row) => row.strategy.name === run?.strategy);
      const tight = rowHeight < STRIP_TWO_LINES;
      labels.forEach(({ strategy, button, note }, i) => {
        const row = rows?.[i];
        const told = row ? agreementWords(row, trainer, stripAgreement(row, trainer), run) : { text: "", short: "", title: strategy.summary };
        setText(note, tight ? told.short : told.text);
        button.title = told.title;
        button.style.top = `${i * rowHeight}px`;
        button.style.height = `${rowHeight}px`;
        button.style.width = `${width}px`;
        button.toggleAttribute("data-tight", tight);
        button.toggleAttribute("data-trains", strategy.name === run?.strategy);
        button.setAttribute("aria-pressed", String(strategy.name === s.lane));
      });
    },
  };
}
