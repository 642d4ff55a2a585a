// What the film strip says in words, for the line below it and for screen readers.
import { decimalsFor, fixed } from "./dom.js";
import { classInWords, sampleName } from "./store.js";
import { calmName } from "./plane_words.js";

/** "this 7, hard, gap −0.41": a cell without its step and its strategy. `why`: what keeps the strategy out of this space. */
export function cellWords(run, cell, why = null) {
  if (cell.kind === "missing") return why ?? "no answer here";
  if (cell.kind === "abstains") return "abstains: no negative that it may use";
  if (cell.kind === "all") {
    const { counts, total } = cell;
    return `all ${total} negatives: ${counts.hard} hard, ${counts["semi-hard"]} semi-hard, ${counts.easy} easy`;
  }
  const digits = decimalsFor(cell.dap, cell.dan);
  if (cell.kind === "centre") return `the centre of ${classInWords(run, cell.rival)}, ${cell.zone}, gap ${fixed(cell.gap, digits)} to its own centre`;
  const own = cell.own ? ", own positive" : "";
  return `this ${calmName(run, cell.negative)}, ${cell.zone}, gap ${fixed(cell.gap, digits)}${own}`;
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
    if (cell.kind === "pick") return `${strategy.title} picks ${calmName(run, cell.negative)} (${cell.zone})`;
    if (cell.kind === "all") return `${strategy.title} uses all ${cell.total}`;
    if (cell.kind === "centre") return `${strategy.title} learns from the centre of ${classInWords(run, cell.rival)} (${cell.zone})`;
    return cell.kind === "abstains" ? `${strategy.title} abstains` : `${strategy.title} has no answer`;
  });
  return `At step ${run.frames[frame]}: ${parts.join("; ")}.`;
}

/** What a row's label adds to its name, {text, short (where rows are low), title}. */
export function agreementWords(row, trainer, agreement, run) {
  const { strategy } = row;
  if (row.cells.every((cell) => cell.kind === "missing")) return { text: "", short: "", title: strategy.summary };
  const notes = strategy.stochastic ? ["one draw"] : [];
  let short = "";
  const titles = [strategy.summary];
  if (strategy.stochastic) titles.push("It draws at random: each cell is one draw, the same whenever you look");
  if (strategy.name === run.strategy) {
    notes.unshift((short = "trains"));
    titles.push("This strategy trains the run");
  } else if (agreement) {
    short = `${agreement.same}/${agreement.of}`;
    notes.unshift(`agrees ${short}`);
    titles.push(`At ${agreement.same} of ${agreement.of} frames it does what ${trainer.strategy.title}, which trains this run, would do for this anchor and positive`);
  }
  return { text: notes.join(", "), short, title: `${titles.filter(Boolean).join(". ")}.` };
}
