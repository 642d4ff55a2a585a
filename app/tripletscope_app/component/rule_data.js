// What Python says about a row, turned into what the panels of Watch look at: a run of one frame, and the answer about it.
// Samples are numbered as they come: the anchor is 0, then the positives, the negatives, and who else is in the lists.

/** The row as a run: its samples, their classes and pictures, and the axis, which is the same for every row of the set. */
export function ruleRun(data) {
  const { digest, labels, class_names, ids, distance, distance_title, margin, ruler_max, thumb } = data.run;
  return {
    digest, n: labels.length, frames: [0], steps: [0], label: labels, class_names, ids, distance, distance_title, margin, ruler_max,
    soft_margin: false, thumb: thumb ?? null, sprite: data.sprite ? bytesOfText(data.sprite) : null, terms: data.terms,
  };
}

/** The answer about it: who is how far, and who would be picked with this margin. */
export function ruleAnswer(data) {
  const { positives, negatives, distances, picks, own_positive, not_applicable, others, margin, candidates_title } = data.answer;
  const candidates = [0, ...positives, ...negatives];
  const { ticks, ...count } = others;
  return {
    anchor: 0, margin, candidates, positives, negatives, frames: [0], candidates_title, not_applicable, fallback: {}, probabilities: {},
    picks: picks, own_positive: Object.fromEntries(Object.entries(own_positive).map(([name, place]) => [name, [place]])),
    distances: Float32Array.from([0, ...distances]), ulps: null, space: null,
    crowd: { told: { ...count, ticks: Float32Array.from(ticks) } },
    column: new Map(candidates.map((sample, i) => [sample, i])), frameOf: new Map([[0, 0]]),
  };
}

function bytesOfText(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
