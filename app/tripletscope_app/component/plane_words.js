// What the triplet plane says in words.
import { decimalsFor, fixed, percent, wholeNumber } from "./dom.js";
import { lastStepWith, sampleName, shortName } from "./store.js";

const PLANE_SERIES = [["hard", "hard_share"], ["semi-hard", "semi_hard_share"], ["easy", "easy_share"]];

/** Exact counts of a frame's step: {eligible, zones: [{zone, count, share}]}, or null where no batch was drawn. */
export function recordedCounts(run, frame) {
  const found = lastStepWith(run, "eligible", frame);
  if (!found || found.step !== run.frames[frame]) return null;
  const eligible = run.seriesOf.eligible[found.at];
  const zones = PLANE_SERIES.map(([zone, name]) => {
    const share = run.seriesOf[name]?.[found.at];
    return { zone, share, count: Number.isFinite(share) ? Math.round(share * eligible) : null };
  });
  return { eligible, zones };
}

/** "2,688 eligible triplets of step 30's batch, exact". */
export function batchWords(run, frame, counts) {
  if (counts) return `${wholeNumber(counts.eligible)} eligible triplet${counts.eligible === 1 ? "" : "s"} of step ${run.frames[frame]}'s batch, exact`;
  const last = frame === run.frames.length - 1;
  return last ? "no batch after the last update: this anchor's triplets only" : `step ${run.frames[frame]} has no batch: this anchor's triplets only`;
}

const TURNING = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069]/; // letters and marks that turn a line round

/** A short class name inside a sentence: one that runs from right to left cannot turn the numbers after it round. */
export function calmName(run, sample, most) {
  const name = shortName(run, sample, most);
  return TURNING.test(name) ? `\u2068${name}\u2069` : name;
}

function planeNameOf(run, sample) {
  return sample === null ? "a sample outside the probe set" : `${calmName(run, sample, 14)} (id ${sampleName(run, sample)})`;
}

/** The three numbers of a triplet: "d(a,p) 0.62, d(a,n) 1.84, gap 1.22: easy". */
export function tripletNumbers({ dap, dan, gap, zone }) {
  const digits = decimalsFor(dap, dan);
  const n = (value) => (digits > 4 ? value.toExponential(1).replaceAll("-", "\u2212") : fixed(value, digits));
  return `d(a,p) ${n(dap)}, d(a,n) ${n(dan)}, gap ${n(gap)}: ${zone}`;
}

/** A mark in words; `title` is the strategy whose picks are shown. */
export function tripletWords(run, triplet, title) {
  if (triplet.kind === "own") {
    return `this ${calmName(run, triplet.anchor, 14)}, positive id ${sampleName(run, triplet.positive)}, negative ${planeNameOf(run, triplet.negative)}: ${tripletNumbers(triplet)}`;
  }
  const verb = triplet.would ? "would pick" : "picked";
  return `${title} ${verb} ${planeNameOf(run, triplet.negative)} for anchor ${planeNameOf(run, triplet.anchor)}: ${tripletNumbers(triplet)}`;
}

/** A cell of the density: "14 triplets with d(a,p) 1.25 to 1.5 and d(a,n) 2 to 2.25". */
export function cellCountWords({ count, dap, dan, width }) {
  const n = (value) => (value > 0 && value < 1e-3 ? value.toExponential(2).replaceAll("-", "\u2212") : String(Number(value.toPrecision(5))));
  return `${wholeNumber(count)} triplet${count === 1 ? "" : "s"} with d(a,p) ${n(dap)} to ${n(dap + width)} and d(a,n) ${n(dan)} to ${n(dan + width)}`;
}

/** The whole panel for somebody who cannot see it. */
export function planeWords(run, frame, counts, picks, title, own) {
  const parts = [`${batchWords(run, frame, counts)}.`];
  if (counts) parts.push(`${counts.zones.map(({ zone, count, share }) => (count === null ? `${zone} unknown` : `${wholeNumber(count)} ${zone} (${percent(share)})`)).join(", ")}.`);
  if (picks.length) parts.push(`${picks.length} picks of ${title}.`);
  if (own.length) parts.push(`${own.length} triplets of this anchor with its candidates.`);
  return parts.join(" ");
}
