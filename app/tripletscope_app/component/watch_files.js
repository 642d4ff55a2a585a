// The charts of a run as files: what they are called, what stands below them, and the first columns of their tables.
import { className, sampleName } from "./store.js";
import { currentAnswer } from "./answers.js";
import { fileName, saveMenu } from "./chart_file.js";

/** "0.620 (euclidean)" is no number: the unit stands in the column's name. */
export function unitOf(run, word) {
  return `${word} (${run.distance})`;
}

/** Who and when: [columns, values] that begin every row. A row of a set has neither run nor step. */
export function whoAndWhen(s) {
  const run = s.runs[s.run];
  if (run.terms) return [["anchor"], [sampleName(run, s.anchor)]];
  return [["run", "strategy", "step"], [run.name, run.strategy, run.frames[s.frame]]];
}

/** A table whose rows begin with run, strategy and step. */
export function tableWith(s, columns, rows) {
  const [names, values] = whoAndWhen(s);
  return [[...names, ...columns], rows.map((row) => [...values, ...row])];
}

const upperFirst = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function captionOf(s, { space, anchored }) {
  const run = s.runs[s.run];
  const found = anchored ? currentAnswer(s) : null;
  const anchor = anchored ? `anchor ${sampleName(run, s.anchor)} (${className(run, s.anchor)})${found ? `, positive ${sampleName(run, found.positive)}` : ""}` : "";
  const margin = `margin ${s.margin ?? run.margin}${s.margin && s.margin !== run.margin ? ` (what if; recorded with ${run.margin})` : ""}, ${run.distance} distance`;
  const when = run.terms ? "" : `run ${run.name}, strategy ${run.strategy_title ?? run.strategy}, step ${run.frames[s.frame]}`;
  return [when, space ? `space ${space}` : "", anchor, margin].filter(Boolean).join("; ");
}

/** The Save button of a panel. `title` names it, `name` its files; `space()` = [name, words] of what the picture lies in,
 * where it is a map; `anchored`: the picture is about the chosen anchor; `about()` = more of the caption. */
export function panelFiles({ state, name, title, element, table, without, titled = false, space = null, anchored = false, about = null, kinds }) {
  const here = () => (space ? space() : ["", ""]);
  return saveMenu({
    kinds, titled, without, title: upperFirst(title), element: () => element, table: () => table(state.get()),
    theme: () => state.get().theme,
    caption: () => [captionOf(state.get(), { space: here()[1], anchored }), about?.(state.get())].filter(Boolean).join("; "),
    name() {
      const s = state.get();
      const run = s.runs[s.run];
      const which = run.terms ? `row-${sampleName(run, s.anchor)}` : `${run.name}-step-${run.frames[s.frame]}`;
      return fileName(which, name, here()[0]);
    },
  });
}
