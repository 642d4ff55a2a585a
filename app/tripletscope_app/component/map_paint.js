// What lies under and over the points: the zones as rings, trails, class names, the scale bar; and where each point is.
import { shortName } from "./store.js";
import { niceStep, tickText } from "./scale.js";
import { rgba } from "./theme.js";

/** [frame, the next one, share of the way] of a time in frames; a time outside the run is its first or last frame. */
export function framesAround(sheet, t) {
  const last = sheet.frames.length - 1;
  const inside = Math.min(last, Math.max(0, t));
  const at = Math.floor(inside);
  return [at, Math.min(last, at + 1), inside - at];
}

/** Position of a sample at time t (in frames, fractional while tweening); NaN where it has none. */
export function positionAt(sheet, t, index) {
  const { pos, n } = sheet;
  const [at, next, blend] = framesAround(sheet, t);
  const [j, k] = [2 * (at * n + index), 2 * (next * n + index)];
  if (!blend) return [pos[j], pos[j + 1]]; // a sample that is lost in the next frame is still here in this one
  return [pos[j] + (pos[k] - pos[j]) * blend, pos[j + 1] + (pos[k + 1] - pos[j + 1]) * blend];
}

function medianOf(values) {
  values.sort();
  return values[values.length >> 1];
}

const SHAPE_SAMPLE = 2500; // samples that decide the shape of a frame; sorting 50,000 would cost a drawn frame
const shapesOfFrames = new WeakMap();
const spokesmenOfRuns = new WeakMap();

/** Samples by class, evenly thinned out to about SHAPE_SAMPLE in all, at least 16 of each class that has them. */
function spokesmen(run) {
  if (spokesmenOfRuns.has(run)) return spokesmenOfRuns.get(run);
  const members = run.class_names.map(() => []);
  for (let i = 0; i < run.n; i++) members[run.label[i]]?.push(i);
  const most = Math.max(16, Math.ceil(SHAPE_SAMPLE / members.length));
  const few = run.n <= SHAPE_SAMPLE ? members : members.map((list) => evenly(list, most));
  spokesmenOfRuns.set(run, few);
  return few;
}

function evenly(list, most) {
  if (list.length <= most) return list;
  return Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]);
}

/** Where each class sits in a frame (the member nearest to its median), where the cloud is, how wide, and how many
 * samples have no place in it. */
export function frameShape(sheet, frame) {
  if (!shapesOfFrames.has(sheet)) shapesOfFrames.set(sheet, []);
  const known = shapesOfFrames.get(sheet);
  if (known[frame]) return known[frame];
  const { pos, n } = sheet;
  const offset = 2 * frame * n;
  const xOf = (i) => pos[offset + 2 * i];
  const yOf = (i) => pos[offset + 2 * i + 1];
  const here = (i) => Number.isFinite(xOf(i) + yOf(i));
  const members = spokesmen(sheet.run).map((list) => list.filter(here));
  const centres = members.map((list) => {
    if (!list.length) return null;
    const x = medianOf(Float32Array.from(list, xOf));
    const y = medianOf(Float32Array.from(list, yOf));
    let best = list[0];
    let nearest = Infinity;
    for (const i of list) {
      const d = (xOf(i) - x) ** 2 + (yOf(i) - y) ** 2;
      if (d < nearest) [best, nearest] = [i, d];
    }
    return best;
  });
  let lost = 0;
  // A difference with itself is 0 for every number, and for nothing else.
  for (let k = offset; k < offset + 2 * n; k += 2) if (pos[k] - pos[k] !== 0 || pos[k + 1] - pos[k + 1] !== 0) lost++;
  const some = members.flat();
  if (!some.length) return (known[frame] = { centres, cx: 0, cy: 0, middle: [0, 0], radius: 0, lost });
  const all = Float32Array.from(some, xOf);
  const tall = Float32Array.from(some, yOf);
  const [cx, cy] = [medianOf(all), medianOf(tall)];
  const reach = Float32Array.from(some, (i) => Math.hypot(xOf(i) - cx, yOf(i) - cy)).sort();
  // Of a lopsided cloud the median is no centre: half the picture would be empty. Both axes are sorted by now.
  const [low, high] = [Math.floor(0.01 * (some.length - 1)), Math.ceil(0.99 * (some.length - 1))];
  const middle = [(all[low] + all[high]) / 2, (tall[low] + tall[high]) / 2];
  known[frame] = { centres, cx, cy, middle, radius: reach[Math.floor(0.98 * (some.length - 1))], lost };
  return known[frame];
}

/** Zones around the anchor, where the map is the mined space: the circle through the positive bounds "hard". */
export function paintZones(pen, { view, anchor, positive, run, colours, width, height }) {
  const [x, y] = [view.toX(anchor[0]), view.toY(anchor[1])];
  const length = Math.hypot(positive[0] - anchor[0], positive[1] - anchor[1]);
  const near = length * view.scale;
  // The margin is in the unit of the distance: under squared distances it is added before the root.
  const far = view.scale * (run.distance === "euclidean" ? length + run.margin : Math.sqrt(length ** 2 + run.margin));
  const disc = (radius) => {
    pen.beginPath();
    pen.arc(x, y, Math.min(radius, 4 * (width + height)), 0, 2 * Math.PI);
  };
  disc(far);
  pen.fillStyle = colours.semiSoft;
  pen.fill();
  disc(near);
  pen.globalCompositeOperation = "destination-out";
  pen.fill();
  pen.globalCompositeOperation = "source-over";
  pen.fillStyle = colours.hardSoft;
  pen.fill();
  pen.lineWidth = 1.5;
  disc(near);
  pen.strokeStyle = colours.hard;
  pen.stroke();
  pen.setLineDash([5, 4]);
  disc(far);
  pen.strokeStyle = colours.semi;
  pen.stroke();
  pen.setLineDash([]);
  return { x, y, near, far };
}

function haloText(pen, text, x, y, colour, ground) {
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = ground;
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

const TRAIL = 5; // recorded frames
const CHIP_NUDGES = [[0, 0], [0, -20], [0, 20], [2, 0], [-2, 0], [1.5, -18], [-1.5, 18]];

/** Zone names on the rings, where they fit: the map and the ruler are the same picture. */
export function paintZoneNames(pen, { x, y, near, far, colours, theme, width, height, head }) {
  pen.font = `650 12.5px ${theme.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const corner = Math.hypot(Math.max(x, width - x), Math.max(y, height - y));
  if (corner < far) {
    // A shrunken space lies in one zone from edge to edge: the colour alone would be a riddle.
    const words = near < 8 ? "the whole view is nearer than positive + margin; hard is smaller than the dot" : "the whole view is nearer than positive + margin";
    haloText(pen, corner < near ? "the whole view is hard" : words, width / 2, height - 52, corner < near ? colours.hardInk : colours.semiInk, theme.background);
  }
  for (const [name, radius, room, colour] of [["hard", near, near - 12, colours.hardInk], ["semi-hard", far, far - near, colours.semiInk]]) {
    if (room < 22 || radius < 34 || far < 60) continue;
    // At the top of the ring; at its foot where the top is out of the picture.
    const top = y - radius + 11 > head ? y - radius + 11 : y + radius - 11;
    if (top < head || top > height - 30 || x < 36 || x > width - 36) continue;
    haloText(pen, name, x, top, colour, theme.background);
  }
}

/** Where a sample came from: its last few frames, fading. */
export function paintTrail(pen, { sheet, t, index, view, colour, ground }) {
  const points = [];
  for (let i = 0; i <= TRAIL; i++) {
    const [x, y] = positionAt(sheet, Math.max(0, t - i), index);
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    points.push([view.toX(x), view.toY(y)]);
  }
  pen.lineCap = "round";
  for (let i = TRAIL; i > 0; i--) {
    for (const [stroke, weight] of [[ground, 4.2], [colour, 2]]) {
      pen.globalAlpha = 0.75 * (1 - (i - 1) / TRAIL);
      pen.strokeStyle = stroke;
      pen.lineWidth = weight;
      pen.beginPath();
      pen.moveTo(...points[i]);
      pen.lineTo(...points[i - 1]);
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  pen.lineCap = "butt";
}

/** Class names on chips at their medoids; a name that would cover another one is left out.
 *
 * `screen` = where a sample is drawn, `wanted` = the labels to name, or null for all, `lit` = those that stay in front, or
 * null for all, `plain` = chips without the class's colour, where points have none either. */
export function paintClassNames(pen, { sheet, frame, screen, palette, theme, width, height, blocked, wanted, lit, plain }) {
  const taken = [...blocked];
  pen.font = `700 13px ${theme.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const { centres } = frameShape(sheet, frame);
  const labels = centres.map((_, label) => label).filter((label) => centres[label] !== null && (!wanted || wanted.has(label)));
  labels.sort((a, b) => Number(lit?.has(b) ?? 0) - Number(lit?.has(a) ?? 0)); // who is asked for gets a place first
  for (const label of labels) {
    const [x, y] = screen(centres[label]);
    const text = shortName(sheet.run, centres[label], 14);
    const half = Math.max(10, pen.measureText(text).width / 2 + 6);
    const spot = CHIP_NUDGES.map(([dx, dy]) => [x + dx * half, y + dy]).find(([cx, cy]) => {
      const box = [cx - half, cy - 10, cx + half, cy + 10];
      if (!(box[0] >= 0 && box[1] >= 0 && box[2] <= width && box[3] <= height)) return false;
      return !taken.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1]);
    });
    if (!spot) continue;
    const [cx, cy] = spot;
    taken.push([cx - half, cy - 10, cx + half, cy + 10]);
    pen.globalAlpha = !lit || lit.has(label) ? 1 : 0.3;
    pen.beginPath();
    pen.roundRect(cx - half, cy - 10, 2 * half, 20, 10);
    pen.fillStyle = plain ? theme.background : rgba(palette[label]);
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = plain ? theme.text : theme.background;
    pen.stroke();
    pen.fillStyle = plain ? theme.text : theme.dark ? "#10131a" : "#ffffff";
    pen.fillText(text, cx, cy + 0.5);
    pen.globalAlpha = 1;
  }
}

/** The margin as a bar, or a round length with its relation to the margin where the margin would not fit. */
export function paintScaleBar(pen, { view, run, margin, theme, width, height }) {
  let [length, text] = [margin, `margin ${tickText(margin)}`];
  const fits = margin * view.scale;
  if (run.distance !== "euclidean") {
    // Lengths on the map are Euclidean; another distance's margin is no length on it.
    length = niceStep(60 / view.scale);
    text = `length ${tickText(length)}`;
  } else if (fits < 14 || fits > width * 0.45) {
    length = niceStep(60 / view.scale);
    const ratio = length / margin;
    text = ratio >= 1 ? `${tickText(ratio)} margins` : `${tickText(length)} = margin / ${tickText(1 / ratio)}`;
  }
  const [x, y, w] = [14, height - 16, length * view.scale];
  pen.strokeStyle = theme.text;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(x, y - 5);
  pen.lineTo(x, y);
  pen.lineTo(x + w, y);
  pen.lineTo(x + w, y - 5);
  pen.stroke();
  pen.font = `12px ${theme.font}`;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  haloText(pen, text, x + w + 8, y - 2, theme.text, theme.background);
}
