// The lens: a magnified copy of the ruler's left end, shown only where nearly all candidates crowd into it. The ruler
// itself never rescales, so that a collapsed space looks collapsed; the lens lets one see inside, and says how much.
import { h, svg, wholeNumber } from "./dom.js";
import { distanceTo } from "./answers.js";
import { tickText, niceStep } from "./scale.js";
import { createSwarm } from "./swarm.js";

const CROWDED = 26; // px: nearly all candidates this close to the anchor call for the lens
const FACTORS = [1, 10, 100, 1000, 10_000].flatMap((power) => [1, 2, 3, 5, 7].map((factor) => factor * power)).slice(2);

export function createLens({ state, actions, sprites }) {
  const drawing = svg("svg", { class: "ts-ruler-drawing", "aria-hidden": "true" });
  const layer = h("div", { class: "ts-ruler-layer" });
  const title = h("div", { class: "ts-lens-title" });
  const element = h("div", { class: "ts-lens", hidden: true }, drawing, layer, title);
  const swarm = createSwarm({ layer, state, actions, sprites });

  function hide() {
    if (element.hidden) return;
    element.hidden = true;
    swarm.clear();
  }

  return {
    element,
    hide,
    mark: (s) => swarm.mark(s),
    /** Draws the lens over the empty right part of the swarm; returns its box for others to avoid, or null. */
    draw(found, { scale, box, boxes, chosenNegative, ring, moving }) {
      const { run, answer, at, positive } = found;
      const inside = boxes.filter((b) => b.x - scale.left < CROWDED).length;
      const left = scale(state.get().runs[state.get().run].margin) + 24; // a dragged margin does not push the lens about
      const [top, bottom] = [box.swarmTop + 6, box.ghostTop - 4];
      const [width, height] = [scale.right - left - 6, bottom - top];
      if (!boxes.length || inside < 0.9 * boxes.length || width < 180 || height < 80) {
        hide();
        return null;
      }
      const widest = Math.max(0, ...answer.candidates.map((sample) => distanceTo(answer, at, sample)).filter(Number.isFinite));
      const plain = (scale.breakX - scale.left) / scale.breakAt; // px per unit on the ruler
      const room = width - 44;
      const factor = FACTORS.findLast((f) => widest * plain * f <= room) ?? FACTORS[0];
      const x = (distance) => 22 + Math.min(distance * plain * factor, room);
      element.hidden = false;
      Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
      title.textContent = `lens: the same distances, ${wholeNumber(factor)} times wider`;

      const size = Math.min(box.size, Math.floor((height - 44) / 4) - 3);
      const axisY = 20 + size + 6;
      const near = distanceTo(answer, at, positive);
      const edges = [x(0) - 22, x(near), Math.min(width, 22 + (near + run.margin) * plain * factor), width];
      const zones = ["hard", "semi-hard", "easy"].map((zone, i) =>
        svg("rect", { class: "ts-zone", "data-zone": zone, x: edges[i], y: 0, width: Math.max(0, edges[i + 1] - edges[i]), height }));
      const step = niceStep(room / plain / factor / 4);
      const ticks = Array.from({ length: 5 }, (_, i) => i * step).filter((d) => d * plain * factor <= room).flatMap((d) => [
        svg("line", { class: "ts-tick", x1: x(d), x2: x(d), y1: axisY, y2: axisY + 4 }),
        svg("text", { class: "ts-tick-text", x: x(d), y: axisY + 14, "text-anchor": "middle" }, tickText(d)),
      ]);
      drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
      drawing.replaceChildren(
        ...zones, ...ticks, svg("line", { class: "ts-axis", x1: x(0), x2: width - 8, y1: axisY, y2: axisY }),
        svg("line", { class: "ts-zone-edge ts-zone-edge-near", x1: edges[1], x2: edges[1], y1: 0, y2: height }),
        svg("line", { class: "ts-zone-edge ts-zone-edge-far", x1: edges[2], x2: edges[2], y1: 0, y2: height }),
      );
      const negativeTop = axisY + 18;
      swarm.place({
        found, scale: x, size, chosenNegative, ring, moving,
        bands: {
          positive: { y: axisY - size / 2 - 3, step: 0, rows: 1 },
          negative: { y: negativeTop + size / 2 + 2, step: size + 3, rows: Math.max(1, Math.floor((height - negativeTop) / (size + 3))) },
        },
      });
      const source = { right: scale(widest) + 3, top: box.axisY - 3, bottom: box.axisY + box.axis };
      const ways = `M${source.right},${source.top}L${left},${top + 5}M${source.right},${source.bottom}L${left},${bottom - 5}`;
      return { ways, x: left + width / 2, y: top + height / 2, halfX: width / 2 + 4, halfY: height / 2, covers: 9 };
    },
  };
}
