// The distance ruler: how far every candidate is from the anchor, which zone it lies in, and who would pick whom.
import { clamp, decimalsFor, easeInOut, fixed, h, reducedMotion, setText, svg } from "./dom.js";
import { className, sampleName, shortName } from "./store.js";
import { touches } from "./state.js";
import { centresAt, chancesOf, currentAnswer, distanceTo, filteredFor, pickOf, zoneOf } from "./answers.js";
import { markColour } from "./marks.js";
import { rulerScale } from "./scale.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { createSwarm } from "./swarm.js";
import { createLens } from "./lens.js";
import { createLaneNames } from "./lane_names.js";
import { drawLaneRules, drawLanes } from "./lanes.js";
import { createTune } from "./tune.js";
import { rulerLayout } from "./ruler_layout.js";
import { zoneCountWords, countZones } from "./zone_counts.js";
import { createZoneGround, drawRulerAxis, namelessZones, rulerHatch, zoneEdges } from "./ruler_zones.js";
import { createMarginHandle, marginText } from "./margin_handle.js";
import { createGhosts, outsidersOf, outsideWords } from "./ghosts.js";
import { createRulerNotes, notesArrowHead } from "./ruler_notes.js";
import { noAnswerWords } from "./sentence.js";
import { termsOf } from "./terms.js";
import { panelFiles, tableWith, unitOf } from "./watch_files.js";

const SLIDE = 260; // ms for the zones to slide to another positive
// What redraws the ruler, and what only lights something on it.
const RULER_DRAWN_BY = ["run", "runs", "frame", "anchor", "positive", "answers", "lane", "theme", "size", "sprites", "strategies", "message", "notes", "others", "playing", "dragging", "margin", "lanes", "tuned", "engine"];
const RULER_LIT_BY = ["hover", "pinned", "hoverClasses", "focus"];

export function createRuler({ state, actions, sprites, lineup }) {
  const [zones, still, moves] = [createZoneGround(), svg("g"), svg("g")];
  const ghosts = createGhosts({ state, actions, sprites });
  const drawing = svg("svg", { class: "ts-ruler-drawing", "aria-hidden": "true" }, rulerHatch(), zones.element, still, ghosts.strip, moves);
  const arrows = svg("svg", { class: "ts-ruler-drawing ts-ruler-arrows", "aria-hidden": "true" });
  const layer = h("div", { class: "ts-ruler-layer", role: "group", "aria-label": "candidates by distance: arrow keys move, Enter chooses" });
  const lens = createLens({ state, actions, sprites });
  const anchorThumb = thumbElement("span", { class: "ts-thumb ts-anchor-thumb" });
  const anchorWord = h("div", { class: "ts-anchor-word" }, "anchor");
  const role = (name, meaning) => h("div", { class: "ts-role" }, name, h("small", {}, meaning));
  const roleAbove = role("positives", "same class");
  const roleBelow = role("negatives", "other classes");
  const waiting = h("div", { class: "ts-waiting", role: "status" });
  const staleWords = h("div", { class: "ts-lanes-stale ts-ellipsis", role: "status", hidden: true });
  const spoken = h("p", { class: "ts-sr" });
  const plot = h("div", { class: "ts-ruler-plot" });
  const handle = createMarginHandle({ state, actions, plot });
  const notes = createRulerNotes({ state });
  const tune = createTune({ state, actions });
  plot.append(
    drawing, handle.edge, layer, ...ghosts.elements, lens.element, anchorThumb, anchorWord, roleAbove, roleBelow,
    ...notes.elements, arrows, handle.words, handle.counts, handle.knob, tune.element, staleWords, waiting, spoken,
  );
  const titleName = h("bdi");
  const titleWords = document.createTextNode("");
  const title = h("div", { class: "ts-panel-title ts-ellipsis" }, titleWords, titleName);
  const legend = h("div", { class: "ts-legend" });
  const candidates = h("div", { class: "ts-candidates-title ts-ellipsis" });
  const toggleOf = (key, meaning) => {
    const button = h("button", { type: "button", class: "ts-notes-toggle", title: meaning }, key);
    button.addEventListener("click", () => state.set({ [key]: !state.get()[key] }));
    return button;
  };
  const toggles = {
    others: toggleOf("others", ""),
    notes: toggleOf("notes", "show or hide the notes"),
  };
  const element = h("section", { class: "ts-ruler", "aria-label": "Distance ruler" });
  const files = panelFiles({ state, name: "ruler", title: "distance ruler", element, table: rulerTable, anchored: true, without: ".ts-toggles, .ts-lineup-button, .ts-tune, .ts-lane-remove, .ts-margin-knob, .ts-margin-reset, .ts-lane-scroll, .ts-ghost-card" });
  element.append(h("div", { class: "ts-panel-head" }, title, candidates, legend, lineup?.button, h("div", { class: "ts-toggles" }, Object.values(toggles)), files), plot);

  const swarm = createSwarm({ layer, state, actions, sprites });
  const laneNames = createLaneNames({ layer: plot, state, actions });
  let size = { width: 0, height: 0 };
  let shown = null; // {near}: the bound of "hard" as drawn, which slides when another positive is chosen
  let sliding = 0;
  const words = { geometry: "", answer: null }; // as last placed

  function resize() {
    const { width, height } = plot.getBoundingClientRect();
    if (width === size.width && height === size.height) return;
    size = { width, height };
    state.touch("size");
  }

  function slideTo(target, moves) {
    cancelAnimationFrame(sliding);
    if (!moves || !shown || reducedMotion() || !Number.isFinite(target + shown.near)) {
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
    const run = s.runs[s.run]; // with its own margin: the axis does not follow a what-if
    if (!run || !size.width) return;
    const found = currentAnswer(s);
    const near = found ? distanceTo(found.answer, found.at, found.positive) : NaN;
    const whole = found && Number.isFinite(near) ? found : null; // there is something to draw
    const box = rulerLayout(size.width, size.height, { strategies: s.strategies.length, positives: found?.answer.positives.length ?? 3 });
    const scale = rulerScale({ max: run.ruler_max, margin: run.margin, left: box.left, right: box.right });
    const moving = s.playing || s.dragging;
    for (const sheet of [drawing, arrows]) sheet.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    const inView = laneNames.view(s, box);
    laneNames.update(s, whole, { top: box.lanesTop, height: box.lane, width: box.width, gutter: box.gutter - 6, moving });
    const strategy = laneStrategy(s);
    tune.place(s, strategy, box);
    const pick = whole && strategy && pickOf(whole.answer, whole.at, strategy, whole.positive);
    drawStill(s, run, scale, box);
    const bound = Number.isFinite(shown?.near) ? shown.near : near;
    if (whole) zones.draw(whole.run, scale, box, bound, s.theme.font);
    else zones.hide();
    const parts = found && !whole ? [] : drawLanes(s, whole, { lanes: inView, scale, top: box.lanesTop, height: box.lane, right: box.right, lossX: box.lossX });
    handle.place(s, whole, { scale, box, near: bound, moving });
    ghosts.draw(s, whole, { scale, box, moving });
    const edges = whole && zoneEdges(scale, near, whole.run.margin);
    if (whole) {
      const ring = markColour(strategy?.mark, s.theme.dark);
      const boxes = swarm.place({ found: whole, scale, bands: box.bands, size: box.size, chosenNegative: pick?.negative, ring, moving });
      const row = inView.findIndex((i) => s.strategies[i].name === s.lane);
      parts.push(...drawPickLine(pick, boxes, box.lanesTop + (row + 0.5) * box.lane, ring));
      const area = lens.draw(whole, { scale, box, boxes, chosenNegative: pick?.negative, ring, moving });
      // Where the lens looks: from the place on the axis to its own edge.
      if (area) parts.push(svg("path", { class: "ts-lens-ways", d: area.ways }));
      const noted = s.notes && !moving ? { pick, ring, boxes: area ? [...boxes, area] : boxes, edges, box, zones: !handle.busy(s), keepOff: edges[2] + handle.room(s) } : null;
      if (!noted) notes.hide();
      arrows.replaceChildren(...(noted ? [notesArrowHead(), ...notes.draw(noted)] : []));
    } else {
      swarm.clear();
      lens.hide();
      notes.hide();
      arrows.replaceChildren();
    }
    light(s);
    moves.replaceChildren(...parts);
    placeWords(s, run, found, whole, box, moving);
    drawLegend(edges, s.theme.font);
    if (!moving) setText(spoken, whole ? spokenWords(whole) : "");
  }

  function placeWords(s, run, found, whole, box, moving) {
    const round = Math.min(34, box.size + 8);
    paintThumb(anchorThumb, run, s.anchor, round, sprites);
    const geometry = `${box.width}/${box.height}/${box.axisY}/${box.lanesTop}/${round}`;
    if (words.geometry !== geometry) {
      words.geometry = geometry;
      const middle = box.axisY + box.axis / 2;
      placeAt(anchorThumb, box.left - round / 2 - 4, middle - round / 2 - 4);
      placeAt(anchorWord, 0, middle - 9);
      placeAt(roleAbove, 0, (box.swarmTop + box.axisY) / 2 - 19);
      placeAt(roleBelow, 0, box.negativeTop + 4);
      anchorWord.style.width = `${box.left - round / 2 - 12}px`;
      placeAt(waiting, box.left + 20, box.negativeTop + 10);
      placeAt(staleWords, box.left, box.lanesTop - 18);
      staleWords.style.maxWidth = `${box.right - box.left}px`;
    }
    if (moving && whole && words.answer === whole.answer) return; // while time runs, these words stay as they are
    words.answer = whole?.answer;
    waiting.hidden = Boolean(whole);
    const nan = found && !whole ? "no distances: the embedding has numbers that are none (NaN) at this step" : null;
    setText(waiting, whole ? "" : nan ?? noAnswerWords(s) ?? "asking the engine \u2026");
    staleWords.hidden = !whole?.stale;
    if (whole?.stale) setText(staleWords, `still the picks with margin ${marginText(whole.answer.margin)}, until the engine has answered`);
    const start = `${distanceWords(run)} from this `;
    if (titleWords.data !== start) titleWords.data = start;
    setText(titleName, shortName(run, s.anchor));
    const lost = whole ? whole.answer.candidates.filter((sample) => !Number.isFinite(distanceTo(whole.answer, whole.at, sample))).length : 0;
    const told = whole ? whole.answer.candidates_title : "";
    const more = lost ? `; ${lost} without a distance (NaN)` : "";
    const filter = whole ? filterWords(run) : null;
    // How it was drawn, and whom a filter concerns, is said to who asks: the line is short.
    setText(candidates, told.split(", ")[0] + more + (filter ? `; ${filter.short}` : ""));
    const fully = told + more + (filter ? `; ${filter.long}` : "");
    if (candidates.title !== fully) candidates.title = fully;
    const { othersTitle } = termsOf(run);
    if (toggles.others.title !== othersTitle) toggles.others.title = othersTitle;
    for (const [key, toggle] of Object.entries(toggles)) toggle.setAttribute("aria-pressed", String(Boolean(s[key])));
  }

  /** The axis and headings: the same at every frame, so drawn once per size, run and theme. */
  function drawStill(s, run, scale, box) {
    const key = [size.width, size.height, run.digest, s.theme.key, s.strategies.length, box.axisY].join("/");
    if (still.dataset.key === key) return;
    still.dataset.key = key;
    const y = box.lanesTop - 5;
    still.replaceChildren(
      ...drawRulerAxis(scale, box), ...drawLaneRules(box),
      svg("text", { class: "ts-lanes-heading", x: 0, y }, "would pick"),
      svg("text", { class: "ts-lanes-heading", x: box.lossX, y, "text-anchor": "end" }, run.soft_margin ? "soft loss" : run.loss && !run.class_centres ? "triplet loss" : "loss"),
    );
  }

  function drawLegend(edges, font) {
    const hidden = edges ? namelessZones(edges, font) : ["hard", "semi-hard", "easy"];
    const key = hidden.join();
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(
      ...hidden.map((zone) => h("span", { class: "ts-legend-item" }, h("i", { "data-zone": zone }), zone)),
    );
  }

  function light(s) {
    swarm.mark(s);
    lens.mark(s);
    ghosts.mark(s);
  }

  const observer = new ResizeObserver(resize);
  observer.observe(plot);

  state.subscribe((s, changed) => {
    element.toggleAttribute("data-empty", !s.runs[s.run]);
    if (!touches(changed, ...RULER_DRAWN_BY)) {
      if (touches(changed, ...RULER_LIT_BY)) light(s);
      return;
    }
    const found = currentAnswer(s);
    if (found && touches(changed, "run", "runs", "frame", "anchor", "positive", "answers")) {
      const sameMoment = !touches(changed, "run", "frame", "anchor", "runs");
      slideTo(distanceTo(found.answer, found.at, found.positive), sameMoment && touches(changed, "positive"));
    }
    draw(s);
  });

  return {
    element,
    resize,
    stop() {
      cancelAnimationFrame(sliding);
      handle.stop();
      observer.disconnect();
    },
  };
}

/** The strategy whose lane is chosen. */
export function laneStrategy(s) {
  return s.strategies.find((strategy) => strategy.name === s.lane) ?? s.strategies[0];
}

/** What a filter took from the strategy that trained, in a few words and in more; null in a run without one. */
function filterWords(run) {
  if (run.filter === undefined) return null;
  const who = run.strategy_title;
  if (!run.filter) return { short: `${who} was filtered`, long: `the loop that was recorded took negatives from ${who}; by which rule it does not say, so the lanes choose among all` };
  return { short: `${who} filtered, ${run.filter}`, long: `the filter ${run.filter} takes near negatives from ${who}, which trains; all other lanes choose among all` };
}

/** The ruler as a table: every candidate, its zone for the chosen positive, and who would pick it. */
function rulerTable(s) {
  const found = currentAnswer(s);
  const run = s.runs[s.run];
  const drawing = found ? s.strategies.filter((strategy) => chancesOf(found.answer, found.at, strategy, found.positive)) : [];
  const columns = ["role", "id", "class", unitOf(run, "distance to anchor"), unitOf(run, "gap"), "zone", "chosen or picked by", ...drawing.map(({ name }) => `chance by ${name} (largest = 1)`)];
  if (!found) return tableWith(s, columns, []);
  const { answer, at, positive } = found;
  const near = distanceTo(answer, at, positive);
  const picks = s.strategies.map((strategy) => [strategy, pickOf(answer, at, strategy, positive)]).filter(([, pick]) => pick.kind === "pick");
  const chances = drawing.map((strategy) => chancesOf(answer, at, strategy, positive));
  const positives = answer.positives.map((sample) => {
    const bringing = picks.filter(([, pick]) => pick.own && pick.positive === sample).map(([{ name }]) => `brought by ${name}`);
    return ["positive", sampleName(run, sample), className(run, sample), distanceTo(answer, at, sample), null, null, [...(sample === positive ? ["chosen"] : []), ...bringing].join("; "), ...drawing.map(() => null)];
  });
  const filtered = filteredFor(answer, at, s.strategies.find(({ name }) => name === run.strategy), positive);
  const negatives = answer.negatives.map((sample, i) => {
    const far = distanceTo(answer, at, sample);
    const gap = Math.fround(far - near);
    const by = picks.filter(([, pick]) => pick.negative === sample).map(([{ name }]) => name);
    if (filtered && !filtered.left.includes(sample)) by.push(`filtered for ${run.strategy}`);
    return ["negative", sampleName(run, sample), className(run, sample), far, gap, Number.isFinite(gap) ? zoneOf(gap, found.run.margin) : null, by.join("; "), ...chances.map((all) => all[i])];
  });
  // Nobody picks a centre; the run's own loss may learn from these two.
  const there = centresAt(answer, at);
  const centres = [["own", there?.own], ["nearest other", there?.rival]].filter(([, centre]) => centre)
    .map(([which, { label, distance }]) => ["learned centre", "", String(run.class_names[label] ?? label), distance, null, null, which, ...drawing.map(() => null)]);
  return tableWith(s, columns, [...positives, ...negatives, ...centres]);
}

/** "Euclidean distance", whatever way the run spells it. */
function distanceWords(run) {
  const name = String(run.distance_title ?? run.distance);
  const words = /distance/i.test(name) ? name : `${name} distance`;
  return words[0].toUpperCase() + words.slice(1);
}

/** What the ruler shows, for who cannot see it; the pick is in the sentence. */
function spokenWords(found) {
  const { run, answer, at, positive } = found;
  const near = distanceTo(answer, at, positive);
  const out = outsidersOf(found);
  return [
    `${distanceWords(run)} from the anchor, a ${className(run, answer.anchor)}, to ${answer.positives.length} positives and ${answer.negatives.length} negatives (${answer.candidates_title}).`,
    `The chosen positive is ${fixed(near, decimalsFor(near))} away; with margin ${marginText(run.margin)} its negatives are: ${zoneCountWords(countZones(found, [positive]))}.`,
    filterWords(run) ? `${capital(filterWords(run).long)}.` : "",
    out ? `${termsOf(run).outsideThere}: ${outsideWords(out)}.` : "",
  ].join(" ").trim();
}

function capital(words) {
  return words[0].toUpperCase() + words.slice(1);
}

function placeAt(element, x, y) {
  element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
}

/** A hairline from the picked thumbnail down to its mark in the chosen lane. */
function drawPickLine(pick, boxes, end, colour) {
  const picked = boxes.find((b) => b.role === "negative" && b.sample === pick?.negative);
  if (!picked) return [];
  return [svg("line", { class: "ts-pick-line", x1: picked.x, x2: picked.x, y1: picked.y + picked.half, y2: end, stroke: colour })];
}
