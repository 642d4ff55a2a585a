// Reading an aside: the population's numbers over time, as the panels below the ruler ask for them.
import { fixed, h, percent, setText } from "./dom.js";
import { nearestFrame } from "./store.js";
import { rgba } from "./theme.js";

/** Shares on screen come from these samples and no others, and the line says so. */
export function cohortNote(aside) {
  return `${aside.cohort_title}; exact over these, for the run's margin ${plainMargin(aside.margin)}`;
}

export function plainMargin(margin) {
  return margin >= 10 || Number.isInteger(margin) ? String(Number(margin.toFixed(2))) : String(Number(margin.toPrecision(3)));
}

/** What stands in a panel without numbers: why there are none, or that they come. */
export function waitingText(s) {
  const told = s.news.asides?.[s.run];
  const trouble = typeof told === "string" ? told : told?.message;
  return { failed: Boolean(trouble), text: trouble || "Counting over the whole run: this comes a moment after the first picture." };
}

/** Place of a run's frame in its aside; a run that grew since has more frames than the aside. */
export function asideFrame(aside, run, frame) {
  return aside.frames[frame] === run.frames[frame] ? frame : nearestFrame(aside, run.frames[frame]);
}

const NAME_TAIL = 5;

/** The whole class name. Marks that turn the direction of writing would turn the words around it too, so they go. */
export function wholeClass(aside, c) {
  return String(aside.class_names[c] ?? c).replace(/[\u202a-\u202e\u2066-\u2069]/g, "").trim() || "(no name)";
}

/** An element for a class name in a narrow place: the browser cuts its middle, because numbers stand at the end. */
export function nameElement(text = "") {
  const element = h("span", { class: "ts-name" }, h("span", { class: "ts-ellipsis" }), h("span", {}));
  setName(element, text);
  return element;
}

export function setName(element, text) {
  const letters = Array.from(text);
  const tail = letters.length > 2 * NAME_TAIL ? NAME_TAIL : 0;
  setText(element.firstChild, letters.slice(0, letters.length - tail).join(""));
  setText(element.lastChild, letters.slice(letters.length - tail).join(""));
}

/** A class name that fits; the middle goes, because numbers stand at the end. */
export function shortClass(aside, c, most = 14) {
  const letters = Array.from(wholeClass(aside, c));
  if (letters.length <= most) return letters.join("");
  const tail = Math.floor(most / 3);
  return `${letters.slice(0, most - tail - 1).join("")}…${letters.slice(-tail).join("")}`;
}

// --- margin violations ---

/** {eligible, violating, hard} of the cohort's triplets whose anchor is of class `c`, or of all of them. */
export function violationsAt(aside, f, c = null) {
  const { classes, class_eligible: eligible, class_violating: violating, class_hard: hard } = aside;
  if (c !== null) return { eligible: eligible[c], violating: violating[f * classes + c], hard: hard[f * classes + c] };
  const sum = { eligible: 0, violating: 0, hard: 0 };
  for (let i = 0; i < classes; i++) {
    sum.eligible += eligible[i];
    sum.violating += violating[f * classes + i];
    sum.hard += hard[f * classes + i];
  }
  return sum;
}

/** Classes by their violating triplets' share over the whole run, the largest first; classes without a triplet last. */
export function classesByViolation(aside) {
  const frames = aside.frames.length;
  const shares = Array.from({ length: aside.classes }, (_, c) => {
    let sum = 0;
    for (let f = 0; f < frames; f++) sum += aside.class_violating[f * aside.classes + c];
    return aside.class_eligible[c] ? sum / (frames * aside.class_eligible[c]) : -1;
  });
  return shares.map((_, c) => c).sort((a, b) => shares[b] - shares[a] || a - b);
}

/** The `count` pairs of classes with most violating triplets at a frame: [{code, anchor, negative, violating, eligible}]. */
export function pairsAt(aside, f, count) {
  const found = [];
  for (let i = aside.pair_offset[f]; i < aside.pair_offset[f + 1]; i++) {
    const code = aside.pair_code[i];
    if (aside.pair_violating[i] > 0) {
      found.push({ code, anchor: Math.floor(code / aside.classes), negative: code % aside.classes, violating: aside.pair_violating[i], eligible: aside.pair_eligible[i] });
    }
  }
  return found.sort((a, b) => b.violating - a.violating || a.code - b.code).slice(0, count);
}

const pairCurves = new WeakMap();

/** Violating share of a pair at every frame (NaN where it was not among the pairs that were kept). */
export function pairCurve(aside, code) {
  if (!pairCurves.has(aside)) {
    const curves = new Map();
    for (let f = 0; f < aside.frames.length; f++) {
      for (let i = aside.pair_offset[f]; i < aside.pair_offset[f + 1]; i++) {
        const key = aside.pair_code[i];
        if (!curves.has(key)) curves.set(key, new Float32Array(aside.frames.length).fill(NaN));
        curves.get(key)[f] = aside.pair_violating[i] / Math.max(1, aside.pair_eligible[i]);
      }
    }
    pairCurves.set(aside, curves);
  }
  return pairCurves.get(aside).get(code) ?? new Float32Array(aside.frames.length).fill(NaN);
}

// --- picked negatives ---

function sumOverSpan(offset, keys, counts, strategy, frames, [first, last]) {
  const sums = new Map();
  for (let f = first; f <= last; f++) {
    const at = strategy * frames + f;
    for (let i = offset[at]; i < offset[at + 1]; i++) sums.set(keys[i], (sums.get(keys[i]) ?? 0) + counts[i]);
  }
  return sums;
}

/** Recorded picks of a strategy in a span of frames: {total, by: Map of anchorClass * C + negativeClass -> count}. */
export function picksByClass(aside, strategy, span) {
  const by = sumOverSpan(aside.who_offset, aside.who_code, aside.who_count, strategy, aside.frames.length, span);
  let total = 0;
  for (const count of by.values()) total += count;
  return { total, by };
}

/** The most picked negatives: {known: how many were picked at all, top: [{row, count}]}. */
export function mostPicked(aside, strategy, span, count) {
  const by = sumOverSpan(aside.hub_offset, aside.hub_row, aside.hub_count, strategy, aside.frames.length, span);
  const top = [...by].map(([row, times]) => ({ row, count: times })).sort((a, b) => b.count - a.count || a.row - b.row).slice(0, count);
  return { known: by.size, top };
}

/** The steps that a span of frames stands for: a frame's picks are those of its step and all up to the next frame. */
export function stepsOfSpan(aside, [first, last]) {
  const { frames } = aside;
  const end = last + 1 < frames.length ? frames[last + 1] - 1 : frames[last];
  return end > frames[first] ? `steps ${frames[first]} to ${end}` : `step ${frames[first]}`;
}

// --- one colour scale for shares and counts: lightness only grows, so it works without colour, and it is no zone's colour ---

const SHARE_RAMP_LIGHT = [[246, 247, 251], [214, 224, 240], [170, 191, 224], [141, 141, 198], [134, 92, 170], [118, 34, 122], [66, 2, 72]];
const SHARE_RAMP_DARK = [[27, 32, 43], [45, 42, 78], [80, 58, 128], [121, 83, 170], [163, 121, 205], [207, 173, 232], [250, 240, 255]];

/** [r, g, b] of a share in 0..1. */
export function shareColour(share, dark) {
  const ramp = dark ? SHARE_RAMP_DARK : SHARE_RAMP_LIGHT;
  const at = Math.min(1, Math.max(0, share)) * (ramp.length - 1);
  const low = Math.min(ramp.length - 2, Math.floor(at));
  return ramp[low].map((value, k) => Math.round(value + (ramp[low + 1][k] - value) * (at - low)));
}

/** Black or white, whichever reads better on it. */
export function inkOn([r, g, b]) {
  const [x, y, z] = [r, g, b].map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z > 0.18 ? "#10131a" : "#ffffff";
}

export function shareGradient(dark) {
  const stops = (dark ? SHARE_RAMP_DARK : SHARE_RAMP_LIGHT).map((colour) => rgba(colour));
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** Two figures: "31 %", "3.9 %", "0.12 %", because the last few violating triplets are all that a strategy still mines. */
export function finePercent(share) {
  if (!(share > 0) || share >= 0.0995) return percent(share);
  return share < 0.00005 ? "<0.01 %" : `${fixed(100 * share, share < 0.00995 ? 2 : 1)} %`;
}
