// The distance ruler: how far every candidate is from the anchor, which zone it lies in, and who would pick whom.
import { clamp, easeInOut, h, reducedMotion, setText, svg } from "./dom.js";
import { shortName } from "./store.js";
import { touches } from "./state.js";
import { currentAnswer, distanceTo, pickOf } from "./answers.js";
import { markColour } from "./marks.js";
import { rulerScale, tickText } from "./scale.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { createSwarm } from "./swarm.js";
import { createLens } from "./lens.js";
import { createLaneNames, drawLanes } from "./lanes.js";

const ZONE_NAMES = { hard: "hard", "semi-hard": "semi-hard", easy: "easy" };
const NAME_FITS = 70; // narrower zones put their name into the legend
const SLIDE = 260; // ms for the zones to slide to another positive

/** Heights and columns of the ruler for a panel of width x height pixels. */
function rulerLayout(width, height, lanes, positives) {
  const gutter = width > 520 ? 146 : 112;
  const loss = 40;
  const notes = 36;
  const names = 20;
  const axis = 24;
  const heading = 16;
  const lane = clamp(Math.floor((height - 250) / lanes), 17, 26);
  const lanesTop = height - lanes * lane - 4;
  const swarmTop = notes + names;
  const room = lanesTop - heading - axis - swarmTop;
  // A few positives share one row: every row saved makes all pictures larger.
  const positiveRows = positives > 4 ? 2 : 1;
  const size = clamp(Math.floor(room / (positiveRows + 3)) - 5, 16, 38);
  const axisY = swarmTop + positiveRows * (size + 4) + 4;
  const negativeTop = axisY + axis;
  const negativeRows = Math.max(1, Math.floor((lanesTop - heading - negativeTop) / (size + 4)));
  return {
    left: gutter + 16, right: width - loss - 12, lossX: width - 8, gutter, notes, names, axis, axisY, size,
    swarmTop, negativeTop, lane, lanesTop, heading, width, height,
    bands: {
      positive: { y: axisY - size / 2 - 3, step: -(size + 4), rows: positiveRows },
      negative: { y: negativeTop + size / 2 + 2, step: size + 4, rows: negativeRows },
    },
  };
}

export function createRuler({ state, actions, sprites }) {
  const [zones, still, moves] = [svg("g"), svg("g"), svg("g")];
  const drawing = svg("svg", { class: "ts-ruler-drawing", "aria-hidden": "true" }, hatch(), zones, still, moves);
  const arrows = svg("svg", { class: "ts-ruler-drawing ts-ruler-arrows", "aria-hidden": "true" });
  const layer = h("div", { class: "ts-ruler-layer" });
  const lens = createLens({ state, actions, sprites });
  const anchorThumb = thumbElement("span", { class: "ts-thumb ts-anchor-thumb" });
  const role = (name, meaning) => h("div", { class: "ts-role" }, name, h("small", {}, meaning));
  const roleAbove = role("positives", "same class");
  const roleBelow = role("negatives", "other classes");
  const waiting = h("div", { class: "ts-waiting", role: "status" });
  const noteHard = h("div", { class: "ts-note" }, "closer than the positive = hard");
  const notePick = h("div", { class: "ts-note" }, "this negative was picked");
  const plot = h("div", { class: "ts-ruler-plot" }, drawing, layer, lens.element, anchorThumb, roleAbove, roleBelow, noteHard, notePick, arrows, waiting);
  const title = h("div", { class: "ts-panel-title ts-ellipsis" });
  const legend = h("div", { class: "ts-legend" });
  const candidates = h("div", { class: "ts-candidates-title ts-ellipsis" });
  const notes = h("button", { type: "button", class: "ts-notes-toggle", title: "show or hide the two notes" }, "notes");
  notes.addEventListener("click", () => state.set({ notes: !state.get().notes }));
  const element = h(
    "section", { class: "ts-ruler", "aria-label": "Distance ruler" },
    h("div", { class: "ts-panel-head" }, title, candidates, legend, notes), plot,
  );

  const swarm = createSwarm({ layer, state, actions, sprites });
  const laneNames = createLaneNames({ layer: plot, actions });
  let size = { width: 0, height: 0 };
  let shown = null; // {near}: the bound of "hard" as drawn, which slides when another positive is chosen
  let sliding = 0;

  function resize() {
    const { width, height } = plot.getBoundingClientRect();
    if (width === size.width && height === size.height) return;
    size = { width, height };
    state.touch("size");
  }

  function slideTo(target, moves) {
    cancelAnimationFrame(sliding);
    if (!moves || !shown || reducedMotion()) {
      shown = { near: target };
      return;
    }
    const [from, began] = [shown.near, performance.now()];
    const move = (now) => {
      const t = clamp((now - began) / SLIDE, 0, 1);
      shown = { near: from + (target - from) * easeInOut(t) };
      draw(state.get());
      if (t < 1) sliding = requestAnimationFrame(move);
    };
    shown = { near: from };
    sliding = requestAnimationFrame(move);
  }

  function draw(s) {
    const run = s.runs[s.run];
    if (!run || !size.width) return;
    const box = rulerLayout(size.width, size.height, s.strategies.length, currentAnswer(s)?.answer.positives.length ?? 3);
    const scale = rulerScale({ max: run.ruler_max, margin: run.margin, left: box.left, right: box.right });
    const found = currentAnswer(s);
    for (const sheet of [drawing, arrows]) sheet.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    laneNames.update(s, { top: box.lanesTop, height: box.lane, width: box.gutter - 6 });
    const pick = found && pickOf(found.answer, found.at, laneStrategy(s), found.positive);
    const lanes = { scale, top: box.lanesTop, height: box.lane, right: box.right, lossX: box.lossX };
    drawStill(s, run, scale, box);
    zones.replaceChildren(...(found ? drawZones(run, scale, box, shown?.near ?? 0) : []));
    const parts = drawLanes(s, found, lanes);
    const moving = s.playing || s.dragging;
    if (found) {
      const ring = markColour(laneStrategy(s)?.mark, s.theme.dark);
      const boxes = swarm.place({ found, scale, bands: box.bands, size: box.size, chosenNegative: pick?.negative, ring, moving });
      parts.push(...drawPickLine(s, pick, boxes, box, ring));
      const area = lens.draw(found, { scale, box, boxes, chosenNegative: pick?.negative, ring, moving });
      arrows.replaceChildren(arrowHead(), ...placeNotes(s, found, pick, area ? [...boxes, area] : boxes, scale, box));
    } else {
      swarm.clear();
      lens.hide();
      arrows.replaceChildren();
      noteHard.hidden = notePick.hidden = true;
    }
    swarm.mark(s.hover?.index, s.pinned);
    lens.mark(s.hover?.index, s.pinned);
    moves.replaceChildren(...parts);
    paintThumb(anchorThumb, run, s.anchor, Math.min(34, box.size + 8), sprites);
    anchorThumb.style.transform = `translate(${box.left - Math.min(34, box.size + 8) / 2 - 4}px, ${box.axisY + box.axis / 2 - Math.min(34, box.size + 8) / 2 - 4}px)`;
    place(roleAbove, 0, box.axisY - box.size / 2 - 22);
    place(roleBelow, 0, box.negativeTop + box.size / 2 - 16);
    waiting.hidden = Boolean(found);
    place(waiting, box.left + 20, box.negativeTop + 10);
    setText(waiting, found ? "" : s.message ?? "asking the engine …");
    drawLegend(run, scale, found);
    setText(title, `${distanceWords(run)} from this ${shortName(run, s.anchor)}`);
    const answer = found?.answer;
    setText(candidates, answer ? String(answer.candidates_title) : "");
    candidates.title = candidates.textContent;
    notes.setAttribute("aria-pressed", String(s.notes));
  }

  /** The axis and headings: the same at every frame, so drawn once per size, run and theme. */
  function drawStill(s, run, scale, box) {
    const key = [size.width, size.height, run.digest, s.theme.key, s.strategies.length, box.axisY].join("/");
    if (still.dataset.key === key) return;
    still.dataset.key = key;
    still.replaceChildren(...drawAxis(run, scale, box), laneHeading(run, box));
  }

  function drawLegend(run, scale, found) {
    const near = found ? distanceTo(found.answer, found.at, found.positive) : 0;
    const edges = [scale.left, scale(near), scale(near + run.margin), scale.right];
    const hidden = Object.keys(ZONE_NAMES).filter((_, i) => !found || edges[i + 1] - edges[i] < NAME_FITS);
    const key = hidden.join();
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(
      ...hidden.map((zone) => h("span", { class: "ts-legend-item" }, h("i", { "data-zone": zone }), ZONE_NAMES[zone])),
    );
  }

  let measured = null; // the second note's width in one line and in two, in the page's font

  function noteSizes() {
    const font = `${state.get().theme.font}/${document.fonts.status}`; // widths change when the page's font arrives
    if (measured?.font === font && measured.one.width) return [measured.one, measured.two];
    const shapeOf = (two) => {
      notePick.hidden = false;
      notePick.toggleAttribute("data-two", two);
      return { width: notePick.offsetWidth, height: notePick.offsetHeight, two };
    };
    measured = { font, one: shapeOf(false), two: shapeOf(true) };
    return [measured.one, measured.two];
  }

  function placeNotes(s, found, pick, boxes, scale, box) {
    const drawn = [];
    const show = s.notes && !s.playing && !s.dragging;
    noteHard.hidden = !show;
    notePick.hidden = !show || pick?.kind !== "pick";
    if (!show) return drawn;
    // The hard zone may be a sliver: the note stands beside it, the arrow goes to its middle.
    const target = [(scale.left + scale(distanceTo(found.answer, found.at, found.positive))) / 2, box.notes + box.names - 2];
    const noteX = Math.min(target[0] + 34, box.right - 210);
    place(noteHard, noteX, 0);
    drawn.push(arrow([noteX - 4, 10], [target[0], target[1] - 14], [target[0], 8]));
    const picked = boxes.find((b) => b.role === "negative" && b.sample === pick?.negative);
    if (picked) {
      const spot = freeSpot(boxes, picked, box, noteSizes());
      notePick.hidden = !spot;
      if (spot) {
        notePick.toggleAttribute("data-two", spot.two);
        place(notePick, spot.x, spot.y);
        const fromLeft = spot.x > picked.x;
        const start = [fromLeft ? spot.x - 3 : spot.x + spot.width + 3, spot.y + spot.height / 2];
        const end = [picked.x + (fromLeft ? 1 : -1) * (picked.half + 5), picked.y];
        drawn.push(arrow(start, end, [(start[0] + end[0]) / 2, Math.max(start[1], end[1]) + 4]));
      }
    }
    return drawn;
  }

  const observer = new ResizeObserver(resize);
  observer.observe(plot);

  state.subscribe((s, changed) => {
    element.toggleAttribute("data-empty", !s.runs[s.run]);
    if (!touches(changed, "run", "runs", "frame", "anchor", "positive", "answers", "lane", "hover", "pinned", "theme", "size", "sprites", "strategies", "message", "notes", "playing", "dragging")) return;
    const found = currentAnswer(s);
    if (found && touches(changed, "run", "runs", "frame", "anchor", "positive", "answers")) {
      const sameMoment = !touches(changed, "run", "frame", "anchor", "runs");
      slideTo(distanceTo(found.answer, found.at, found.positive), sameMoment && touches(changed, "positive"));
    }
    if (touches(changed, "hover", "pinned") && changed.size <= 2 && !touches(changed, "frame")) {
      swarm.mark(s.hover?.index, s.pinned);
      lens.mark(s.hover?.index, s.pinned);
      return;
    }
    draw(s);
  });

  return {
    element,
    resize,
    stop() {
      cancelAnimationFrame(sliding);
      observer.disconnect();
    },
  };
}

/** The strategy whose lane is chosen. */
export function laneStrategy(s) {
  return s.strategies.find((strategy) => strategy.name === s.lane) ?? s.strategies[0];
}

/** "Euclidean distance", whatever way the run spells it. */
function distanceWords(run) {
  const name = String(run.distance_title ?? run.distance);
  const words = /distance/i.test(name) ? name : `${name} distance`;
  return words[0].toUpperCase() + words.slice(1);
}

function place(element, x, y) {
  element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
}

function hatch() {
  return svg(
    "defs", {},
    svg("pattern", { id: "ts-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("line", { class: "ts-hatch-line", x1: 0, y1: 0, x2: 0, y2: 7 })),
  );
}

function arrowHead() {
  return svg(
    "defs", {},
    svg("marker", { id: "ts-arrow", viewBox: "0 0 8 8", refX: 6.5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
      svg("path", { class: "ts-arrow-head", d: "M0.5,0.5L7.5,4L0.5,7.5" })),
  );
}

function arrow([x1, y1], [x2, y2], [cx, cy]) {
  const d = `M${x1},${y1}Q${cx},${cy} ${x2},${y2}`;
  // A seam in the background colour keeps the line readable where it crosses thumbnails.
  return svg("g", {}, svg("path", { class: "ts-arrow-seam", d }), svg("path", { class: "ts-arrow", d, "marker-end": "url(#ts-arrow)" }));
}

/** Zone bands, their names and the margin bracket; `near` is d(a,p) as drawn. */
function drawZones(run, scale, box, near) {
  const edges = [scale.left, scale(near), scale(near + run.margin), scale.right];
  const bottom = box.height - 4;
  const parts = [];
  Object.keys(ZONE_NAMES).forEach((zone, i) => {
    const [x, width] = [edges[i], Math.max(0, edges[i + 1] - edges[i])];
    parts.push(svg("rect", { class: "ts-zone", "data-zone": zone, x, y: box.swarmTop, width, height: bottom - box.swarmTop }));
    if (zone === "easy") parts.push(svg("rect", { x, y: box.swarmTop, width, height: bottom - box.swarmTop, fill: "url(#ts-hatch)" }));
    parts.push(svg("rect", { class: "ts-zone-head", "data-zone": zone, x, y: box.notes, width, height: box.names }));
    if (width >= NAME_FITS) {
      const name = zone === "easy" && !run.soft_margin && width > 120 ? "easy, loss 0" : ZONE_NAMES[zone];
      parts.push(svg("text", { class: "ts-zone-name", x: x + width / 2, y: box.notes + 14.5, "text-anchor": "middle" }, name));
    }
  });
  for (const [edge, name] of [[edges[1], "near"], [edges[2], "far"]]) {
    parts.push(svg("line", { class: `ts-zone-edge ts-zone-edge-${name}`, x1: edge, x2: edge, y1: box.notes, y2: bottom }));
  }
  const y = box.notes - 6;
  parts.push(svg("path", { class: "ts-bracket", d: `M${edges[1]},${y + 4}V${y}H${edges[2]}V${y + 4}` }));
  const text = `margin ${tickText(run.margin)}`;
  parts.push(svg("text", { class: "ts-bracket-text", x: edges[2] + 6, y: y + 4 }, text));
  return parts;
}

function drawAxis(run, scale, box) {
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
    parts.push(svg("text", { class: "ts-axis-title", x: x + 9, y: y + 17.5 }, "log \u2192"));
  }
  return parts;
}

function laneHeading(run, box) {
  const y = box.lanesTop - 5;
  return svg(
    "g", {},
    svg("text", { class: "ts-lanes-heading", x: 0, y }, "would pick"),
    svg("text", { class: "ts-lanes-heading", x: box.lossX, y, "text-anchor": "end" }, run.soft_margin ? "soft loss" : "loss"),
  );
}

/** A hairline from the picked thumbnail down to its mark in the chosen lane. */
function drawPickLine(s, pick, boxes, box, colour) {
  const picked = boxes.find((b) => b.role === "negative" && b.sample === pick?.negative);
  if (!picked) return [];
  const lane = s.strategies.findIndex((strategy) => strategy.name === s.lane);
  const end = box.lanesTop + (lane + 0.5) * box.lane;
  return [svg("line", { class: "ts-pick-line", x1: picked.x, x2: picked.x, y1: picked.y + picked.half, y2: end, stroke: colour })];
}

/** How many thumbnails an arrow from (x, y) to the pick would run over. */
function crossed(boxes, picked, x, y) {
  const over = new Set();
  const [dx, dy] = [x - picked.x, y - picked.y];
  for (let along = picked.half + 8; along < Math.abs(dx); along += 10) {
    const [px, py] = [picked.x + Math.sign(dx) * along, picked.y + (dy * along) / Math.abs(dx)];
    for (const b of boxes) {
      if (b !== picked && Math.abs(b.x - px) < (b.halfX ?? b.half) && Math.abs(b.y - py) < (b.halfY ?? b.half)) over.add(b);
    }
  }
  return over.size;
}

/** Where among the negatives a note covers the fewest thumbnails, by itself and by its arrow, near the pick; null if all is full.
 *
 * `sizes` = the shapes the note can take, the preferred one first. */
function freeSpot(boxes, picked, box, sizes) {
  let best = null;
  sizes.forEach(({ width, height, two }, rank) => {
    for (let y = box.negativeTop + 2; y <= box.lanesTop - box.heading - height + 4; y += 8) {
      for (let x = box.left + 4; x <= box.right - width; x += 12) {
        const covering = boxes.filter((b) => {
          const [halfX, halfY] = [b.halfX ?? b.half, b.halfY ?? b.half];
          return b.x + halfX > x - 2 && b.x - halfX < x + width + 2 && b.y + halfY > y + 3 && b.y - halfY < y + height - 3;
        });
        const covered = covering.reduce((sum, b) => sum + (b.covers ?? 1), 0);
        const gap = x > picked.x ? x - picked.x : picked.x - x - width;
        if (gap < picked.half + 20) continue; // the arrow needs a way
        let cost = 400 * covered + 120 * rank + gap + Math.abs(y + height / 2 - picked.y);
        if (best && cost >= best.cost) continue;
        cost += 60 * crossed(boxes, picked, x > picked.x ? x : x + width, y + height / 2);
        if (!best || cost < best.cost) best = { x, y, width, height, two, cost, covered };
      }
    }
  });
  return best && best.covered < 1 ? best : null;
}
