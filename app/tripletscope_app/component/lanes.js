// One thin lane per strategy under the swarm: its pick in its own shape and colour, its probabilities, or "abstains".
// Marks on the thumbnails themselves would hide each other as soon as two strategies agree.
import { svg } from "./dom.js";
import { classInWords } from "./store.js";
import { chancesOf, distanceTo, filteredFor, learntFrom, measure, pickOf } from "./answers.js";
import { classColour } from "./theme.js";
import { centreIcon, markColour, shapePath } from "./marks.js";
import { abstainWords, notHereWords, shortLoss } from "./lane_names.js";
import { textWidth } from "./text_width.js";

const WORD_SIZE = 12.5;

/** The hairlines between lanes. */
export function drawLaneRules(box) {
  return Array.from({ length: box.rows }, (_, row) => {
    const y = box.lanesTop + (row + 1) * box.lane - 0.5;
    return svg("line", { class: "ts-lane-rule", x1: box.left, x2: box.right, y1: y, y2: y });
  });
}

/** SVG of the lanes in view. `found` is null while the engine has not answered: the lanes keep their size as a skeleton. */
export function drawLanes(s, found, { lanes, scale, top, height, right, lossX }) {
  return lanes.flatMap((index, row) => {
    const strategy = s.strategies[index];
    const y = top + row * height;
    const chosen = strategy.name === s.lane;
    const parts = row && strategy.group !== s.strategies[lanes[row - 1]].group ? [svg("line", { class: "ts-lane-group", x1: 0, x2: lossX + 8, y1: y, y2: y })] : [];
    const back = chosen ? [svg("rect", { class: "ts-lane-back", x: 0, y, width: lossX + 8, height, rx: 4 }), ...parts] : parts;
    if (!found) {
      const bar = svg("rect", {
        class: "ts-skeleton", x: scale.left, y: y + height / 2 - 3, width: (right - scale.left) * (0.35 + 0.07 * (index % 4)), height: 6, rx: 3,
      });
      return s.message ? back : [...back, bar];
    }
    const content = laneContent(s, found, strategy, { scale, y, height, right, lossX });
    // Picks of another margin step back until the engine has answered for this one.
    return found.stale ? [...back, svg("g", { class: "ts-lane-stale" }, ...content)] : [...back, ...content];
  });
}

/** Words on a plate of the page's colour: zone edges and hatching run behind them, not through them. */
function laneWords(text, x, middle, font, { end = false, style = "" } = {}) {
  const width = textWidth(text, WORD_SIZE, font, style);
  return [
    svg("rect", { class: "ts-lane-plate", x: (end ? x - width : x) - 4, y: middle - 7.5, width: width + 8, height: 15, rx: 3 }),
    svg("text", { class: `ts-lane-words${style ? " ts-abstains" : ""}`, x, y: middle + 4, "text-anchor": end ? "end" : "start" }, text),
  ];
}

function laneContent(s, found, strategy, { scale, y, height, right, lossX }) {
  const { run, answer, at, positive } = found;
  const colour = markColour(strategy.mark, s.theme.dark);
  const middle = y + height / 2;
  const pick = pickOf(answer, at, strategy, positive);
  const parts = [];
  const words = (text, x, more) => laneWords(text, x, middle, s.theme.font, more);
  const shape = (x) =>
    svg("path", {
      d: shapePath(strategy.mark?.shape, Math.min(6, height * 0.3)),
      transform: `translate(${x.toFixed(1)},${middle})`,
      fill: colour, class: "ts-lane-pick",
    });
  const xOf = (sample) => {
    const distance = distanceTo(answer, at, sample);
    return Number.isFinite(distance) ? scale(distance) : null;
  };

  const learnt = learntFrom(found, strategy);
  if (learnt) return [...centreMarks(s, run, learnt, { scale, y, height, right, words }), lossText(learnt.loss, lossX, middle)];
  if (pick.kind === "missing") return words(clipped(notHereWords(answer, strategy), right - scale.left - 20, s.theme.font), scale.left + 8);
  const filtered = filteredFor(answer, at, strategy, pick.positive ?? positive);
  let told = null; // in the lane, of the filter
  if (filtered) {
    const stretch = filteredStretch(filtered, { scale, y, height, right });
    const ways = pick.kind === "abstains" || (pick.kind === "all" && !filtered.taken) ? [] : filteredWords(run, answer, filtered, pick);
    // The words of a positive of its own stand somewhere on the left, too.
    const room = stretch.end - scale.left - (pick.own ? 130 : 16);
    told = ways.find((way) => textWidth(way, WORD_SIZE, s.theme.font) < room);
    parts.push(...stretch.parts, ...(told ? words(told, scale.left + 8) : []));
  }
  const chances = chancesOf(answer, at, strategy, positive);
  if (chances) {
    // One path for the whole strip: thirty elements a lane, ten times a second, would be most of the page's work.
    const bars = answer.negatives.map((negative, i) => {
      const x = chances[i] ? xOf(negative) : null;
      if (x === null) return "";
      const tall = Math.max(1.5, chances[i] * (height - 7));
      return `M${(x - 1.5).toFixed(1)},${(y + height - 2.5).toFixed(1)}v${-tall.toFixed(1)}h3v${tall.toFixed(1)}z`;
    });
    parts.push(svg("path", { class: "ts-lane-strip", d: bars.join(""), fill: colour }));
  }
  if (pick.kind === "all") {
    const xs = pick.negatives.map(xOf).filter((x) => x !== null);
    if (!xs.length) return words("no negative here", scale.left + 8);
    parts.push(svg("path", { d: xs.map((x) => `M${x.toFixed(1)},${middle - 4}v8`).join(""), stroke: colour, "stroke-width": 1.6, fill: "none" }));
    const losses = pick.negatives.map((negative) => measure(answer, at, positive, negative, run).loss).filter(Number.isFinite);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const full = Math.max(...xs) > right - 48 && Math.min(...xs) > scale.left + 56; // the label takes the free end
    if (!told) parts.push(...(full ? words(`all ${xs.length}`, scale.left + 8) : words(`all ${xs.length}`, right - 6, { end: true })));
    parts.push(lossText(mean, lossX, middle));
    return parts;
  }
  if (pick.kind === "abstains") return [...parts, ...words(abstainWords(answer, strategy, run), scale.left + 8, { style: "italic" })];

  const x = xOf(pick.negative);
  if (x === null) return [...parts, ...words("its pick has no distance (NaN)", scale.left + 8)];
  if (chances) {
    parts.push(svg("circle", { class: "ts-lane-ring", cx: x, cy: middle, r: Math.min(8, height * 0.42), fill: "none", stroke: colour, "stroke-width": 2 }));
  }
  parts.push(shape(x));
  const own = pick.own ? xOf(pick.positive) : null;
  if (own !== null) {
    // The dashed mark is the positive that this strategy brings along: its zones differ from the ones drawn here.
    parts.push(svg("line", { x1: own, x2: own, y1: y + 3, y2: y + height - 3, stroke: colour, "stroke-width": 1.6, "stroke-dasharray": "2 2" }));
    // Beside its mark, or beside the pick where that is in the way; never over the pick, nor over the names on the left.
    const near = x > own - 8 && x < own + 100;
    const sides = [[near ? x + 14 : own + 8, false], [own - 8, true], [Math.min(own, x) - 14, true]];
    const fits = ([at, end]) => {
      const from = end ? at - 96 : at;
      return from >= scale.left && from + 96 < right && (x < from - 8 || x > from + 104);
    };
    const [start, left] = sides.find(fits) ?? sides[2];
    parts.push(...words("its own positive", start, { end: left }));
  }
  parts.push(lossText(measure(answer, at, pick.positive, pick.negative, run).loss, lossX, middle));
  return parts;
}

/** Where a filter took the negatives: hatched from the anchor up to the least distance that one may have. */
function filteredStretch(filtered, { scale, y, height, right }) {
  if (!(filtered.floor > 0)) return { end: scale.left, parts: [] };
  const end = Math.max(scale.left, Math.min(scale(filtered.floor), right));
  return {
    end,
    parts: [
      svg("rect", { class: "ts-lane-filtered", x: scale.left, y: y + 2, width: end - scale.left, height: height - 4, fill: "url(#ts-filtered)" }),
      svg("line", { class: "ts-lane-floor", x1: end, x2: end, y1: y + 1, y2: y + height - 1 }),
    ],
  };
}

/** What the stretch says, the longest way first. */
function filteredWords(run, answer, { taken, left }, pick) {
  if (pick.kind === "all") return [`all ${left.length} of ${answer.negatives.length} that ${run.filter} left`, `all ${left.length} left`];
  return [`${run.filter} filtered ${taken || "none"} of ${answer.negatives.length}`, `${taken || "none"} filtered`];
}

/** The two centres that the anchor learns from, at their distances: the marks of the map, a tick each, and whose they are. */
function centreMarks(s, run, { own, rival, dap, dan }, { scale, y, height, right, words }) {
  const ends = [{ label: own, far: dap, text: "own centre" }, { label: rival, far: dan, text: `centre of ${briefClass(run, rival)}` }];
  const [left, other] = ends.map((end) => ({ ...end, x: scale(end.far), width: textWidth(end.text, WORD_SIZE, s.theme.font) })).sort((a, b) => a.x - b.x);
  const marks = [left, other].flatMap(({ label, x }) => {
    const colour = classColour(label, run.class_names.length, s.theme.dark);
    const tick = svg("line", { class: "ts-lane-centre", "data-class": label, x1: x, x2: x, y1: y + 1, y2: y + height - 1, stroke: colour, "stroke-width": 2 });
    return [tick, centreIcon(colour, s.theme.background, { x, y: y + height / 2, size: Math.min(7, height * 0.36) })];
  });
  // Each on its outer side, or both on the one side that has room, in the order of the ticks; the sentence has them, too.
  const gap = 14;
  const fits = { before: left.x - left.width - gap > scale.left, after: other.x + other.width + gap < right };
  if (fits.before && fits.after) return [...words(left.text, left.x - gap, { end: true }), ...words(other.text, other.x + gap), ...marks];
  const both = `${left.text}, ${other.text}`;
  return [...(fits.after ? words(both, other.x + gap) : words(both, left.x - gap, { end: true })), ...marks];
}

function briefClass(run, label) {
  const name = classInWords(run, label);
  return name.length > 16 ? `${name.slice(0, 15)}\u2026` : name;
}

/** As much of a line as fits. */
function clipped(text, room, font) {
  if (textWidth(text, WORD_SIZE, font) <= room) return text;
  let end = text.length;
  while (end > 1 && textWidth(`${text.slice(0, end).trimEnd()} \u2026`, WORD_SIZE, font) > room) end -= 1;
  return `${text.slice(0, end).trimEnd()} \u2026`;
}

function lossText(loss, x, middle) {
  return svg("text", { class: "ts-lane-loss", x, y: middle + 4, "text-anchor": "end" }, Number.isFinite(loss) ? shortLoss(loss) : "");
}
