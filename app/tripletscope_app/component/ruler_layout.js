// Heights and columns of the ruler, decided from the panel's size and what it has to hold.
import { clamp } from "./dom.js";

const LANE_LEAST = 17; // px: a lane lower than that cannot hold its words
const LANES_SHARE = 0.44; // of the panel's height that lanes may take; more of them scroll

/** Everything that is drawn finds its place here. `strategies` and `positives` are counts.
 *
 * From top to bottom: notes and bracket, zone names, positives, axis, negatives, ghosts, heading, lanes. */
export function rulerLayout(width, height, { strategies, positives }) {
  const gutter = width > 520 ? 152 : 118;
  const loss = 40;
  const notes = width > 540 ? 40 : 59; // narrow panels put the two counts below each other
  const names = 20;
  const axis = 24;
  const heading = 17;
  const ghosts = 14;
  const rows = Math.min(Math.max(1, strategies), Math.max(4, Math.floor((height * LANES_SHARE) / LANE_LEAST)));
  const lane = clamp(Math.floor((height - 264) / rows), LANE_LEAST, 26);
  const lanesTop = height - rows * lane - 4;
  const ghostTop = lanesTop - heading - ghosts;
  const swarmTop = notes + names;
  const room = ghostTop - axis - swarmTop;
  // A few positives share one row: every row saved makes all pictures larger.
  const positiveRows = positives > 4 ? 2 : 1;
  const size = clamp(Math.floor(room / (positiveRows + 3)) - 5, 14, 44);
  const axisY = swarmTop + positiveRows * (size + 4) + 4;
  const negativeTop = axisY + axis;
  const negativeRows = Math.max(1, Math.floor((ghostTop - negativeTop) / (size + 4)));
  return {
    left: gutter + 16, right: width - loss - 12, lossX: width - 8, gutter, notes, names, axis, axisY, size, rows,
    swarmTop, negativeTop, ghostTop, ghosts, lane, lanesTop, heading, width, height, bracketY: notes - 7,
    bands: {
      positive: { y: axisY - size / 2 - 3, step: -(size + 4), rows: positiveRows },
      negative: { y: negativeTop + size / 2 + 2, step: size + 4, rows: negativeRows },
    },
  };
}

/** Which lanes are shown: `rows` of `count`, the window that begins at `start`, with the `pinned` ones always among them.
 *
 * A pinned lane outside the window sticks to the end it left through, as the head of a table does. */
export function lanesInView(count, rows, start, pinned) {
  if (count <= rows) return Array.from({ length: count }, (_, i) => i);
  const first = clamp(start, 0, count - rows);
  const shown = new Set(pinned.filter((i) => i >= 0 && i < count).slice(0, rows));
  const inside = Array.from({ length: rows }, (_, i) => first + i);
  // From the middle outwards: what is given up to a pinned lane is the window's edge on that lane's side.
  const above = [...shown].filter((i) => i < first).length;
  const below = [...shown].filter((i) => i >= first + rows).length;
  for (const i of inside.slice(above, rows - below)) if (shown.size < rows) shown.add(i);
  for (const i of inside) if (shown.size < rows) shown.add(i);
  return [...shown].sort((a, b) => a - b);
}
