// Drawing the plane: zones, density, marks. Zones first, in their colours and with their second channel (hatching for
// easy, a solid and a dashed line between them), then the batch as grey, then triplets one by one.
import { gapLine, shadeOf } from "./plane_space.js";
import { shapePath } from "./marks.js";
import { pathOf } from "./svg_pen.js";

const PLANE_HATCH = 8;

function planeOutline(pen, points, close = []) {
  pen.beginPath();
  [...points, ...close].forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
}

/** The three zones of a view and the two lines between them. */
export function paintPlaneZones(pen, view, margin, look) {
  const { left, top, side } = view;
  const [right, bottom] = [left + side, top + side];
  pen.save();
  pen.beginPath();
  pen.rect(left, top, side, side);
  pen.clip();
  pen.fillStyle = look.background;
  pen.fillRect(left, top, side, side);
  pen.fillStyle = look.soft.easy;
  pen.fillRect(left, top, side, side);
  const near = gapLine(view, 0);
  const far = gapLine(view, margin);
  pen.save();
  if (far.length) {
    planeOutline(pen, far, [[left, top]]); // hatching where the loss is 0: between the dashed line and the upper left corner
    pen.closePath();
    pen.clip();
    pen.strokeStyle = look.zone.easy;
    pen.globalAlpha = 0.3;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let offset = -side; offset < side; offset += PLANE_HATCH) {
      pen.moveTo(left + offset, top);
      pen.lineTo(left + offset + side, bottom);
    }
    pen.stroke();
  }
  pen.restore();
  for (const [points, zone] of [[far.length ? far : [[left, top], [right, top]], "semi-hard"], [near, "hard"]]) {
    planeOutline(pen, points, [[right, top], [right, bottom], [left, bottom]]);
    pen.closePath();
    pen.fillStyle = look.background;
    pen.fill();
    pen.fillStyle = look.soft[zone];
    pen.fill();
  }
  pen.restore();
  pen.lineWidth = 1.5;
  pen.strokeStyle = look.zone.hard;
  planeOutline(pen, near);
  pen.stroke();
  if (far.length) {
    pen.strokeStyle = look.zone["semi-hard"];
    pen.setLineDash([5, 4]);
    planeOutline(pen, far);
    pen.stroke();
    pen.setLineDash([]);
  }
}

export function densityAlpha(shade) {
  return 0.14 + 0.72 * shade;
}

/** The recorded histogram: the darker, the more triplets per area. */
export function paintDensity(pen, cells, domain, look, ratio) {
  const snap = (value) => Math.round(value * ratio) / ratio; // neighbours share an edge: no seams, no double ink
  pen.fillStyle = look.text;
  for (const { x, y, w, h, dense } of cells) {
    pen.globalAlpha = densityAlpha(shadeOf(dense, domain));
    const [x0, y0] = [snap(x), snap(y)];
    pen.fillRect(x0, y0, Math.max(1 / ratio, snap(x + w) - x0), Math.max(1 / ratio, snap(y + h) - y0));
  }
  pen.globalAlpha = 1;
}

/** The frame and caption of the magnified corner. */
export function paintLensFrame(pen, view, caption, look) {
  pen.strokeStyle = look.text;
  pen.lineWidth = 1.5;
  pen.strokeRect(view.left, view.top, view.side, view.side);
  pen.font = `600 12.5px ${look.font}`;
  pen.textAlign = "right";
  pen.textBaseline = "alphabetic";
  pen.lineWidth = 3.5;
  pen.strokeStyle = look.background;
  pen.lineJoin = "round";
  pen.strokeText(caption, view.left + view.side, view.top - 7);
  pen.fillStyle = look.text;
  pen.fillText(caption, view.left + view.side, view.top - 7);
}

/** The small square at the origin that the lens shows, and the ways to it. */
export function paintLensWays(pen, whole, lens, look) {
  const size = Math.max(5, whole.length(lens.max));
  const bottom = whole.top + whole.side;
  pen.strokeStyle = look.text;
  pen.lineWidth = 1;
  pen.strokeRect(whole.left, bottom - size, size, size);
  pen.globalAlpha = 0.5;
  pen.setLineDash([3, 3]);
  pen.beginPath();
  pen.moveTo(whole.left, bottom - size);
  pen.lineTo(lens.left, lens.top);
  pen.moveTo(whole.left + size, bottom);
  pen.lineTo(lens.left + lens.side, lens.top + lens.side);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

function planeSpot(view, { dap, dan }) {
  return [view.toX(dap), view.toY(dan)];
}

function planeHolds(view, { dap, dan }) {
  return dap <= view.max && dan <= view.max;
}

/** Picks as the strategy's shape, with a seam so that they stay readable on the grey. */
export function paintPicks(pen, view, picks, { mark, colour, size }, look) {
  const shape = pathOf(pen, shapePath(mark?.shape, size));
  pen.lineWidth = 1.6;
  for (const pick of picks) {
    if (!planeHolds(view, pick) && view.lens) continue;
    const [x, y] = planeSpot(view, pick);
    pen.globalAlpha = look.faded?.(pick) ? 0.15 : 0.95;
    pen.translate(x, y);
    pen.strokeStyle = look.background;
    pen.stroke(shape);
    pen.fillStyle = colour;
    pen.fill(shape);
    pen.translate(-x, -y);
  }
  pen.globalAlpha = 1;
}

/** This anchor's own triplets as rings; those of the chosen positive stand on one upright line. */
export function paintOwn(pen, view, own, look) {
  for (const chosen of [false, true]) {
    pen.beginPath();
    for (const triplet of own) {
      if (triplet.chosen !== chosen || (view.lens && !planeHolds(view, triplet))) continue;
      const [x, y] = planeSpot(view, triplet);
      const radius = chosen ? 3.1 : 1.8;
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 2 * Math.PI);
    }
    pen.fillStyle = look.background;
    pen.globalAlpha = chosen ? 1 : 0.8;
    pen.fill();
    pen.strokeStyle = look.text;
    pen.lineWidth = chosen ? 1.5 : 1;
    pen.globalAlpha = chosen ? 1 : 0.6;
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

/** The upright line at the chosen positive: the ruler, standing in the plane. */
export function paintColumnLine(pen, view, dap, look) {
  if (dap === null || dap > view.max) return;
  const x = view.toX(dap);
  pen.strokeStyle = look.text;
  pen.globalAlpha = 0.55;
  pen.lineWidth = 1;
  pen.setLineDash([1.5, 2.5]);
  pen.beginPath();
  pen.moveTo(x, view.top);
  pen.lineTo(x, view.top + view.side);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

export function paintRing(pen, view, triplet, colour, radius, look) {
  const [x, y] = planeSpot(view, triplet);
  for (const [stroke, weight] of [[look.background, 5], [colour, 2.4]]) {
    pen.strokeStyle = stroke;
    pen.lineWidth = weight;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.stroke();
  }
}
