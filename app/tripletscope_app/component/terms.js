// What the ruler calls things. It shows a recorded run, or a row of a set that nobody trains on; then `run.terms` differ.
const RUN_TERMS = {
  margin: "run\u2019s margin",
  marginTitle: "back to the margin that the run was trained with (Escape)",
  knobTitle: "drag, or use the arrow keys: what if the margin were another one? Escape: back to the run's margin",
  outside: "outside",
  outsideTitle: "negatives of the probe set that are not in this batch: no strategy can pick them here",
  othersTitle: "show or hide the negatives outside this batch",
  outsideHere: "Outside this batch",
  outsideThere: "Outside the batch",
  abstains: "abstains: no fallback",
  noFallback: "No fallback is set, so it learns nothing from this pair.",
};

/** The words for a run, or for whatever stands in its place. */
export function termsOf(run) {
  return run?.terms ? { ...RUN_TERMS, ...run.terms } : RUN_TERMS;
}
