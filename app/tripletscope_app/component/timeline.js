// Time on screen: recorded frames stand at equal distances, because they are log-spaced and most happens early.
// The scrubber and all curves share this axis, so a cursor means the same everywhere.

/** Time in frames (fractional between them) of an optimiser step. */
export function timeOfStep(run, step) {
  const { frames } = run;
  const last = frames.length - 1;
  if (last < 1 || step <= frames[0]) return 0;
  if (step >= frames[last]) return last;
  let at = 0;
  while (frames[at + 1] <= step) at++;
  return at + (step - frames[at]) / (frames[at + 1] - frames[at]);
}

/** A map from time in frames to pixels. */
export function timeScale(run, left, right) {
  const last = Math.max(1, run.frames.length - 1);
  return Object.assign((t) => left + ((right - left) * t) / last, { left, right, invert: (x) => ((x - left) / (right - left)) * last });
}

/** Frames worth a label: round steps, no two closer than `apart` pixels, the first and last always. */
export function labelledFrames(run, scale, apart) {
  const { frames } = run;
  const last = frames.length - 1;
  const roundness = (step) => (step === 0 ? 4 : [1000, 100, 50, 10, 5].findIndex((unit) => step % unit === 0) + 1 || 9);
  const order = frames.map((_, i) => i).sort((a, b) => roundness(frames[a]) - roundness(frames[b]) || a - b);
  const chosen = [...new Set([0, last])];
  for (const i of order) if (chosen.every((j) => Math.abs(scale(i) - scale(j)) >= apart)) chosen.push(i);
  return chosen.sort((a, b) => a - b);
}

/** SVG path of a curve on the time axis; steps without a value are bridged, as R@1 exists at frames only. */
export function curvePath(run, steps, values, x, y) {
  let path = "";
  steps.forEach((step, i) => {
    if (!Number.isFinite(values[i])) return;
    path += `${path ? "L" : "M"}${x(timeOfStep(run, step)).toFixed(1)},${y(values[i]).toFixed(1)}`;
  });
  return path;
}
