// The map: the run in one of its spaces. Layers, what is drawn when, and the passage from one space to another; in a
// two-dimensional run the map is the very space that is mined.
import { clamp, easeInOut, h, reducedMotion, setText, wholeNumber } from "./dom.js";
import { classColours, parseColour } from "./theme.js";
import { touches } from "./state.js";
import { centresAt, currentAnswer } from "./answers.js";
import { homeCamera, projection } from "./camera.js";
import { createGlPoints } from "./map_gl.js";
import { createFlatPoints, writeDiscs } from "./map_2d.js";
import { frameShape, framesAround, paintClassNames, paintScaleBar, paintTrail, paintZoneNames, paintZones, positionAt } from "./map_paint.js";
import { FOOT, paintPin, ringPoint, paintThumbs, placePins } from "./map_pins.js";
import { badgeText, spaceMeaning, ownSheet, shownSheet } from "./space.js";
import { colourMode, createInk, litClasses } from "./map_ink.js";
import { className, sampleName } from "./store.js";
import { centrePlace, centreSpots, centreUnder, createCentreKey, paintCentres, placesCentres } from "./centres.js";
import { createLineLegend, paintCentreLines, paintLines, picksByNegative } from "./map_lines.js";
import { createClassList, createColourKey, createColourMenu, createFilterChip } from "./map_legend.js";
import { createSpaceControl } from "./map_space.js";
import { createCard, lostText, mapSentence, trueDistance } from "./map_words.js";
import { handleMap } from "./map_hands.js";
import { paintedBy } from "./snapshot.js";
import { createSvgPen } from "./svg_pen.js";
import { panelFiles, tableWith, unitOf } from "./watch_files.js";

const CARD_DELAY = 125;
const CARD_GRACE = 260;
const MANY_CLASSES = 20;
const PASSAGE = 250; // ms from one space to another
const REST = 500; // ms at rest until a screen reader hears what the map shows
const OVERLAID = ["run", "runs", "t", "frame", "anchor", "positive", "lane", "hover", "hoverClasses", "focus", "camera", "theme", "size", "sprites", "answers", "strategies", "playing", "dragging", "space", "layouts", "margin", "colourBy", "news", "centres"];

function wantsCanvas() {
  return Boolean(globalThis.__tripletscope_no_webgl) || /[?&]renderer=canvas\b/.test(location.search);
}

export function createMap({ state, actions, sprites }) {
  const layer = () => h("canvas", { class: "ts-layer", "aria-hidden": "true" });
  const [under, points, over] = [layer(), layer(), layer()];
  const picture = h("div", { class: "ts-layer", role: "img", "aria-label": "Map of the embedding" }, under, points, over);
  const keys = "Arrow keys go from point to point, Enter makes a point the anchor, plus and minus zoom, 0 shows the whole run.";
  const surface = h("div", { class: "ts-map-surface", tabindex: "0", role: "application", "aria-label": `Map. ${keys}` }, picture);
  const told = h("div", { class: "ts-sr", role: "status" });
  const pointed = h("div", { class: "ts-sr", "aria-live": "assertive" });

  const spaces = createSpaceControl({ state, actions });
  const colours = createColourMenu({ state });
  const classes = createClassList({ state, actions });
  const filter = createFilterChip({ actions });
  const badge = h("button", { type: "button", class: "ts-badge", "aria-describedby": "ts-badge-meaning", "aria-expanded": "false" });
  const meaning = h("div", { class: "ts-badge-meaning", id: "ts-badge-meaning", role: "tooltip", hidden: true });
  const bar = h("div", { class: "ts-map-bar" }, spaces.choice, colours.element, classes.button, badge);
  const top = h("div", { class: "ts-map-top" }, bar, spaces.status, filter.element);

  const lines = createLineLegend();
  const colourKey = createColourKey();
  const [lost, plain] = ["div", "div"].map((tag) => h(tag, { class: "ts-map-line", hidden: true }));
  const centreKey = createCentreKey({ state });
  const foot = h("div", { class: "ts-map-foot" }, lost, plain, centreKey.element, colourKey.element, lines.element);

  const note = h("div", { class: "ts-map-note" });
  const hint = h("div", { class: "ts-map-hint", hidden: true }, "Ctrl + wheel zooms, dragging moves");
  const zoomText = h("span", { class: "ts-zoom-text" });
  const button = (label, text, action) =>
    h("button", { type: "button", class: "ts-icon-button", "aria-label": label, title: label, onclick: action }, text);
  const controls = h(
    "div", { class: "ts-map-controls" },
    zoomText, button("zoom in", "+", () => hands.zoomMiddle(1.8)), button("zoom out", "\u2212", () => hands.zoomMiddle(1 / 1.8)),
    button("whole run", "\u2922", () => sheet && actions.cameraHome()),
  );
  const card = createCard(sprites);
  const element = h("section", { class: "ts-map", "aria-label": "Map" });
  controls.append(panelFiles({
    state, name: "map", title: "map", element, table: tableOf, space: () => [sheet.name, badgeText(state.get(), sheet)], anchored: true,
    without: ".ts-map-controls, .ts-map-bar > :not(.ts-badge), .ts-badge-meaning, .ts-map-hint, .ts-card, .ts-class-panel, .ts-map-job",
  }));
  element.append(
    surface, top, meaning, classes.panel, foot, note, hint, controls, card.element, told, pointed,
  );

  let drawer = (!wantsCanvas() && createGlPoints(points, onRestored)) || createFlatPoints(points);
  const inkOf = createInk();
  let size = { width: 0, height: 0, ratio: 1, head: 46 }; // head: px at the top that belong to the bar
  let footBox = [0, 0, 0, 0];
  let sheet = null; // the space on screen
  let view = null;
  let passage = null; // {sheet, camera, began} of the space that is being left
  let palette = [];
  let centres = []; // learned centres as drawn
  let pointedCentre = null; // the class whose centre is under the pointer
  let pinned = []; // pins as drawn, for clicks on their pictures
  let drawnPoints = ""; // what the points were drawn for: hovering redraws rings and not fifty thousand points
  let ringed = false; // whether something lies on the lowest canvas
  let placed = { key: "", spots: new Float32Array(0) };
  const cameras = new Map(); // space -> where it was looked at last
  let [cardTimer, restTimer, passing] = [0, 0, 0];

  function onRestored() {
    drawnPoints = "";
    state.touch("theme");
  }

  function resize() {
    const box = element.getBoundingClientRect();
    const ratio = Math.min(3, devicePixelRatio || 1);
    if (box.width === size.width && box.height === size.height && ratio === size.ratio) return;
    size = { ...size, width: box.width, height: box.height, ratio };
    for (const canvas of [under, points, over]) {
      canvas.width = Math.max(1, Math.round(box.width * ratio));
      canvas.height = Math.max(1, Math.round(box.height * ratio));
    }
    drawnPoints = ""; // a canvas that changes its size is empty
    ringed = false;
    state.touch("size");
  }

  function penOf(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    pen.clearRect(0, 0, size.width, size.height);
    return pen;
  }

  // --- spaces ---

  /** Takes the space that is wanted now; the camera of the one that is left is kept for the way back. */
  function follow(s) {
    const next = shownSheet(s);
    if (next === sheet) return s;
    const left = sheet;
    sheet = next;
    const [from, to] = [left && placeOf(left), placeOf(next)];
    if (from === to || (!left && next.own)) return s;
    cameras.set(from ?? "own", { camera: s.camera, frame: s.frame, steered: s.steered });
    const known = cameras.get(to);
    // A camera that nobody steered was aimed at one frame.
    const camera = known && (known.steered || known.frame === s.frame) ? known.camera : homeCamera();
    state.set({ camera });
    if (left && left.run.digest === next.run.digest && view && !reducedMotion()) {
      passage = { sheet: left, camera: s.camera, began: performance.now() };
      cancelAnimationFrame(passing);
      passing = requestAnimationFrame(pass);
    }
    return state.get();
  }

  // Runs of a race share their own scale; every UMAP has its own.
  const placeOf = (some) => (some.own ? "own" : some.key);

  function pass() {
    if (!passage || state.get().gone) return;
    if (performance.now() - passage.began >= PASSAGE) passage = null;
    draw(state.get());
    if (passage) passing = requestAnimationFrame(pass);
  }

  /** {sheet, view, behind} of the space that is being left, or null at rest. */
  function leaving() {
    if (!passage) return null;
    const share = clamp((performance.now() - passage.began) / PASSAGE, 0, 1);
    return { sheet: passage.sheet, view: projection(passage.camera, passage.sheet, size.width, size.height), behind: 1 - easeInOut(share) };
  }

  function screenOf(t, index, left) {
    const [x, y] = positionAt(sheet, t, index);
    const here = [view.toX(x), view.toY(y)];
    if (!left) return here;
    const [fromX, fromY] = positionAt(left.sheet, t, index);
    const from = [left.view.toX(fromX), left.view.toY(fromY)];
    return here.map((value, i) => value + (from[i] - value) * left.behind);
  }

  /** x, y on screen of every point in turn; computed when somebody points, walks or draws without WebGL. */
  function spotsNow() {
    const { t } = state.get();
    const key = `${pointsKey(state.get())}|${passage ? performance.now() : ""}`;
    if (placed.key === key && placed.sheet === sheet) return placed.spots;
    const spots = placed.spots.length === 2 * sheet.n ? placed.spots : new Float32Array(2 * sheet.n);
    const left = leaving();
    const [at, next, blend] = framesAround(sheet, t);
    const fill = (source, look, share) => {
      const [a, b, c] = [2 * at * sheet.n, 2 * next * sheet.n, [look.toX(0), look.toY(0)]];
      for (let i = 0; i < spots.length; i++) {
        const value = blend ? source.pos[a + i] + (source.pos[b + i] - source.pos[a + i]) * blend : source.pos[a + i];
        const spot = i & 1 ? c[1] - value * look.scale : c[0] + value * look.scale;
        spots[i] = share === 1 ? spot : spots[i] + (spot - spots[i]) * share;
      }
    };
    fill(sheet, view, 1);
    if (left) fill(left.sheet, left.view, left.behind);
    placed = { key, sheet, spots };
    return spots;
  }

  const pointsKey = (s) => [sheet.key, s.t, s.camera.x, s.camera.y, s.camera.zoom, size.width, size.height, size.ratio].join("|");

  // --- drawing ---

  function draw(s) {
    if (!sheet || !size.width || !s.theme) return;
    const { run } = sheet;
    const left = leaving();
    view = projection(s.camera, sheet, size.width, size.height);
    const ink = inkOf(s, sheet, palette);
    drawPoints(s, ink, left);

    const found = currentAnswer(s);
    // A canvas that nobody touches costs the browser nothing.
    const ground = ringed || sheet.exact ? penOf(under) : null;
    ringed = sheet.exact;
    const rings = left ? null : paintRings(ground, s, found);
    note.hidden = !paintOver(penOf(over), s, { found, rings, left });
  }

  function paintRings(pen, s, found) {
    if (!found || !sheet.exact || sheet.run.distance === "cosine") return null;
    const [anchor, positive] = [positionAt(sheet, s.t, s.anchor), positionAt(sheet, s.t, found.positive)];
    if (![...anchor, ...positive].every(Number.isFinite)) return null;
    return paintZones(pen, { view, run: found.run, colours: s.zoneColours, ...size, anchor, positive });
  }

  /** What lies over the points; true where they are all in one dot. */
  function paintOver(pen, s, { found, rings, left }) {
    const { run } = sheet;
    const screen = (index) => screenOf(s.t, index, left);
    const shape = frameShape(sheet, s.frame);
    const collapsed = shape.radius * view.scale < 9 && !left;
    const sprite = sprites.sheet(run);
    if (sprite && s.camera.zoom >= 2) paintThumbs(pen, { run, sprite, spots: spotsNow(), palette, lit: litClasses(s), theme: s.theme, ...size });
    centres = s.centres && !left ? centreSpots(sheet, s.t, view) : [];
    if (rings) paintZoneNames(pen, { ...rings, colours: s.zoneColours, theme: s.theme, ...size });
    if ((s.playing || s.dragging) && !left) {
      for (const index of [s.anchor, found?.positive].filter((i) => i !== undefined)) {
        paintTrail(pen, { sheet, t: s.t, index, view, colour: s.theme.text, ground: s.theme.background });
      }
    }
    if (centres.length) paintCentreLines(pen, s, { sheet, found, from: screen(s.anchor), spots: centres });
    if (centres.length) paintCentres(pen, { spots: centres, palette, theme: s.theme, lit: litClasses(s), plain: colourMode(s) !== "class" });
    pinned = placePins(paintLines(pen, s, { sheet, found, screen }), size);
    if (!collapsed) drawNames(pen, s, screen);
    for (const pin of pinned) paintPin(pen, pin, run, sprite, s.theme);
    if (s.hover) ringPoint(pen, screen(s.hover.index), s.theme);
    const under = centres.find(({ label }) => label === pointedCentre);
    if (under) ringPoint(pen, [under.x, under.y], s.theme, 12);
    if (sheet.exact) paintScaleBar(pen, { view, run, margin: s.margin ?? run.margin, theme: s.theme, ...size });
    if (collapsed) placeNote(shape);
    return collapsed;
  }

  function drawPoints(s, ink, left) {
    const key = `${pointsKey(s)}|${ink.key}|${left ? performance.now() : ""}`;
    if (key === drawnPoints) return;
    drawnPoints = key;
    const [at, next, blend] = framesAround(sheet, s.t);
    drawer.draw({ sheet, at, next, blend, view, left, ink, spots: spotsNow, ground: parseColour(s.theme.background), size: dotSize(s), ratio: size.ratio });
  }

  function dotSize(s) {
    // Many points are drawn smaller, or fifty thousand would be one patch; few are drawn larger.
    const crowd = clamp((2000 / sheet.n) ** 0.18, 0.6, 1.6);
    return clamp(4.6 * crowd * s.camera.zoom ** 0.3 * Math.sqrt(Math.min(size.width, size.height) / 420), 2.6, 12);
  }

  // --- for files ---

  const now = () => [state.get(), currentAnswer(state.get())];
  paintedBy(under, (pen) => sheet && paintRings(pen, ...now()));
  paintedBy(points, (pen) => {
    const [s] = now();
    if (sheet) writeDiscs(pen, { sheet, spots: spotsNow, ink: inkOf(s, sheet, palette), ground: parseColour(s.theme.background), size: dotSize(s), ...size });
  });
  paintedBy(over, (pen) => {
    const [s, found] = now();
    // The rings lie on the canvas below; here their radii are wanted, for the names of the zones.
    const rings = sheet && paintRings(createSvgPen(), s, found);
    if (sheet) paintOver(pen, { ...s, hover: null }, { found, rings, left: null });
  });

  /** Every sample: its place, what it is to the anchor, and its true distance where somebody knows it. */
  function tableOf(s) {
    const { run } = sheet;
    const found = currentAnswer(s);
    const picked = found ? picksByNegative(s, found) : new Map();
    const roleOf = (i) => (i === s.anchor ? "anchor" : i === found?.positive ? "positive" : (picked.get(i) ?? []).map(({ title }) => `picked by ${title}`).join("; "));
    const rows = Array.from({ length: sheet.n }, (_, i) => {
      const [x, y] = positionAt(sheet, s.frame, i);
      return [sampleName(run, i), className(run, i), x, y, trueDistance(s, sheet, found, i), roleOf(i)];
    });
    const known = found && centresAt(found.answer, found.at);
    if (placesCentres(sheet)) {
      run.class_names.forEach((name, label) => {
        const [x, y] = centrePlace(sheet, s.frame, label);
        if (Number.isFinite(x + y)) rows.push(["", String(name), x, y, known?.distanceTo(label) ?? null, "learned centre"]);
      });
    }
    return tableWith(s, ["id", "class", `x (${sheet.name})`, `y (${sheet.name})`, unitOf(run, "distance to anchor"), "role"], rows);
  }

  function drawNames(pen, s, screen) {
    const { run } = sheet;
    const blocked = pinned.map((p) => [p.px - p.size / 2 - 5, p.py - p.size / 2 - 5, p.px + p.size / 2 + 5, p.py + p.size / 2 + 5]);
    blocked.push(...centres.map(({ x, y }) => [x - 9, y - 9, x + 9, y + 9]));
    // No name lies on the scale bar, under the buttons or under the legends.
    blocked.push([0, 0, size.width, size.head], [size.width - 200, size.height - 44, size.width, size.height], footBox);
    if (sheet.exact) blocked.push([0, size.height - FOOT, size.width * 0.45, size.height]);
    const lit = litClasses(s);
    // Two hundred names would bury the points: then only those that the picture speaks of.
    const spoken = [s.anchor, s.hover?.index, ...pinned.map((pin) => pin.index)].filter((i) => i !== undefined);
    const wanted = run.class_names.length > MANY_CLASSES ? new Set([...spoken.map((i) => run.label[i]), ...(lit ?? [])]) : null;
    paintClassNames(pen, { sheet, frame: s.frame, screen, palette, theme: s.theme, blocked, wanted, lit, plain: colourMode(s) !== "class", ...size });
  }

  function placeNote(shape) {
    setText(note, `All ${wholeNumber(sheet.n)} points are in this dot. Zoom in to look inside.`);
    const [x, y] = [view.toX(shape.cx), view.toY(shape.cy)];
    note.style.left = `${clamp(x, 110, size.width - 110)}px`;
    // Under the pins; over them where the scale bar and the buttons need the room.
    note.style.top = `${clamp(y + 84 < size.height - 92 ? y + 84 : y - 132, size.head, size.height - 92)}px`;
  }

  // --- what is pointed at ---

  function showCard(s) {
    if (pointedCentre !== null) return showCentreCard(s);
    if (!sheet || s.hover?.where !== "map" || hands.dragging()) return;
    const [x, y] = screenOf(s.t, s.hover.index, null);
    card.show(s, { sheet, found: currentAnswer(s), index: s.hover.index, x, y, ...size });
  }

  function hoverAt(index, byKey = false) {
    const { hover } = state.get();
    if ((hover?.index ?? null) === index && (hover === null || hover.where === "map")) return;
    clearTimeout(cardTimer);
    state.set({ hover: index === null ? null : { index, where: "map" } });
    // The ring is immediate; the card waits until the pointer rests, and forgives a short slip.
    cardTimer = setTimeout(
      () => {
        if (index === null) card.hide();
        else showCard(state.get());
        setText(pointed, byKey && index !== null ? card.element.innerText.replace(/\s*\n\s*/g, ", ") : "");
      },
      index === null ? CARD_GRACE : card.hidden && !byKey ? CARD_DELAY : 0,
    );
  }

  function showCentreCard(s) {
    const spot = centres.find(({ label }) => label === pointedCentre);
    const found = currentAnswer(s);
    if (!spot) return card.hide();
    card.showCentre({ run: sheet.run, label: spot.label, distance: found ? centresAt(found.answer, found.at)?.distanceTo(spot.label) : null, x: spot.x, y: spot.y, ...size });
  }

  /** What the hands do with the centres, which lie over the points. */
  const onCentres = {
    at: (place) => centreUnder(centres, place),
    hover(label) {
      if (label === pointedCentre) return;
      pointedCentre = label;
      clearTimeout(cardTimer);
      state.touch("hover");
      cardTimer = setTimeout(() => (label === null ? card.hide() : showCard(state.get())), label === null ? CARD_GRACE : card.hidden ? CARD_DELAY : 0);
    },
    click(label) {
      const { focus } = state.get();
      actions.setFocus(focus?.[0] === label && (focus[1] ?? null) === null ? null : [label, null]);
    },
  };

  const look = () => ({ view, pins: pinned, size, spots: spotsNow });
  const hands = handleMap({ surface, hint, state, actions, look, hoverAt, centres: onCentres });

  const showMeaning = (yes) => {
    meaning.hidden = !yes;
    badge.setAttribute("aria-expanded", String(yes));
  };
  badge.addEventListener("pointerenter", () => showMeaning(true));
  badge.addEventListener("pointerleave", () => showMeaning(false));
  badge.addEventListener("focus", () => showMeaning(true));
  badge.addEventListener("blur", () => showMeaning(false));
  badge.addEventListener("click", () => showMeaning(true)); // a finger has no hover

  // --- words on the map ---

  function write(s) {
    const { run } = sheet;
    spaces.update(s, sheet);
    colours.update(s);
    classes.update(s, palette);
    filter.update(s);
    colourKey.update(s);
    centreKey.update(s, sheet);
    lines.update(run, s.theme.dark, !sheet.exact && Boolean(currentAnswer(s)));
    setText(badge, badgeText(s, sheet));
    badge.toggleAttribute("data-exact", sheet.exact);
    setText(meaning, spaceMeaning(sheet));
    element.dataset.space = sheet.name;
    const missing = frameShape(sheet, s.frame).lost;
    lost.hidden = !missing;
    if (missing) setText(lost, lostText(missing));
    plain.hidden = drawer.kind !== "canvas2d";
    setText(plain, "Drawn without WebGL: smooth up to about 2,000 points.");
    foot.toggleAttribute("data-scale-bar", sheet.exact);
    const { zoom } = s.camera;
    const factor = Math.abs(zoom - 1) < 0.01 ? "" : `× ${zoom >= 10 ? Math.round(zoom) : zoom.toFixed(1)}`;
    setText(zoomText, [sheet.exact ? "fixed scale" : "", factor].filter(Boolean).join(" "));
    clearTimeout(restTimer);
    restTimer = setTimeout(tell, REST);
  }

  /** At rest only: nobody wants to hear sixty sentences a second. */
  function tell() {
    const s = state.get();
    if (!sheet || s.playing || s.dragging || s.gone) return;
    const sentence = mapSentence(s, sheet, currentAnswer(s));
    picture.setAttribute("aria-label", `Map of the embedding. ${sentence}`);
    setText(told, sentence);
  }

  const observer = new ResizeObserver(() => {
    resize();
    const [outer, box] = [element.getBoundingClientRect(), foot.getBoundingClientRect()];
    footBox = [box.left - outer.left - 4, box.top - outer.top - 4, box.right - outer.left + 4, box.bottom - outer.top + 4];
    const head = 18 + bar.getBoundingClientRect().height; // the lines under the bar come and go: pins stay put
    if (head !== size.head) state.touch("size");
    size.head = head;
    meaning.style.top = classes.panel.style.top = `${head - 4}px`;
    classes.panel.style.maxHeight = `${outer.height - head - 46}px`;
  });
  for (const part of [element, foot, bar]) observer.observe(part);

  state.subscribe((given, changed) => {
    const run = given.runs[given.run];
    element.toggleAttribute("data-empty", !run);
    surface.tabIndex = run ? 0 : -1;
    if (!run || !touches(changed, ...OVERLAID)) return;
    const s = follow(given);
    if (touches(changed, "theme", "run", "runs")) palette = classColours(run.class_names.length, s.theme.dark);
    if (changed.size > 1 || !touches(changed, "t", "hover")) write(s);
    draw(s);
    if (!card.hidden && touches(changed, "frame", "run", "anchor", "space", "layouts", "colourBy")) {
      // Its distance is another one now; without a hovered point, after a click say, it goes.
      if (s.hover?.where === "map" || pointedCentre !== null) showCard(s);
      else card.hide();
    }
  });

  return {
    element,
    renderer: () => drawer.kind,
    resize,
    /** Page coordinates of the learned centres on screen, by class, for tests. */
    centres() {
      const box = element.getBoundingClientRect();
      return centres.map(({ label, x, y }) => ({ label, x: box.left + x, y: box.top + y }));
    },
    /** Page coordinates of a sample, for tests: a canvas has no elements to ask. */
    project(index) {
      const s = state.get();
      const shown = shownSheet(s);
      if (!shown) return null;
      const box = element.getBoundingClientRect();
      const now = projection(s.camera, shown, box.width, box.height);
      const [x, y] = positionAt(shown, s.t, index);
      return { x: box.left + now.toX(x), y: box.top + now.toY(y) };
    },
    stop() {
      observer.disconnect();
      for (const timer of [cardTimer, restTimer]) clearTimeout(timer);
      cancelAnimationFrame(passing);
      hands.stop();
      spaces.stop();
      drawer.stop();
    },
  };
}

/** The opening camera: the whole run, or `zoom` times nearer around the middle of what is there now. */
export function openingCamera(run, frame, zoom) {
  if (!zoom || zoom === 1) return homeCamera();
  const { centre, extent } = run;
  const [x, y] = frameShape(ownSheet(run), frame).middle;
  return { x: (x - centre[0]) / extent, y: (y - centre[1]) / extent, zoom };
}
