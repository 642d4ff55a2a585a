// Pictures on the map: pins beside the points that the picture speaks of, thumbnails where few points are in view.
import { initialsOf } from "./sprite.js";
import { rgba } from "./theme.js";

const MANY_THUMBS = 90; // with fewer points in view than this, every one shows its picture
const THUMB = 22;

/** px at the bottom of the map that belong to the scale bar and the buttons. */
export const FOOT = 30;

/** Puts each pin beside its point, away from the others, and pushes overlapping pins apart; `head` px stay free above. */
export function placePins(pins, { width, height, head }) {
  if (!pins.length) return pins;
  const cx = pins.reduce((sum, pin) => sum + pin.x, 0) / pins.length;
  const cy = pins.reduce((sum, pin) => sum + pin.y, 0) / pins.length;
  const widest = Math.max(...pins.map((pin) => Math.hypot(pin.x - cx, pin.y - cy)));
  // In a collapsed space all points coincide: the pins step back, so that the dot itself stays in sight.
  const reach = widest < 20 ? 34 : 12;
  for (const pin of pins) {
    const away = Math.hypot(pin.x - cx, pin.y - cy);
    // Each role has its own side to stand on where the direction says nothing.
    const angle = away > 6 ? Math.atan2(pin.y - cy, pin.x - cx) : pin.side;
    pin.px = pin.x + Math.cos(angle) * (pin.size / 2 + reach);
    pin.py = pin.y + Math.sin(angle) * (pin.size / 2 + reach);
  }
  for (let round = 0; round < 24; round++) {
    for (const [i, a] of pins.entries()) {
      for (const b of pins.slice(i + 1)) {
        const need = (a.size + b.size) / 2 + 7;
        const [dx, dy] = [b.px - a.px, b.py - a.py];
        const overlap = need - Math.max(Math.abs(dx), Math.abs(dy));
        if (overlap <= 0) continue;
        const length = Math.hypot(dx, dy) || 1;
        const [ux, uy] = length > 1 ? [dx / length, dy / length] : [1, 0];
        a.px -= (ux * overlap) / 2;
        a.py -= (uy * overlap) / 2;
        b.px += (ux * overlap) / 2;
        b.py += (uy * overlap) / 2;
      }
      const room = a.size / 2 + 4;
      a.px = Math.min(width - room, Math.max(room, a.px));
      a.py = Math.min(height - room - FOOT, Math.max(room + head, a.py));
    }
  }
  return pins;
}

/** One thumbnail with its ring and the short leader to its point. */
export function paintPin(pen, pin, run, sheet, theme) {
  const half = pin.size / 2;
  pen.strokeStyle = pin.ring;
  pen.lineWidth = 1.2;
  pen.beginPath();
  pen.moveTo(pin.x, pin.y);
  pen.lineTo(pin.px, pin.py);
  pen.stroke();
  pen.beginPath();
  pen.arc(pin.x, pin.y, 4.5, 0, 2 * Math.PI);
  pen.lineWidth = 2;
  pen.stroke();
  pen.beginPath();
  pen.roundRect(pin.px - half - 3, pin.py - half - 3, pin.size + 6, pin.size + 6, pin.round ? half + 3 : 5);
  pen.fillStyle = theme.background;
  pen.fill();
  pen.lineWidth = pin.weight;
  pen.stroke();
  pen.save();
  pen.clip();
  if (sheet) {
    const { width, height, columns, pixelated } = run.thumb;
    const zoom = (pin.size * (pin.round ? 0.8 : 1)) / Math.max(width, height);
    pen.imageSmoothingEnabled = !pixelated;
    pen.drawImage(
      sheet.canvas,
      (pin.index % columns) * width,
      Math.floor(pin.index / columns) * height,
      width,
      height,
      pin.px - (width * zoom) / 2,
      pin.py - (height * zoom) / 2,
      width * zoom,
      height * zoom,
    );
  } else {
    pen.font = `600 ${Math.round(pin.size * 0.5)}px ${theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillStyle = theme.text;
    pen.fillText(initialsOf(run, pin.index), pin.px, pin.py + 1);
  }
  pen.restore();
}

/** Draws every point in view as its picture, where there are few enough. `lit` = classes in front, or null for all. */
export function paintThumbs(pen, { run, sprite, spots, palette, lit, theme, width, height }) {
  const inside = [];
  for (let i = 0; i < run.n && inside.length <= MANY_THUMBS; i++) {
    const [x, y] = [spots[2 * i], spots[2 * i + 1]];
    if (x > -12 && y > -12 && x < width + 12 && y < height + 12) inside.push([i, x, y]);
  }
  if (inside.length > MANY_THUMBS) return;
  const { columns, pixelated } = run.thumb;
  const [w, h] = [run.thumb.width, run.thumb.height];
  const zoom = THUMB / Math.max(w, h);
  pen.imageSmoothingEnabled = !pixelated;
  pen.lineWidth = 1.5;
  for (const [i, x, y] of inside) {
    pen.globalAlpha = !lit || lit.has(run.label[i]) ? 1 : 0.25;
    pen.fillStyle = theme.background;
    pen.strokeStyle = rgba(palette[run.label[i]]);
    pen.beginPath();
    pen.roundRect(x - 13, y - 13, 26, 26, 4);
    pen.fill();
    pen.stroke();
    const from = [(i % columns) * w, Math.floor(i / columns) * h, w, h];
    pen.drawImage(sprite.canvas, ...from, x - (w * zoom) / 2, y - (h * zoom) / 2, w * zoom, h * zoom);
  }
  pen.globalAlpha = 1;
}

/** Marks the point that somebody points at, here or in another panel. */
export function ringPoint(pen, [x, y], theme, radius = 9) {
  for (const [colour, weight] of [[theme.background, 5.5], [theme.text, 2.5]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = weight;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.stroke();
  }
}
