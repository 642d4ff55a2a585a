// What the engine says about one anchor: every strategy's pick at every frame, and how far the candidates are.
//
// Zones are decided by the gap in float32, the type the distances were mined in; the page never compares d(a,n) with
// d(a,p) + margin, which rounds differently. In a plane that is mined as it is drawn, the page has the points and takes
// the distances itself, rounding every step to float32; what arrives is by how many last places the engine's differ.
import { inflate } from "./inflate.js";
import { parseBlob } from "./store.js";

const MOST_TICKS = 64;

function inflateText(base64) {
  return inflate(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
}

/** The answer with typed arrays and look-up tables. `raw` is {anchor, margin, z}: base64 of deflated bytes.
 *
 * The answer has anchor, margin (that it was asked with), candidates (the anchor first), candidates_title, positives,
 * negatives, frames (steps), picks[strategy] (frames x positives: place of the negative, -1 = abstains),
 * own_positive[strategy] (per frame: place of the positive that the strategy brings along), probabilities[strategy]
 * (frames x positives x negatives, a row's largest is 255), not_applicable[strategy] and fallback[strategy] (texts);
 * filtered where a filter of the run took negatives from the strategy that trained: {strategy, floors (frames x positives:
 * the least distance at which it may take one)};
 * centres where the run learned some: {labels, distances}, for each frame that of the anchor's class and then the nearest. */
export function decodeAnswer(raw) {
  const blob = parseBlob(inflateText(raw.z));
  const { candidates, frames, positive_count: near } = blob;
  const positives = candidates.slice(1, 1 + near);
  const negatives = candidates.slice(1 + near);
  const byStrategy = (names, all, size) => Object.fromEntries((names ?? []).map((name, k) => [name, all.subarray(k * size, (k + 1) * size)]));
  const pairs = frames.length * near;
  return {
    anchor: raw.anchor, margin: raw.margin, candidates, positives, negatives, frames,
    candidates_title: blob.candidates_title, not_applicable: blob.not_applicable ?? {}, fallback: blob.fallback ?? {},
    picks: byStrategy(blob.picking, blob.picks, pairs),
    own_positive: byStrategy(blob.bringing, blob.own_positive, frames.length),
    probabilities: byStrategy(blob.drawing, blob.chances, pairs * negatives.length),
    distances: blob.distances ?? null, // null: the page takes them from the frames, when it has them
    ulps: blob.ulps ?? null, // by how many float32 numbers the engine's square roots differ from ours; nearly all 0
    crowd: blob.ticks ? { count: blob.others, ticks: blob.ticks, hardest: blob.hardest, nearest: blob.nearest, farthest: blob.farthest, closer: blob.closer } : null,
    centres: blob.centre_label ? { labels: blob.centre_label, distances: blob.centre_distance } : null,
    filtered: blob.filtered ? { strategy: blob.filtered, floors: blob.floors } : null,
    space: null, // the run, for whoever takes distances from its frames
    column: new Map(candidates.map((sample, i) => [sample, i])),
    frameOf: new Map(frames.map((step, i) => [step, i])),
  };
}

/** Distances in float32 from one sample to others in one frame of an exact plane, as the engine rounds them. */
export function planeDistances(run, frame, anchor, samples) {
  const { pos, n } = run;
  const start = frame * n * 2;
  const [x, y] = [pos[start + 2 * anchor], pos[start + 2 * anchor + 1]];
  const squared = run.distance === "squared-euclidean";
  const out = new Float32Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const dx = Math.fround(x - pos[start + 2 * samples[i]]);
    const dy = Math.fround(y - pos[start + 2 * samples[i] + 1]);
    const sum = Math.fround(Math.fround(dx * dx) + Math.fround(dy * dy));
    out[i] = squared ? sum : Math.sqrt(sum); // a Float32Array rounds what it is given
  }
  return out;
}

/** The answer, with its distances taken from the run's frames where they were not sent. */
function completeAnswer(answer, run) {
  answer.space = run;
  if (answer.distances) return answer;
  const width = answer.candidates.length;
  answer.distances = new Float32Array(answer.frames.length * width).fill(NaN);
  answer.frames.forEach((step, at) => {
    const frame = run.frames.indexOf(step);
    if (frame >= 0) answer.distances.set(planeDistances(run, frame, answer.anchor, answer.candidates), at * width);
  });
  // Distances are not negative: their bits, read as whole numbers, count the float32 numbers in order.
  const bits = new Int32Array(answer.distances.buffer);
  answer.ulps?.forEach((steps, i) => (bits[i] += steps));
  return answer;
}

export function distanceTo(answer, at, sample) {
  return answer.distances[at * answer.candidates.length + answer.column.get(sample)];
}

/** The negatives of the probe set that are no candidates, at one frame of the answer: what a larger batch would hold.
 *
 * {count, ticks (distances: at most 64 order statistics, rising, the smallest and the largest among them),
 * hardest ({sample, distance}: the nearest of them all, or null), closer (one [hard, semi-hard] per positive: how many of
 * them lie in these zones)}. In an exact plane `margin` may be any; elsewhere the counts are those of the answer's. */
export function othersOf(answer, at, margin = answer.margin) {
  const key = `${at}/${margin}`;
  if (answer.others?.key !== key) answer.others = { key, told: answer.crowd ? othersTold(answer, at) : othersSeen(answer, at, margin) };
  return answer.others.told;
}

function othersTold({ crowd, frames, positives }, at) {
  if (crowd.told) return crowd.told; // of one moment only
  const width = crowd.ticks.length / Math.max(1, frames.length);
  const hardest = crowd.hardest[at] >= 0 ? { sample: crowd.hardest[at], distance: crowd.nearest[at] } : null;
  const closer = positives.map((_, p) => Array.from(crowd.closer.subarray(2 * (at * positives.length + p), 2 * (at * positives.length + p) + 2)));
  // Ticks travel as steps of 1/255 of the largest; the nearest is known exactly.
  let reached = 0;
  const ticks = Float32Array.from(crowd.ticks.subarray(at * width, (at + 1) * width), (step, i) => {
    reached += step;
    return i ? Math.max((reached / 255) * crowd.farthest[at], crowd.nearest[at]) : crowd.nearest[at];
  });
  return { count: crowd.count, ticks, hardest, closer };
}

function outsideOf(answer, run) {
  const own = run.label[answer.anchor];
  const outside = [];
  for (let i = 0; i < run.n; i++) if (run.label[i] !== own && !answer.column.has(i)) outside.push(i);
  return outside;
}

function othersSeen(answer, at, margin) {
  const run = answer.space;
  const frame = run ? run.frames.indexOf(answer.frames[at]) : -1;
  if (frame < 0) return { count: 0, ticks: new Float32Array(0), hardest: null, closer: answer.positives.map(() => [0, 0]) };
  answer.outside ??= outsideOf(answer, run); // the same at every frame
  const outside = answer.outside;
  const d = planeDistances(run, frame, answer.anchor, outside);
  const nearest = d.reduce((best, value, i) => (best < 0 || value < d[best] ? i : best), -1);
  const sorted = d.slice().sort();
  const count = sorted.length;
  const most = Math.min(MOST_TICKS, count);
  const ticks = Float32Array.from({ length: most }, (_, t) => sorted[most > 1 ? Math.floor((t * (count - 1)) / (most - 1)) : 0]);
  const limit = Math.fround(margin);
  const closer = answer.positives.map((positive) => {
    const near = distanceTo(answer, at, positive);
    // Rounding keeps order: along the sorted distances the rounded gap rises too.
    const hard = countWhile(sorted, (value) => Math.fround(value - near) <= 0);
    return [hard, countWhile(sorted, (value) => Math.fround(value - near) < limit) - hard];
  });
  return { count, ticks, hardest: nearest < 0 ? null : { sample: outside[nearest], distance: d[nearest] }, closer };
}

/** How many of the first values of a sorted array hold; the rest does not. */
function countWhile(sorted, holds) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(sorted[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** "hard", "semi-hard" or "easy" of a float32 gap. */
export function zoneOf(gap, margin) {
  if (gap <= 0) return "hard";
  return gap >= Math.fround(margin) ? "easy" : "semi-hard";
}

/** The numbers of one triplet: {dap, dan, gap, zone, loss}. */
export function measure(answer, at, positive, negative, run) {
  const dap = distanceTo(answer, at, positive);
  const dan = distanceTo(answer, at, negative);
  return gapNumbers(dap, dan, run);
}

function gapNumbers(dap, dan, run) {
  const gap = Math.fround(dan - dap);
  const loss = run.soft_margin ? Math.log1p(Math.exp(-gap)) : Math.max(0, run.margin - gap);
  return { dap, dan, gap, zone: zoneOf(gap, run.margin), loss };
}

/** The learned centres at one frame of the answer: {own, rival (each {label, distance}, or null), distanceTo(label)};
 * null where nobody learned any. Of many classes only the nearest are known; the distance to another is null. */
export function centresAt(answer, at) {
  if (!answer.centres) return null;
  const { labels, distances } = answer.centres;
  const width = labels.length / answer.frames.length;
  const place = (k) => (k < width && Number.isFinite(distances[at * width + k]) ? { label: labels[at * width + k], distance: distances[at * width + k] } : null);
  const row = labels.subarray(at * width, (at + 1) * width);
  return { own: place(0), rival: place(1), distanceTo: (label) => (row.includes(label) ? place(row.indexOf(label))?.distance ?? null : null) };
}

/** What a run that learns from centres makes of the anchor: the numbers of its loss, and whose centres they are of;
 * null for every other strategy, and where centres are not known. */
export function learntFrom({ run, answer, at }, strategy) {
  if (strategy?.name !== run.strategy || answer.picks[strategy.name]) return null;
  const there = centresAt(answer, at);
  if (!there?.own || !there.rival) return null;
  return { own: there.own.label, rival: there.rival.label, ...gapNumbers(there.own.distance, there.rival.distance, run) };
}

/** What a filter of the run left to the strategy that trained, for one positive: {floor, left (negatives), taken (how many)};
 * null for every other strategy, and in a run without a filter. */
export function filteredFor(answer, at, strategy, positive) {
  if (!answer.filtered || answer.filtered.strategy !== strategy?.name) return null;
  const floor = answer.filtered.floors[at * answer.positives.length + answer.positives.indexOf(positive)];
  const left = answer.negatives.filter((negative) => distanceTo(answer, at, negative) >= floor);
  return { floor, left, taken: answer.negatives.length - left.length };
}

/** What a strategy does with this anchor and positive at one frame of the answer.
 *
 * kind: "pick" {positive, negative, own}, "all" {negatives}, "abstains", or "missing" where the engine gave no answer.
 * `own` is true where the strategy brought its own positive, and it is not the chosen one. */
export function pickOf(answer, at, strategy, positive) {
  if (strategy.granularity === "all") {
    const negatives = filteredFor(answer, at, strategy, positive)?.left ?? answer.negatives;
    return negatives.length || !answer.negatives.length ? { kind: "all", negatives } : { kind: "abstains" };
  }
  const picks = answer.picks[strategy.name];
  if (!picks) return { kind: "missing" };
  const row = answer.positives.indexOf(positive);
  const negative = answer.negatives[picks[at * answer.positives.length + row]];
  if (negative === undefined) return { kind: "abstains" };
  const own = answer.positives[answer.own_positive[strategy.name]?.[at]];
  return { kind: "pick", negative, positive: own ?? positive, own: own !== undefined && own !== positive };
}

/** Relative probabilities (0..1, one per negative) of a stochastic strategy, or null. */
export function chancesOf(answer, at, strategy, positive) {
  const all = answer.probabilities[strategy.name];
  if (!all) return null;
  const width = answer.negatives.length;
  const start = (at * answer.positives.length + answer.positives.indexOf(positive)) * width;
  return Array.from(all.subarray(start, start + width), (value) => value / 255);
}

/** The margin on screen: somebody's what-if, or the run's own; null without a run. */
export function marginOf(s) {
  return s.margin ?? s.runs[s.run]?.margin ?? null;
}

const whatIfs = new WeakMap();

/** The watched run as it is seen with the margin on screen: itself, or a copy that differs in `margin` only. */
export function effectiveRun(s) {
  const run = s.runs[s.run];
  if (!run || s.margin === null || s.margin === undefined || s.margin === run.margin) return run;
  if (whatIfs.get(run)?.margin !== s.margin) whatIfs.set(run, { ...run, margin: s.margin });
  return whatIfs.get(run); // the same copy for the same margin: who compares by identity sees no change
}

/** Name under which an answer is kept in the state. */
export function answerKey(digest, anchor, margin) {
  return `${digest}/${anchor}/${margin}`;
}

/** Everything a panel needs to talk about the chosen anchor, or null while the engine has not answered.
 *
 * {run (its `margin` is the one on screen), answer, at, positive, stale}. `stale`: the picks are still those of another
 * margin; distances and zones are right all the same. */
export function currentAnswer(state) {
  const run = effectiveRun(state);
  if (!run) return null;
  const own = state.runs[state.run].margin;
  const find = (margin) => state.answers.get(answerKey(state.run, state.anchor, margin));
  const answer = find(run.margin) ?? find(own) ?? lastAnswer(state);
  if (!answer) return null;
  const at = answer.frameOf.get(run.frames[state.frame]);
  if (at === undefined) return null;
  const positive = answer.positives.includes(state.positive) ? state.positive : answer.positives[0];
  if (positive === undefined) return null;
  return { run, answer: completeAnswer(answer, state.runs[state.run]), at, positive, stale: answer.margin !== run.margin };
}

/** The youngest answer for this run and anchor, whatever its margin. */
function lastAnswer({ answers, run, anchor }) {
  const start = answerKey(run, anchor, "");
  return [...answers].findLast(([key]) => key.startsWith(start))?.[1];
}
