// The film strip as numbers: one row per strategy, one cell per recorded frame, all for one anchor and one positive.
import { learntFrom, measure, pickOf } from "./answers.js";
import { notHereWords } from "./lane_names.js";

/** A cell without a pick says why: "all" (every negative), "abstains", or "missing" (the engine gave no answer). A cell of
 * kind "centre" has two centres of classes, `own` and `rival`, in the place of positive and negative. */
function stripCell(found, strategy, at) {
  const { run, answer, positive } = found;
  if (at === undefined) return { kind: "missing" };
  const learnt = learntFrom({ run, answer, at }, strategy);
  if (learnt) return { kind: "centre", ...learnt };
  const pick = pickOf(answer, at, strategy, positive);
  if (pick.kind === "pick") return { ...pick, ...measure(answer, at, pick.positive, pick.negative, run) };
  if (pick.kind !== "all") return pick;
  const counts = { hard: 0, "semi-hard": 0, easy: 0 };
  for (const negative of pick.negatives) counts[measure(answer, at, positive, negative, run).zone] += 1;
  return { kind: "all", counts, total: pick.negatives.length };
}

/** [{strategy, cells, reason}] in the order of the lanes; `cells` has one entry per frame of the run, `reason` is why a
 * row that is "missing" at every frame is empty. */
export function stripRows(found, strategies) {
  const { run, answer } = found;
  const ats = run.frames.map((step) => answer.frameOf.get(step));
  return strategies.map((strategy) => ({ strategy, cells: ats.map((at) => stripCell(found, strategy, at)), reason: notHereWords(answer, strategy) }));
}

/** How often a row picks whom the trainer picks, {same, of}; null where that cannot be said.
 *
 * Abstaining together is agreeing: both leave this pair alone. A trainer of somebody's own, or one that uses every
 * negative, has no pick to agree with. */
export function stripAgreement(row, trainer) {
  if (!trainer || row === trainer) return null;
  let [same, of] = [0, 0];
  row.cells.forEach((cell, i) => {
    const other = trainer.cells[i];
    if (![cell, other].every(({ kind }) => kind === "pick" || kind === "abstains")) return;
    of += 1;
    if (cell.kind === other.kind && cell.negative === other.negative) same += 1;
  });
  return of ? { same, of } : null;
}

/** Stretches of neighbouring frames with the same pick: [{from, to, negative}], both ends included; of the same centre
 * {from, to, rival}. */
export function stripSpans(cells) {
  const spans = [];
  cells.forEach((cell, i) => {
    const last = spans.at(-1);
    const who = { pick: { negative: cell.negative }, centre: { rival: cell.rival } }[cell.kind];
    if (!who) return;
    if (last && last.to === i - 1 && last.negative === who.negative && last.rival === who.rival) last.to = i;
    else spans.push({ from: i, to: i, ...who });
  });
  return spans;
}
