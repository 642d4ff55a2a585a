// The plane's axes and its density: where a triplet stands, and how many stand there.
import { niceStep, rulerScale } from "./scale.js";

export const PLANE_CELLS = 64; // of the recorded histogram, on either side
const FINEST = 3; // px: narrower cells are joined, which is exact because widths are powers of two
const LENS_BELOW = 0.1; // of the square: a batch that fills less gets a magnified view
const LENS_SHARE = 0.56;

/** A square view of the plane: `toX(d(a,p))`, `toY(d(a,n))` and back. Both axes have the same scale, the ruler's. */
function planeView({ left, top, side, max, length, invert, broken = false, breakAt = max }) {
  return {
    left, top, side, max, broken, breakAt, length,
    toX: (dap) => left + length(dap),
    toY: (dan) => top + side - length(dan),
    dapAt: (x) => invert(x - left),
    danAt: (y) => invert(top + side - y),
    holds: (x, y) => x >= left && x <= left + side && y >= top && y <= top + side,
  };
}

/** The whole plane of a run: fixed, so that a space that shrinks looks small. */
export function wholePlane(run, left, top, side) {
  const scale = rulerScale({ max: run.ruler_max, margin: run.margin, left: 0, right: side });
  const view = planeView({ left, top, side, max: run.ruler_max, length: scale, invert: scale.invert, broken: scale.broken, breakAt: scale.breakAt });
  return Object.assign(view, { ticks: scale.ticks, unit: scale(scale.breakAt) / scale.breakAt });
}

/** The corner at the origin, magnified until `reach` fits; null where the batch is large enough to be seen. */
export function lensOf(whole, reach) {
  if (!(reach > 0) || whole.length(reach) > LENS_BELOW * whole.side) return null;
  const side = Math.round(LENS_SHARE * whole.side);
  const max = niceStep(reach);
  const unit = side / max;
  const clip = (value) => Math.min(max, Math.max(0, value));
  const [left, top] = [whole.left + whole.side - side - 14, whole.top + 30];
  const view = planeView({ left, top, side, max, length: (d) => clip(d) * unit, invert: (px) => clip(px / unit) });
  return Object.assign(view, { unit, times: unit / whole.unit });
}

/** The recorded histogram of one frame as a view shows it: {cells, total, reach, exponent}.
 *
 * A cell has its counts, its lower corner [dap, dan], its width, its box in pixels, and `dense`: triplets per square of
 * 1/64 of the axes, so that the same grey is the same number of triplets per area at every frame. */
export function densityIn(aside, frame, view) {
  const [from, to] = [aside.plane_offset[frame], aside.plane_offset[frame + 1]];
  const finest = 2 ** aside.plane_exponent[frame];
  let joined = 0;
  while (joined < 6 && finest * 2 ** joined * view.unit < FINEST) joined += 1;
  const across = PLANE_CELLS >> joined;
  const width = finest * 2 ** joined;
  const counts = new Float64Array(across * across);
  let [total, reach] = [0, 0];
  for (let i = from; i < to; i++) {
    const [row, column] = [aside.plane_cell[i] >> 6, aside.plane_cell[i] & 63];
    counts[(row >> joined) * across + (column >> joined)] += aside.plane_count[i];
    total += aside.plane_count[i];
    reach = Math.max(reach, (Math.max(row, column) + 1) * finest);
  }
  const edges = Float64Array.from({ length: across + 1 }, (_, i) => view.length(i * width));
  const square = (view.side / PLANE_CELLS) ** 2;
  const cells = [];
  counts.forEach((count, at) => {
    if (!count) return;
    const [row, column] = [Math.floor(at / across), at % across];
    const [x, y] = [edges[row], edges[column]];
    const [w, h] = [Math.max(1, edges[row + 1] - x), Math.max(1, edges[column + 1] - y)];
    cells.push({
      count, width, dap: row * width, dan: column * width, dense: (count * square) / (w * h),
      x: view.left + Math.min(x, view.side - w), y: view.top + view.side - Math.min(y, view.side - h) - h, w, h,
    });
  });
  return { cells, total, reach, width };
}

/** [lowest, highest] density over all frames of a run in the whole plane: one scale of grey for the whole run. */
export function densityDomain(aside, whole) {
  let [low, high] = [1, 1];
  for (let frame = 0; frame < aside.frames.length; frame++) {
    for (const { dense } of densityIn(aside, frame, whole).cells) {
      low = Math.min(low, dense);
      high = Math.max(high, dense);
    }
  }
  return [low, Math.max(high, 10 * low)];
}

/** 0..1, logarithmic. */
export function shadeOf(dense, [low, high]) {
  return Math.min(1, Math.max(0, Math.log(dense / low) / Math.log(high / low)));
}

/** Points of the line gap = `gap` in a view, from the left edge to where it leaves: curved where the axis is broken. */
export function gapLine(view, gap) {
  const points = [];
  const end = view.max - gap;
  if (!(end > 0)) return points;
  const count = view.broken && gap ? 48 : 1;
  for (let i = 0; i <= count; i++) {
    const dap = view.broken ? planeShare(view, end, i / count) : (end * i) / count;
    points.push([view.toX(dap), view.toY(dap + gap)]);
  }
  return points;
}

/** The distance at a share of the way to `end` as drawn: samples lie evenly on screen, not in the unit. */
function planeShare(view, end, share) {
  return share === 1 ? end : Math.min(end, view.dapAt(view.left + share * view.length(end)));
}
