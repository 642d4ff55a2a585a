// The ground of the ruler: zone bands with their names, the margin's bracket, and the axis.
import { svg } from "./dom.js";
import { textWidth } from "./text_width.js";
import { ZONE_ORDER } from "./zone_counts.js";

const ZONE_NAME_SIZE = 13;

export function rulerHatch() {
  return svg(
    "defs", {},
    svg("pattern", { id: "ts-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("line", { class: "ts-hatch-line", x1: 0, y1: 0, x2: 0, y2: 7 })),
  );
}

/** Pixels where the zones begin and end: [left, d(a,p), d(a,p) + margin, right]. */
export function zoneEdges(scale, near, margin) {
  return [scale.left, scale(near), scale(near + margin), scale.right];
}

/** Zones too narrow for their name, which then stands in the legend. */
export function namelessZones(edges, font) {
  return ZONE_ORDER.filter((zone, i) => edges[i + 1] - edges[i] < zoneNameRoom(zone, font));
}

function zoneNameRoom(words, font) {
  return textWidth(words, ZONE_NAME_SIZE, font, "650") + 10;
}

/** Zone bands, their names and the margin's bracket; `near` is d(a,p) as drawn. */
export function drawZones(run, scale, box, near, font) {
  const edges = zoneEdges(scale, near, run.margin);
  const bottom = box.height - 4;
  const parts = [];
  ZONE_ORDER.forEach((zone, i) => {
    const [x, width] = [edges[i], Math.max(0, edges[i + 1] - edges[i])];
    parts.push(svg("rect", { class: "ts-zone", "data-zone": zone, x, y: box.swarmTop, width, height: bottom - box.swarmTop }));
    if (zone === "easy") parts.push(svg("rect", { x, y: box.swarmTop, width, height: bottom - box.swarmTop, fill: "url(#ts-hatch)" }));
    parts.push(svg("rect", { class: "ts-zone-head", "data-zone": zone, x, y: box.notes, width, height: box.names }));
    if (width >= zoneNameRoom(zone, font)) {
      const name = zone === "easy" && !run.soft_margin && width >= zoneNameRoom("easy, loss 0", font) ? "easy, loss 0" : zone;
      parts.push(svg("text", { class: "ts-zone-name", x: x + width / 2, y: box.notes + 14.5, "text-anchor": "middle" }, name));
    }
  });
  for (const [edge, name] of [[edges[1], "near"], [edges[2], "far"]]) {
    parts.push(svg("line", { class: `ts-zone-edge ts-zone-edge-${name}`, x1: edge, x2: edge, y1: box.notes, y2: bottom }));
  }
  const y = box.bracketY;
  parts.push(svg("path", { class: "ts-bracket", d: `M${edges[1]},${y + 5}V${y}H${edges[2]}V${y + 5}` }));
  return parts;
}

/** The axis with its ticks, and where the plain part ends. */
export function drawRulerAxis(scale, box) {
  const y = box.axisY;
  const parts = [svg("rect", { class: "ts-axis-back", x: scale.left, y, width: scale.right - scale.left, height: box.axis })];
  for (const { x, text } of scale.ticks()) {
    parts.push(svg("line", { class: "ts-tick", x1: x, x2: x, y1: y, y2: y + 5 }));
    parts.push(svg("text", { class: "ts-tick-text", x, y: y + 17.5, "text-anchor": "middle" }, text));
  }
  parts.push(svg("line", { class: "ts-axis", x1: scale.left, x2: scale.right, y1: y, y2: y }));
  if (scale.broken) {
    const x = scale.breakX;
    parts.push(svg("path", { class: "ts-break", d: `M${x - 5},${y + 6}L${x - 1},${y - 6}M${x + 1},${y + 6}L${x + 5},${y - 6}` }));
    // Said where it begins: beyond the break the same width means a factor, no longer a sum.
    parts.push(svg("text", { class: "ts-axis-title", x: x + 12, y: y + 17.5 }, "log \u2192"));
  }
  return parts;
}
