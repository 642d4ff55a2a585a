// What the engine says about one anchor: distances to the candidates and every strategy's pick at every frame.
//
// Zones are decided by the gap in float32, the type the distances were mined in; the page never compares d(a,n) with
// d(a,p) + margin, which rounds differently.

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function decodeEach(record, Type) {
  return Object.fromEntries(
    Object.entries(record ?? {}).map(([name, base64]) => [name, new Type(bytesOf(base64).buffer)]),
  );
}

/** The answer with typed arrays and look-up tables instead of base64. */
export function decodeAnswer(raw) {
  return {
    ...raw,
    distances: new Float32Array(bytesOf(raw.distances).buffer),
    picks: decodeEach(raw.picks, Int16Array),
    own_positive: decodeEach(raw.own_positive, Int16Array),
    probabilities: decodeEach(raw.probabilities, Uint8Array),
    column: new Map(raw.candidates.map((sample, i) => [sample, i])),
    frameOf: new Map(raw.frames.map((step, i) => [step, i])),
  };
}

export function distanceTo(answer, at, sample) {
  return answer.distances[at * answer.candidates.length + answer.column.get(sample)];
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
  const gap = Math.fround(dan - dap);
  const loss = run.soft_margin ? Math.log1p(Math.exp(-gap)) : Math.max(0, run.margin - gap);
  return { dap, dan, gap, zone: zoneOf(gap, run.margin), loss };
}

/** What a strategy does with this anchor and positive at one frame of the answer.
 *
 * kind: "pick" {positive, negative, own}, "all", "abstains", or "missing" where the engine gave no answer. `own` is true
 * where the strategy brought its own positive, and it is not the chosen one. */
export function pickOf(answer, at, strategy, positive) {
  if (strategy.granularity === "all") return { kind: "all" };
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

/** Everything a panel needs to talk about the chosen anchor, or null while the engine has not answered. */
export function currentAnswer(state) {
  const run = state.runs[state.run];
  const answer = state.answers.get(`${state.run}/${state.anchor}`);
  if (!run || !answer) return null;
  const at = answer.frameOf.get(run.frames[state.frame]);
  if (at === undefined) return null;
  const positive = answer.positives.includes(state.positive) ? state.positive : answer.positives[0];
  return positive === undefined ? null : { run, answer, at, positive };
}
