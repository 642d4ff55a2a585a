// What colour each point has: its class, or how far it really moved, or how many neighbours it kept; and who steps back.
import { fixed, decimalsFor } from "./dom.js";
import { oklch, rgba } from "./theme.js";
import { changesOf, knowsChange } from "./space.js";

export const COLOUR_MODES = [
  { name: "class", title: "class" },
  { name: "moved", title: "true movement" },
  { name: "stayed", title: "neighbours kept" },
];
const LEVELS = 40; // shades of a number; as many as eyes can tell apart, and few enough for one stamp each
const FULL = 235; // of 255: points that lie on each other remain visible
const IN_FRONT = 255; // the drawers make these larger
const DIMMED = { light: 40, dark: 46 };
const SAMPLE = 40_000; // values that decide the fixed end of the scale

// The straight line in OKLab between a pale yellow and a dark blue (or a dark blue and a bright yellow, on dark ground):
// lightness, which every kind of colour blindness leaves, grows or falls all the way, and the stronger end stands out.
const PALE = { light: [0.83, -0.012, 0.115], dark: [0.4, -0.012, -0.075] };
const STRONG = { light: [0.29, -0.012, -0.125], dark: [0.91, -0.03, 0.16] };

/** [r, g, b] of a share: 0 recedes, 1 stands out from the ground. */
export function rampColour(share, dark) {
  const [from, to] = dark ? [PALE.dark, STRONG.dark] : [PALE.light, STRONG.light];
  const [l, a, b] = from.map((value, i) => value + (to[i] - value) * share);
  return oklch(l, Math.hypot(a, b), Math.atan2(b, a));
}

/** The same as a CSS gradient from left (0) to right (1). */
export function rampGradient(dark) {
  const stops = Array.from({ length: 9 }, (_, i) => rgba(rampColour(i / 8, dark)));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** The mode that points are coloured by now; class where the numbers for another one are not there. */
export function colourMode(s) {
  const wanted = s.colourBy ?? "class";
  return wanted !== "class" && knowsChange(s, wanted) ? wanted : "class";
}

/** Classes that stay in front as a Set of labels, or null when nobody steps back. What the pointer asks for comes first. */
export function litClasses(s) {
  const asked = s.hoverClasses ?? s.focus;
  return asked ? new Set(asked.filter((label) => label !== null && label !== undefined)) : null;
}

const topsOf = new WeakMap();

/** The fixed end of the movement scale: 99 % of all movements of the run are below it. */
export function movementTop(moved) {
  if (!topsOf.has(moved)) {
    const stride = Math.max(1, Math.floor(moved.length / SAMPLE));
    const some = [];
    for (let i = 0; i < moved.length; i += stride) if (Number.isFinite(moved[i])) some.push(moved[i]);
    some.sort((a, b) => a - b);
    topsOf.set(moved, some[Math.floor(0.99 * (some.length - 1))] || 1);
  }
  return topsOf.get(moved);
}

/** What the chosen mode says about one sample, for the card: "moved 0.42 since step 27"; "" where it says nothing. */
export function changeText(s, index) {
  const mode = colourMode(s);
  const run = s.runs[s.run];
  if (mode === "class" || s.frame < 1) return "";
  const value = changesOf(s)[mode][s.frame * run.n + index];
  const since = `since step ${run.frames[s.frame - 1]}`;
  if (!Number.isFinite(value)) return `no number ${since}`;
  if (mode === "moved") return `moved ${fixed(value, decimalsFor(value))} ${since}`;
  return `nearest 15 ${since}: overlap ${value.toFixed(2)}`;
}

/** {key, inks: [[r, g, b, alpha], …], of: ink of each point, order: drawing order or null}; made anew only if the key is.
 *
 * Points that step back are drawn first, and strong colours last: nothing that counts lies under what does not. */
export function createInk() {
  let kept = { key: null };

  function shadesOf(mode, palette, dark) {
    const plain = mode === "class" ? palette : Array.from({ length: LEVELS }, (_, i) => rampColour(i / (LEVELS - 1), dark));
    return mode === "class" ? plain : [oklch(dark ? 0.5 : 0.72, 0.01, 0), ...plain]; // the first stands for "no number"
  }

  function levels(s, mode, n) {
    const all = changesOf(s)[mode].subarray(s.frame * n, (s.frame + 1) * n);
    const top = mode === "moved" ? movementTop(changesOf(s).moved) : 1;
    const of = new Uint16Array(n);
    for (let i = 0; i < n; i++) {
      const share = mode === "moved" ? all[i] / top : 1 - all[i]; // strong is always "changed"
      if (share === share) of[i] = 1 + Math.round(Math.min(1, Math.max(0, share)) * (LEVELS - 1));
    }
    return of;
  }

  return function inkOf(s, sheet, palette) {
    const mode = colourMode(s);
    const lit = litClasses(s);
    const frame = mode === "class" ? "" : s.frame;
    const source = mode === "class" ? "" : changesOf(s)[mode];
    const key = [sheet.run.digest, s.theme.key, mode, frame, lit ? [...lit].join() : "all"].join("|");
    if (kept.key === key && kept.source === source) return kept;
    const { dark } = s.theme;
    const shades = shadesOf(mode, palette, dark);
    const bright = shades.map((colour) => [...colour, lit ? IN_FRONT : FULL]);
    const base = mode === "class" ? sheet.label : levels(s, mode, sheet.n);
    if (!lit && mode === "class") kept = { key, source, inks: bright, of: base, order: null };
    else {
      const faint = shades.map((colour) => [...colour, dark ? DIMMED.dark : DIMMED.light]);
      const of = new Uint16Array(sheet.n);
      for (let i = 0; i < sheet.n; i++) of[i] = base[i] + (!lit || lit.has(sheet.label[i]) ? shades.length : 0);
      kept = { key, source, inks: [...faint, ...bright], of, order: orderOf(of, 2 * shades.length) };
    }
    return kept;
  };
}

/** Indices sorted by ink, by counting. */
function orderOf(of, count) {
  const starts = new Uint32Array(count + 1);
  for (let i = 0; i < of.length; i++) starts[of[i] + 1]++;
  for (let i = 0; i < count; i++) starts[i + 1] += starts[i];
  const order = new Uint32Array(of.length);
  for (let i = 0; i < of.length; i++) order[starts[of[i]]++] = i;
  return order;
}
