// What the film strip says in words, for the line below it and for screen readers.
import { decimalsFor, fixed } from "./dom.js";
import { sampleName, shortName } from "./store.js";

/** "this 7, hard, gap −0.41": a cell without its step and its strategy. `why`: what keeps the strategy out of this space. */
export function cellWords(run, cell, why = null) {
  if (cell.kind === "missing") return why ?? "no answer here";
  if (cell.kind === "abstains") return "abstains: no negative that it may use";
  if (cell.kind === "all") {
    const { counts, total } = cell;
    return `all ${total} negatives: ${counts.hard} hard, ${counts["semi-hard"]} semi-hard, ${counts.easy} easy`;
  }
  const digits = decimalsFor(cell.dap, cell.dan);
  const own = cell.own ? ", own positive" : "";
  return `this ${shortName(run, cell.negative)}, ${cell.zone}, gap ${fixed(cell.gap, digits)}${own}`;
}

/** One cell for somebody who cannot see it. */
export function cellDescription(run, { strategy }, cell, step) {
  const id = cell.kind === "pick" ? `, id ${sampleName(run, cell.negative)}` : "";
  const draw = strategy.stochastic && cell.kind === "pick" ? ", one draw" : "";
  return `step ${step}, ${strategy.title}: ${cellWords(run, cell)}${id}${draw}`;
}

/** A whole column: "At step 30: Random picks 5 (easy); Semi-hard abstains; …". */
export function columnWords(run, rows, frame) {
  const parts = rows.map(({ strategy, cells }) => {
    const cell = cells[frame];
    if (cell.kind === "pick") return `${strategy.title} picks ${shortName(run, cell.negative)} (${cell.zone})`;
    if (cell.kind === "all") return `${strategy.title} uses all ${cell.total}`;
    return cell.kind === "abstains" ? `${strategy.title} abstains` : `${strategy.title} has no answer`;
  });
  return `At step ${run.frames[frame]}: ${parts.join("; ")}.`;
}

/** The small second line of a row's label, and the sentence that explains it: [text, title]. */
export function agreementWords(row, trainer, agreement, run) {
  const { strategy } = row;
  const drawn = strategy.stochastic ? ["one draw"] : [];
  const titles = [strategy.summary];
  if (strategy.stochastic) titles.push("It draws at random: each cell is one draw, the same whenever you look");
  if (strategy.name === run.strategy) {
    drawn.unshift("trains");
    titles.push("This strategy trains the run");
  } else if (agreement) {
    drawn.unshift(`agrees ${agreement.same}/${agreement.of}`);
    titles.push(`At ${agreement.same} of ${agreement.of} frames it does what ${trainer.strategy.title}, which trains this run, would do for this anchor and positive`);
  }
  return [drawn.join(", "), `${titles.filter(Boolean).join(". ")}.`];
}
