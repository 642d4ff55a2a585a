// What lies over the points: names of classes, lines to the nearest rows, rings about marked rows, the chosen row.
import { clamp } from "./dom.js";
import { parseColour, rgba } from "./theme.js";
import { cloudRamp, namedCount } from "./cloud_ink.js";

const MOST_RINGS = 2500;
const FAINTEST_LINE = 0.32; // of the ramp, so that far lines still stand out

/** The middle of each named class: medians, which a stray row does not move. [[x, y] or null, …] by code - 1. */
export function classMiddles(pos, n, codes, named) {
  const xs = Array.from({ length: named }, () => []);
  const ys = Array.from({ length: named }, () => []);
  const stride = Math.max(1, Math.floor(n / 60_000));
  for (let i = 0; i < n; i += stride) {
    const at = codes[i] - 1;
    if (at < 0 || at >= named || !(Math.abs(pos[2 * i]) < 1e29)) continue;
    xs[at].push(pos[2 * i]);
    ys[at].push(pos[2 * i + 1]);
  }
  const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  return xs.map((values, i) => (values.length ? [middle(values), middle(ys[i])] : null));
}

function shorter(text, most) {
  const letters = Array.from(text);
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}

/** Names of classes at their middles; one that would lie on another is left out. */
export function paintNames(pen, { middles, legend, shades, view, theme, lit, blocked }) {
  const taken = [...blocked];
  pen.font = `650 13px ${theme.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (let i = 0; i < Math.min(namedCount(legend), middles.length); i++) {
    if (!middles[i] || (lit && !lit.has(i + 1))) continue;
    const text = shorter(String(legend.names[i]), 22);
    // A long name stands over its class, which a small class would else vanish under.
    const lift = text.length > 3 ? 20 : 0;
    const [x, y] = [view.toX(middles[i][0]), view.toY(middles[i][1]) - lift];
    const half = Math.max(10, pen.measureText(text).width / 2 + 7);
    const box = [x - half - 1, y - 11, x + half + 1, y + 11];
    if (box[0] < 0 || box[1] < 0 || box[2] > view.width || box[3] > view.height) continue;
    if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
    taken.push(box);
    // On light ground a darker shade carries white letters; on dark ground a lighter one carries black letters.
    const strong = shades[i + 1].map((value) => Math.round(theme.dark ? value + (255 - value) * 0.2 : value * 0.74));
    pen.beginPath();
    pen.roundRect(x - half, y - 10, 2 * half, 20, 10);
    pen.fillStyle = rgba(strong, 0.94);
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = theme.background;
    pen.stroke();
    pen.fillStyle = theme.background;
    pen.fillText(text, x, y + 0.5);
  }
}

/** Lines from the chosen row to its nearest in the original space: near is strong and wide; dashed to another class. */
export function paintNeighbours(pen, { lines, from, spot, theme }) {
  if (!lines?.rows.length || !from.every(Number.isFinite)) return;
  const [least, most] = [lines.far[0], lines.far.at(-1)];
  const ground = theme.background;
  for (let i = lines.rows.length - 1; i >= 0; i--) {
    const to = spot(lines.rows[i]);
    if (!to.every(Number.isFinite)) continue;
    const share = most > least ? (lines.far[i] - least) / (most - least) : 0;
    const stroke = (colour, width, dash) => {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(...from);
      pen.lineTo(...to);
      pen.stroke();
      pen.setLineDash([]);
    };
    const colour = rgba(cloudRamp(1 - (1 - FAINTEST_LINE) * share, theme.dark));
    const width = 3 - 1.4 * share;
    stroke(ground, width + 2, []);
    stroke(colour, width, lines.same[i] === false ? [6, 4] : []);
    pen.beginPath();
    pen.arc(...to, 4.5, 0, 2 * Math.PI);
    pen.fillStyle = ground;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = colour;
    pen.stroke();
  }
}

/** Rings about marked rows; of very many only some, for they stand out by their colour anyway. */
export function paintRings(pen, { rows, spot, colour, ground, radius, width, height }) {
  const stride = Math.max(1, Math.ceil(rows.length / MOST_RINGS));
  for (const [line, ink] of [[3.4, ground], [1.6, colour]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = line;
    pen.beginPath();
    for (let i = 0; i < rows.length; i += stride) {
      const [x, y] = spot(rows[i]);
      if (!(x > -9 && y > -9 && x < width + 9 && y < height + 9)) continue;
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 2 * Math.PI);
    }
    pen.stroke();
  }
}

/** The chosen row: its picture in a ring, or a ring alone. */
export function paintChosen(pen, { row, at: [x, y], pictures, theme }) {
  if (!Number.isFinite(x + y)) return;
  const radius = pictures.ready ? 19 : 8;
  pen.save();
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  if (pictures.ready) {
    pen.fillStyle = theme.background;
    pen.fill();
    pen.save();
    pen.clip();
    pictures.paint(pen, row, x, y, 28);
    pen.restore();
  }
  pen.lineWidth = 6;
  pen.strokeStyle = theme.background;
  pen.stroke();
  pen.lineWidth = 3;
  pen.strokeStyle = theme.text;
  pen.stroke();
  pen.restore();
}

/** Few points in view: each as its picture, with the colour of its point as frame. */
export function paintPictures(pen, { rows, spot, pictures, colourOf, theme }) {
  for (const row of rows) {
    const [x, y] = spot(row);
    pen.fillStyle = theme.background;
    pen.fillRect(x - 14, y - 14, 28, 28);
    pictures.paint(pen, row, x, y, 24);
    pen.lineWidth = 2;
    pen.strokeStyle = colourOf(row);
    pen.strokeRect(x - 14, y - 14, 28, 28);
  }
}

export function paintLasso(pen, path, theme) {
  if (path.length < 2) return;
  pen.beginPath();
  path.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.fillStyle = rgba(parseColour(theme.text), 0.08);
  pen.fill();
  pen.setLineDash([5, 4]);
  pen.lineWidth = 1.6;
  pen.strokeStyle = theme.text;
  pen.stroke();
  pen.setLineDash([]);
}

export function insideBox([x, y], width, height) {
  return x === clamp(x, 0, width) && y === clamp(y, 0, height);
}
