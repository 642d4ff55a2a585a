// What stands still around the plane: axes, their ticks and titles, the names of the zones and of the two lines.
import { svg } from "./dom.js";
import { tickText } from "./scale.js";
import { gapLine } from "./plane_space.js";

const PLANE_BAND_FITS = 15; // px across the semi-hard band that its name needs

/** Turns of a text that runs along a line, at a share of its length: {x, y, angle}. */
function alongGapLine(points, share) {
  const lengths = points.slice(1).map(([x, y], i) => Math.hypot(x - points[i][0], y - points[i][1]));
  let rest = share * lengths.reduce((sum, length) => sum + length, 0);
  let i = 0;
  while (i < lengths.length - 1 && rest > lengths[i]) rest -= lengths[i++];
  const [[x0, y0], [x1, y1]] = [points[i], points[i + 1]];
  const t = lengths[i] ? rest / lengths[i] : 0;
  return { x: x0 + (x1 - x0) * t, y: y0 + (y1 - y0) * t, angle: (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI };
}

function planeText(text, { x, y, angle = 0, anchor = "middle", cls }) {
  return svg("text", { class: cls, "text-anchor": anchor, transform: `translate(${x.toFixed(1)},${y.toFixed(1)}) rotate(${angle.toFixed(1)})` }, text);
}

function planeAxisLines(view) {
  const { left, top, side } = view;
  const bottom = top + side;
  const parts = [svg("path", { class: "ts-axis ts-plane-axis", d: `M${left},${top}V${bottom}H${left + side}` })];
  const ticks = view.ticks().filter(({ x }, i, all) => i === 0 || x - all[i - 1].x > 12);
  let lastX = -Infinity;
  for (const { value, x, text } of ticks) {
    parts.push(svg("line", { class: "ts-tick", x1: left + x, x2: left + x, y1: bottom, y2: bottom + 4 }));
    parts.push(svg("line", { class: "ts-tick", x1: left - 4, x2: left, y1: bottom - x, y2: bottom - x }));
    if (x - lastX >= 22) parts.push(planeText(text, { x: left + x, y: bottom + 16, cls: "ts-tick-text" }));
    if (x - lastX >= 22) lastX = x;
    if (value > 0) parts.push(planeText(text, { x: left - 7, y: bottom - x + 4, anchor: "end", cls: "ts-tick-text" }));
  }
  if (view.broken) {
    const at = view.length(view.breakAt);
    parts.push(svg("path", { class: "ts-break", d: `M${left + at - 4},${bottom + 5}l4,-10m2,10l4,-10M${left - 5},${bottom - at + 4}l10,-4m-10,-2l10,-4` }));
    // Said where it begins: beyond the break the same width means a factor, no longer a sum.
    parts.push(planeText("log \u2192", { x: left + at + 9, y: bottom + 16, anchor: "start", cls: "ts-axis-title" }));
    parts.push(planeText("log \u2192", { x: left - 8, y: bottom - at - 9, angle: -90, anchor: "start", cls: "ts-axis-title" }));
  }
  parts.push(planeText("d(a,p), anchor to positive \u2192", { x: left + side / 2, y: bottom + 33, cls: "ts-axis-title" }));
  parts.push(planeText("d(a,n), anchor to negative \u2192", { x: left - 36, y: top + side / 2, angle: -90, cls: "ts-axis-title" }));
  return parts;
}

/** SVG parts of the frame around the plane; `quiet` leaves out what would lie under the magnified corner. */
export function planeFrame(view, margin, { free, quiet }) {
  const { left, top, side } = view;
  const parts = planeAxisLines(view);
  const [near, far] = [gapLine(view, 0), gapLine(view, margin)];
  const name = (text, zone, spot) => parts.push(planeText(text, { ...spot, cls: `ts-plane-zone ts-plane-zone-${zone}` }));
  name("hard", "hard", { x: left + side * 0.9, y: top + side * 0.9 });
  const nearEnd = alongGapLine(near, quiet ? 0.2 : 0.82);
  parts.push(planeText("gap 0", { x: nearEnd.x + 9, y: nearEnd.y + 9, angle: nearEnd.angle, cls: "ts-plane-line" }));
  if (quiet) {
    name("easy", "easy", { x: left + side * 0.12, y: top + side * 0.3 });
    return parts;
  }
  name(free ? "easy, loss 0" : "easy", "easy", { x: left + side * 0.2, y: top + side * 0.1 });
  if (!far.length) return parts;
  const farSpot = alongGapLine(far, 0.78);
  parts.push(planeText(`gap = margin ${tickText(margin)}`, { x: farSpot.x - 5, y: farSpot.y - 5, angle: farSpot.angle, cls: "ts-plane-line" }));
  const [a, b] = [alongGapLine(near, 0.48), alongGapLine(far, 0.44)];
  const across = Math.abs((b.x - a.x) * Math.sin((a.angle * Math.PI) / 180) - (b.y - a.y) * Math.cos((a.angle * Math.PI) / 180));
  if (across >= PLANE_BAND_FITS) {
    name("semi-hard", "semi-hard", { x: (a.x + b.x) / 2 + 4, y: (a.y + b.y) / 2 + 4, angle: a.angle });
  }
  return parts;
}
