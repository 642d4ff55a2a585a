// A strategy is a colour, a shape and a dash everywhere: pills, lanes, map lines, curves. The shape alone tells them apart.
import { svg } from "./dom.js";

function polygon(points) {
  return `M${points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L")}Z`;
}

function around(count, radius, turn, inner = radius) {
  return Array.from({ length: count }, (_, i) => {
    const angle = turn + (2 * Math.PI * i) / count;
    const r = i % 2 ? inner : radius;
    return [r * Math.cos(angle), r * Math.sin(angle)];
  });
}

const SHAPES = {
  circle: (r) => `M${-r},0A${r},${r} 0 1 0 ${r},0A${r},${r} 0 1 0 ${-r},0Z`,
  square: (r) => polygon([[-r, -r], [r, -r], [r, r], [-r, r]].map(([x, y]) => [0.86 * x, 0.86 * y])),
  diamond: (r) => polygon([[0, -1.2 * r], [1.2 * r, 0], [0, 1.2 * r], [-1.2 * r, 0]]),
  triangle: (r) => polygon(around(3, 1.25 * r, -Math.PI / 2)),
  "triangle-down": (r) => polygon(around(3, 1.25 * r, Math.PI / 2)),
  star: (r) => polygon(around(10, 1.35 * r, -Math.PI / 2, 0.58 * r)),
  plus: (r) => polygon(plusPoints(r)),
  cross: (r) => polygon(rotate(plusPoints(r), Math.PI / 4)),
};

function plusPoints(r) {
  const a = 0.38 * r;
  const b = 1.15 * r;
  return [[-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a]];
}

function rotate(points, angle) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return points.map(([x, y]) => [c * x - s * y, s * x + c * y]);
}

/** SVG path of a shape with about the same area for every shape; works in Path2D too. Unknown shapes are circles. */
export function shapePath(shape, radius) {
  return (SHAPES[shape] ?? SHAPES.circle)(radius);
}

export function markColour(mark, dark) {
  return (dark ? mark?.dark : mark?.light) ?? (dark ? "#b9c0cc" : "#5b6470");
}

/** The mark as a small SVG picture. */
export function markIcon(mark, dark, size = 14) {
  const half = size / 2;
  return svg(
    "svg",
    { class: "ts-mark", width: size, height: size, viewBox: `${-half} ${-half} ${size} ${size}`, "aria-hidden": "true" },
    svg("path", { d: shapePath(mark?.shape, size * 0.34), fill: markColour(mark, dark) }),
  );
}

/** px from the middle of a learned centre's mark to the outer edge of its ring. */
export const CENTRE_SIZE = 8;

/** The mark of a learned centre of a class, a ringed cross, as part of a drawing. */
export function centreIcon(colour, ground, { x = 0, y = 0, size = CENTRE_SIZE } = {}) {
  const arm = size - 1.2;
  return svg(
    "g", { class: "ts-centre-mark", transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` },
    svg("circle", { r: size - 1, fill: ground, stroke: colour, "stroke-width": 1.8 }),
    svg("path", { d: `M${-arm},0H${arm}M0,${-arm}V${arm}`, stroke: colour, "stroke-width": 1.8, fill: "none" }),
  );
}
