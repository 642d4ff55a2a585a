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
    svg("pattern", { id: "ts-filtered", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(-45)" },
      svg("line", { class: "ts-filtered-line", x1: 0, y1: 0, x2: 0, y2: 5 })),
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

/** Zone bands, their names and the margin's bracket: made once, moved ten times a second while time runs. */
export function createZoneGround() {
  const bands = ZONE_ORDER.map((zone) => ({
    zone,
    fill: svg("rect", { class: "ts-zone", "data-zone": zone }),
    hatching: zone === "easy" ? svg("rect", { fill: "url(#ts-hatch)" }) : null,
    head: svg("rect", { class: "ts-zone-head", "data-zone": zone }),
    name: svg("text", { class: "ts-zone-name", "text-anchor": "middle" }),
    words: "",
  }));
  const lines = ["near", "far"].map((name) => svg("line", { class: `ts-zone-edge ts-zone-edge-${name}` }));
  const bracket = svg("path", { class: "ts-bracket" });
  const element = svg("g", { visibility: "hidden" }, ...bands.flatMap(({ fill, hatching, head, name }) => [fill, hatching, head, name]), ...lines, bracket);
  const put = (node, values) => Object.entries(values).forEach(([key, value]) => node.setAttribute(key, value));
  let standing = ""; // what does not move with the zones

  return {
    element,
    hide: () => element.setAttribute("visibility", "hidden"),
    /** `near` is d(a,p) as drawn. */
    draw(run, scale, box, near, font) {
      element.removeAttribute("visibility");
      const edges = zoneEdges(scale, near, run.margin);
      const bottom = box.height - 4;
      const geometry = `${box.swarmTop}/${box.notes}/${bottom}`;
      if (standing !== geometry) {
        standing = geometry;
        for (const { fill, hatching, head, name } of bands) {
          for (const rect of [fill, hatching]) if (rect) put(rect, { y: box.swarmTop, height: bottom - box.swarmTop });
          put(head, { y: box.notes, height: box.names });
          put(name, { y: box.notes + 14.5 });
        }
        for (const line of lines) put(line, { y1: box.notes, y2: bottom });
      }
      bands.forEach((band, i) => {
        const [x, width] = [edges[i], Math.max(0, edges[i + 1] - edges[i])];
        for (const rect of [band.fill, band.hatching, band.head]) if (rect) put(rect, { x, width });
        const easy = band.zone === "easy" && !run.soft_margin && !run.loss && width >= zoneNameRoom("easy, loss 0", font);
        const words = width < zoneNameRoom(band.zone, font) ? "" : easy ? "easy, loss 0" : band.zone;
        if (words !== band.words) band.name.textContent = band.words = words;
        put(band.name, { x: x + width / 2 });
      });
      lines.forEach((line, i) => put(line, { x1: edges[i + 1], x2: edges[i + 1] }));
      const y = box.bracketY;
      put(bracket, { d: `M${edges[1]},${y + 5}V${y}H${edges[2]}V${y + 5}` });
    },
  };
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
