// What colour each row has on the map of a set, who is in front, and in which order they are drawn.
import { classColours, oklch, rgba } from "./theme.js";

export const NAMED = 10; // classes with a colour that can be told from all others; the palette was tested for so many
export const CLOUD_FULL = 230; // of 255: points that lie on each other remain visible
const CLOUD_FRONT = 255; // the drawers make these larger
const CLOUD_DIMMED = { light: 34, dark: 40 };
// Okabe and Ito's orange, blue and green: the zones, as on every page.
const ZONE_COLOURS = [[230, 159, 0], [86, 180, 233], [0, 158, 115]];
const FINDING_COLOURS_LIGHT = ["#c2185b", "#d98a00", "#6a3fb5", "#0072b2", "#2f7d3b", "#7a5c3e", "#8f8a22", "#4e4e8f", "#1f6f78", "#a84fb0"];
const FINDING_COLOURS_DARK = ["#ff6fa5", "#f0b13c", "#b79bff", "#6cb9ec", "#63c071", "#c9a98a", "#cfc85a", "#a9a9e8", "#7fd1d9", "#d58ede"];
// From pale yellow to dark blue (on dark ground from dark blue to bright yellow): lightness goes one way all along.
const CLOUD_PALE = { light: [0.86, -0.012, 0.105], dark: [0.42, -0.012, -0.075] };
const CLOUD_STRONG = { light: [0.29, -0.012, -0.125], dark: [0.91, -0.03, 0.16] };

const fromHex = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** [r, g, b] of a share from 0, which recedes, to 1. */
export function cloudRamp(share, dark) {
  const [from, to] = dark ? [CLOUD_PALE.dark, CLOUD_STRONG.dark] : [CLOUD_PALE.light, CLOUD_STRONG.light];
  const [l, a, b] = from.map((value, i) => value + (to[i] - value) * share);
  return oklch(l, Math.hypot(a, b), Math.atan2(b, a));
}

export function cloudGradient(dark) {
  const stops = Array.from({ length: 9 }, (_, i) => rgba(cloudRamp(i / 8, dark)));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** How many of the names have a colour of their own: beyond, classes are pale. */
export function namedCount(legend) {
  return legend.kind === "class" ? Math.min(NAMED, legend.names.length) : 0;
}

/** [[r, g, b], …] by code; code 0 is "no value". */
export function shadesOf(legend, top, dark) {
  const none = oklch(dark ? 0.46 : 0.78, 0.008, 4);
  if (!legend) return [none];
  if (legend.kind === "number") return [none, ...Array.from({ length: legend.levels }, (_, i) => cloudRamp(i / (legend.levels - 1), dark))];
  if (legend.palette === "zones") return [none, ...ZONE_COLOURS];
  const ours = legend.palette === "findings" ? (dark ? FINDING_COLOURS_DARK : FINDING_COLOURS_LIGHT).map(fromHex) : null;
  const named = (ours ?? classColours(namedCount(legend), dark)).slice(0, namedCount(legend));
  const goldenAngle = Math.PI * (3 - Math.sqrt(5));
  const pale = Array.from({ length: Math.max(0, top - named.length) }, (_, i) => oklch(dark ? 0.55 : 0.77, 0.07, 0.3 + i * goldenAngle));
  return [none, ...named, ...pale];
}

const shuffles = new Map();

/** The numbers below n in an order that is always the same and favours nobody: a file sorted by class would else hide
 * its first classes under its last. */
export function fairOrder(n) {
  if (!shuffles.has(n)) {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    let seed = 2463534242;
    for (let i = n - 1; i > 0; i--) {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      const j = (seed >>> 0) % (i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    shuffles.clear();
    shuffles.set(n, order);
  }
  return shuffles.get(n);
}

/** {key, inks, of, order, dimmed, top}: kept while nothing of it changes. `lit` = Set of codes, `marked` = Uint8Array of the rows in front. */
export function createCloudInk() {
  let kept = { key: null };
  return function inkOf({ n, colour, legend, lit, marked, dark, name }) {
    const key = [name, colour?.key ?? "plain", dark, lit ? [...lit].join() : "", marked?.name ?? ""].join("|");
    if (kept.key === key) return kept;
    const codes = colour?.codes;
    let top = 0;
    if (codes) for (let i = 0; i < n; i++) if (codes[i] > top) top = codes[i];
    const shades = shadesOf(codes ? legend : null, top, dark);
    const last = shades.length - 1;
    const front = Boolean(lit || marked);
    const faint = front ? (dark ? CLOUD_DIMMED.dark : CLOUD_DIMMED.light) : CLOUD_FULL;
    // Rows without a value step back where the others are the point of the picture.
    const quiet = legend?.palette === "findings" ? 90 : CLOUD_FULL;
    const inks = [
      ...shades.map((colour, i) => [...colour, i === 0 ? Math.min(faint, quiet) : faint]),
      ...shades.map((colour) => [...colour, CLOUD_FRONT]),
    ];
    const of = new Uint16Array(n);
    let dimmed = 0;
    for (let i = 0; i < n; i++) {
      const code = codes ? Math.min(codes[i], last) : 0;
      const ahead = front && (!lit || lit.has(code)) && (!marked || marked.of[i]);
      of[i] = ahead ? code + shades.length : code;
      dimmed += front && !ahead;
    }
    kept = { key, inks, of, shades, order: drawingOrder(of, n, shades.length, legend), dimmed };
    return kept;
  };
}

/** Fair among equals; rows without a value and rows that step back come first, strong numbers last. */
function drawingOrder(of, n, width, legend) {
  const fair = fairOrder(n);
  const layers = legend?.kind === "number" ? 2 * width : 4;
  const layer = legend?.kind === "number" ? (ink) => ink : (ink) => (ink >= width ? 2 : 0) + (ink % width ? 1 : 0);
  const starts = new Uint32Array(layers + 1);
  for (let i = 0; i < n; i++) starts[layer(of[i]) + 1]++;
  for (let i = 0; i < layers; i++) starts[i + 1] += starts[i];
  const order = new Uint32Array(n);
  for (let k = 0; k < n; k++) order[starts[layer(of[fair[k]])]++] = fair[k];
  return order;
}
