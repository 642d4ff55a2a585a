// One thin lane per strategy under the swarm: its pick in its own shape and colour, its probabilities, or "abstains".
// Marks on the thumbnails themselves would hide each other as soon as two strategies agree.
import { fixed, h, svg } from "./dom.js";
import { chancesOf, distanceTo, measure, pickOf } from "./answers.js";
import { markColour, markIcon, shapePath } from "./marks.js";

/** The column of lane names: buttons that choose which strategy the sentence speaks about. */
export function createLaneNames({ layer, actions }) {
  let rows = [];
  let key = "";

  return {
    update(s, { top, height, width }) {
      const wanted = `${s.strategies.map((strategy) => strategy.name).join()}/${s.theme.key}`;
      if (wanted !== key) {
        key = wanted;
        for (const row of rows) row.element.remove();
        rows = s.strategies.map((strategy) => {
          const element = h(
            "button",
            { type: "button", class: "ts-lane-name", style: { "--mark": markColour(strategy.mark, s.theme.dark) } },
            markIcon(strategy.mark, s.theme.dark, 15), h("span", { class: "ts-ellipsis" }, strategy.title),
          );
          element.addEventListener("click", () => actions.selectLane(strategy.name));
          layer.append(element);
          return { element, strategy };
        });
      }
      const training = s.runs[s.run]?.strategy;
      rows.forEach(({ element, strategy }, i) => {
        const chosen = strategy.name === s.lane;
        element.style.top = `${top + i * height}px`;
        element.style.height = `${height}px`;
        element.style.width = `${width}px`;
        element.setAttribute("aria-pressed", String(chosen));
        const trains = strategy.name === training;
        element.toggleAttribute("data-trains", trains);
        element.title = [strategy.summary, trains ? "This strategy trains the run." : ""].filter(Boolean).join(". ");
      });
    },
  };
}

/** SVG of all lanes. `found` is null while the engine has not answered: the lanes keep their size as a skeleton. */
export function drawLanes(s, found, { scale, top, height, right, lossX }) {
  return s.strategies.flatMap((strategy, i) => {
    const y = top + i * height;
    const chosen = strategy.name === s.lane;
    const back = chosen
      ? svg("rect", { class: "ts-lane-back", x: 0, y, width: lossX + 8, height, rx: 4 })
      : svg("line", { class: "ts-lane-rule", x1: scale.left, x2: right, y1: y + height - 0.5, y2: y + height - 0.5 });
    if (!found) {
      const bar = svg("rect", {
        class: "ts-skeleton", x: scale.left, y: y + height / 2 - 3, width: (right - scale.left) * (0.35 + 0.07 * (i % 4)), height: 6, rx: 3,
      });
      return [back, s.message ? null : bar].filter(Boolean);
    }
    return [back, ...laneContent(s, found, strategy, { scale, y, height, right, lossX })];
  });
}

function laneContent(s, found, strategy, { scale, y, height, right, lossX }) {
  const { run, answer, at, positive } = found;
  const colour = markColour(strategy.mark, s.theme.dark);
  const middle = y + height / 2;
  const pick = pickOf(answer, at, strategy, positive);
  const parts = [];
  const words = (text, x, anchor = "start", cls = "ts-lane-words") =>
    svg("text", { class: cls, x, y: middle + 4, "text-anchor": anchor }, text);
  const shape = (x) =>
    svg("path", {
      d: shapePath(strategy.mark?.shape, Math.min(6, height * 0.3)),
      transform: `translate(${x.toFixed(1)},${middle})`,
      fill: colour, class: "ts-lane-pick",
    });

  if (pick.kind === "missing") return [words(strategy.unavailable ?? "not available in this space", scale.left + 6)];
  const chances = chancesOf(answer, at, strategy, positive);
  if (chances) {
    // One path for the whole strip: thirty elements a lane, ten times a second, would be most of the page's work.
    const bars = answer.negatives.map((negative, i) => {
      if (!chances[i]) return "";
      const tall = Math.max(1.5, chances[i] * (height - 7));
      return `M${(scale(distanceTo(answer, at, negative)) - 1.5).toFixed(1)},${(y + height - 2.5).toFixed(1)}v${-tall.toFixed(1)}h3v${tall.toFixed(1)}z`;
    });
    parts.push(svg("path", { class: "ts-lane-strip", d: bars.join(""), fill: colour }));
  }
  if (pick.kind === "all") {
    const xs = answer.negatives.map((negative) => scale(distanceTo(answer, at, negative)));
    const ticks = xs.map((x) => `M${x.toFixed(1)},${middle - 4}v8`).join("");
    parts.push(svg("path", { d: ticks, stroke: colour, "stroke-width": 1.6, fill: "none" }));
    const losses = answer.negatives.map((negative) => measure(answer, at, positive, negative, run).loss);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const full = Math.max(...xs) > right - 48 && Math.min(...xs) > scale.left + 56; // the label takes the free end
    parts.push(full ? words(`all ${losses.length}`, scale.left + 6) : words(`all ${losses.length}`, right - 2, "end"), lossText(mean, lossX, middle, "mean of all"));
    return parts;
  }
  if (pick.kind === "abstains") return [...parts, words("abstains", scale.left + 6, "start", "ts-lane-words ts-abstains")];

  const x = scale(distanceTo(answer, at, pick.negative));
  if (chances) {
    parts.push(svg("circle", { class: "ts-lane-ring", cx: x, cy: middle, r: Math.min(8, height * 0.42), fill: "none", stroke: colour, "stroke-width": 2 }));
  }
  parts.push(shape(x));
  if (pick.own) {
    const own = scale(distanceTo(answer, at, pick.positive));
    // The dashed mark is the positive that this strategy brings along: its zones differ from the ones drawn here.
    parts.push(svg("line", { x1: own, x2: own, y1: y + 3, y2: y + height - 3, stroke: colour, "stroke-width": 1.6, "stroke-dasharray": "2 2" }));
    const start = x > own - 8 && x < own + 84 ? x + 10 : own + 5; // beside the pick, not under it
    const room = start + 80 < right;
    parts.push(words("own positive", room ? start : Math.min(own, x) - 10, room ? "start" : "end", "ts-lane-words ts-own"));
  }
  parts.push(lossText(measure(answer, at, pick.positive, pick.negative, run).loss, lossX, middle));
  return parts;
}

/** Two decimals are enough to compare lanes; the sentence has the rest. */
function shortLoss(loss) {
  if (loss === 0) return "0";
  return loss < 0.005 ? "<0.01" : fixed(loss, loss >= 100 ? 0 : 2);
}

function lossText(loss, x, middle, title = null) {
  const text = svg("text", { class: "ts-lane-loss", x, y: middle + 4, "text-anchor": "end" }, shortLoss(loss));
  if (title) text.append(svg("title", {}, title));
  return text;
}
