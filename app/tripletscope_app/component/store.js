// What Python sends as bytes, turned into typed arrays and kept where every component finds it: recorded runs, and what
// follows later for a run that is watched: its aside (the population's numbers over time) and layouts (other maps).
//
// Layout: [u32 header length, little-endian][JSON header][sections]. Offsets count from the first section, and every
// section starts on four bytes, so Float32Array can look straight into the buffer without a copy.

const ARRAY_TYPES = { f32: Float32Array, i32: Int32Array, i16: Int16Array, i8: Int8Array, u16: Uint16Array, u8: Uint8Array };

// Runs stay in memory across page switches (the browser would not get the bytes again); the oldest leave first.
const RUNS_KEPT = 12;

/** The header's fields plus each section as a typed array; of a run: `pos`, `row`, `label`, `series`, `sprite`,
    `truth` where the true labels are known, and `class_centres` (F, C, 2) where the run learned centres of classes. */
export function parseBlob(bytes) {
  const start = bytes.byteOffset;
  // A Uint8Array from a websocket message may begin anywhere; typed arrays need their own alignment.
  const buffer = start % 4 === 0 ? bytes.buffer : bytes.slice().buffer;
  const base = start % 4 === 0 ? start : 0;
  const length = new DataView(buffer, base).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, base + 4, length)));
  if (header.version !== 1) throw new Error(`This page reads version 1 of a run, not version ${header.version}.`);
  const run = { ...header };
  for (const [name, { offset, dtype, shape }] of Object.entries(header.sections)) {
    const count = shape.reduce((product, size) => product * size, 1);
    run[name] = new ARRAY_TYPES[dtype](buffer, base + 4 + length + offset, count);
  }
  if (run.series) run.seriesOf = indexSeries(run);
  return run;
}

/** {name: Float32Array over run.steps}: one row of `series` each, sharing its memory. */
function indexSeries(run) {
  const width = run.steps.length;
  return Object.fromEntries(
    run.series_names.map((name, k) => [name, run.series.subarray(k * width, (k + 1) * width)]),
  );
}

/** The page-wide shelf of runs. */
export function runShelf() {
  globalThis.__tripletscope ??= { runs: {} };
  return globalThis.__tripletscope.runs;
}

/** Puts a run on the shelf and tells every view. */
export function shelveRun(run) {
  const shelf = runShelf();
  delete shelf[run.digest]; // re-inserting makes it the youngest
  shelf[run.digest] = run;
  for (const digest of Object.keys(shelf).slice(0, -RUNS_KEPT)) delete shelf[digest];
  document.dispatchEvent(new CustomEvent("tripletscope:run", { detail: run.digest }));
}

/** Asides by digest of the run: violations, picked negatives, planes and findings over time. */
export function asideShelf() {
  runShelf();
  return (globalThis.__tripletscope.asides ??= {});
}

/** Layouts by "digest/space": other maps of a run than the one it came with. */
export function layoutShelf() {
  runShelf();
  return (globalThis.__tripletscope.layouts ??= {});
}

/** What Python last said outside the view: {projection: {...}, ...}; small JSON that changes while something is computed. */
export function newsBoard() {
  runShelf();
  return (globalThis.__tripletscope.news ??= {});
}

/** Puts parsed bytes on the shelf of their kind and tells every view. */
export function shelve(parsed) {
  if (parsed.kind === "aside") asideShelf()[parsed.digest] = parsed;
  else if (parsed.kind === "layout") layoutShelf()[`${parsed.digest}/${parsed.space}`] = parsed;
  else if (!(parsed.digest in runShelf())) return shelveRun(parsed);
  for (const shelf of [asideShelf(), layoutShelf()]) for (const key of Object.keys(shelf).slice(0, -2 * RUNS_KEPT)) delete shelf[key];
  document.dispatchEvent(new CustomEvent("tripletscope:aside", { detail: parsed.digest }));
}

/** Index of the frame that shows `step`: the nearest recorded one, the earlier of two equally near. */
export function nearestFrame(run, step) {
  let best = 0;
  run.frames.forEach((frame, i) => {
    if (Math.abs(frame - step) < Math.abs(run.frames[best] - step)) best = i;
  });
  return best;
}

/** Value of a curve at a frame, or null where it was not recorded. */
export function seriesAt(run, name, frame) {
  const curve = run.seriesOf[name];
  if (!curve) return null;
  const at = run.steps.indexOf(run.frames[frame]);
  const value = at < 0 ? NaN : curve[at];
  return Number.isFinite(value) ? value : null;
}

/** The step whose numbers stand for a frame: its own, or the last one before it where it recorded none (the closing
    frame follows the last update, when no batch is drawn any more). */
export function lastStepWith(run, name, frame) {
  const curve = run.seriesOf[name];
  let at = run.steps.indexOf(run.frames[frame]);
  while (curve && at >= 0 && !Number.isFinite(curve[at])) at -= 1;
  return curve && at >= 0 ? { step: run.steps[at], at } : null;
}

export function className(run, index) {
  return String(run.class_names[run.label[index]] ?? run.label[index]);
}

/** The class name short enough for a sentence or a button; the middle goes, because numbers stand at the end. */
export function shortName(run, index, most = 22) {
  const name = className(run, index);
  const letters = Array.from(name);
  if (letters.length <= most) return name;
  const tail = Math.floor(most / 3);
  return `${letters.slice(0, most - tail - 1).join("")}…${letters.slice(-tail).join("")}`;
}

/** "class 7", or what the class calls itself where that begins with this word: whose centre it is. */
export function classInWords(run, label) {
  const name = String(run.class_names[label] ?? label).trim() || String(label);
  return /^class\b/i.test(name) ? name : `class ${name}`;
}

/** "quadruplet loss": the loss of a run or a lane by its title, where it is not the triplet loss; else null. */
export function lossWords(title) {
  if (!title) return null;
  const [first, second = ""] = title;
  return `${second === second.toUpperCase() ? first : first.toLowerCase()}${title.slice(1)} loss`;
}

/** The class that a sample is really of, where the run knows that its label is wrong; else null. */
export function trueClass(run, index) {
  const truth = run.truth?.[index];
  return truth === undefined || truth === run.label[index] ? null : String(run.class_names[truth] ?? truth);
}

/** What the truth says of a triplet, as short sentences; nothing where no label is wrong, or nobody knows. */
export function truthWords(run, { anchor, positive = null, negative = null }) {
  if (!run.truth) return [];
  const wrong = [["anchor", anchor], ["positive", positive], ["negative", negative]]
    .filter(([, index]) => index !== null && trueClass(run, index) !== null)
    .map(([role, index]) => `the ${role} is truly ${trueClass(run, index)}`);
  if (!wrong.length) return [];
  const words = [`Wrong label${wrong.length > 1 ? "s" : ""}, planted: ${wrong.join(", ")}.`];
  if (negative !== null && run.truth[negative] === run.truth[anchor]) words.push("A false negative: pushed away from its own class.");
  if (positive !== null && run.truth[positive] !== run.truth[anchor]) words.push("A false positive: pulled to another class.");
  return words;
}

export function sampleName(run, index) {
  return String(run.ids ? run.ids[index] : run.row[index]);
}
