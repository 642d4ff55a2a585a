// The map: layers, camera, picking, hover card. In a two-dimensional run it is the very space that is mined.
import { clamp, fixed, decimalsFor, h, setText, wholeNumber } from "./dom.js";
import { className, sampleName } from "./store.js";
import { classColours, parseColour, rgba } from "./theme.js";
import { markColour } from "./marks.js";
import { touches } from "./state.js";
import { currentAnswer, pickOf } from "./answers.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { glideCamera, homeCamera, projection, zoomAt } from "./camera.js";
import { createGlPoints } from "./map_gl.js";
import { createFlatPoints } from "./map_2d.js";
import { FOOT, frameShape, paintClassNames, paintPin, paintScaleBar } from "./map_paint.js";
import { paintTrail, paintZoneNames, paintZones, placePins, positionAt } from "./map_paint.js";

const PICK_RADIUS = 14;
const CARD_DELAY = 125;
const CARD_GRACE = 260;
const MANY_CLASSES = 20;
const MANY_THUMBS = 90; // with fewer points in view than this, every one shows its picture

function wantsCanvas() {
  return Boolean(globalThis.__tripletscope_no_webgl) || /[?&]renderer=canvas\b/.test(location.search);
}

export function createMap({ state, actions, sprites }) {
  const under = h("canvas", { class: "ts-layer", "aria-hidden": "true" });
  const points = h("canvas", { class: "ts-layer", "aria-hidden": "true" });
  const over = h("canvas", { class: "ts-layer", "aria-hidden": "true" });
  const badge = h("div", { class: "ts-badge" });
  const note = h("div", { class: "ts-map-note" });
  const hint = h("div", { class: "ts-map-hint", hidden: true }, "Ctrl + wheel zooms, dragging moves");
  const zoomText = h("span", { class: "ts-zoom-text" });
  const button = (label, text, action) =>
    h("button", { type: "button", class: "ts-icon-button", "aria-label": label, title: label, onclick: action }, text);
  const zoomBy = (factor) => {
    const { width, height } = size;
    const { camera, runs, run } = state.get();
    if (runs[run]) {
      const view = projection(camera, runs[run], width, height);
      state.set({ steered: true });
      glideCamera(state, zoomAt(camera, view, width / 2, height / 2, factor), 160);
    }
  };
  const home = () => state.get().runs[state.get().run] && actions.cameraHome();
  const controls = h(
    "div", { class: "ts-map-controls" },
    zoomText, button("zoom in", "+", () => zoomBy(1.8)), button("zoom out", "\u2212", () => zoomBy(1 / 1.8)),
    button("whole run", "\u2922", home),
  );
  const cardThumb = thumbElement("span", { class: "ts-thumb" });
  const [cardLabel, cardId, cardText, cardFar] = ["ts-card-label", "ts-card-id", "ts-card-text", "ts-card-far"].map(
    (name) => h("div", { class: name }),
  );
  const card = h("div", { class: "ts-card", hidden: true }, cardThumb, h("div", {}, cardLabel, cardId, cardText, cardFar));
  const element = h(
    "div",
    { class: "ts-map", role: "img", "aria-label": "Map of the embedding" },
    under, points, over, badge, note, hint, controls, card,
  );

  let drawer = (!wantsCanvas() && createGlPoints(points, () => state.touch("theme"))) || createFlatPoints(points);
  let size = { width: 0, height: 0, ratio: 1 };
  let view = null;
  let palette = [];
  let pinned = []; // pins as drawn, for clicks on their pictures
  let drag = null;
  let cardTimer = 0;
  let hintTimer = 0;

  function resize() {
    const box = element.getBoundingClientRect();
    const ratio = Math.min(3, devicePixelRatio || 1);
    if (box.width === size.width && box.height === size.height && ratio === size.ratio) return;
    size = { width: box.width, height: box.height, ratio };
    for (const canvas of [under, points, over]) {
      canvas.width = Math.max(1, Math.round(box.width * ratio));
      canvas.height = Math.max(1, Math.round(box.height * ratio));
    }
    state.touch("size");
  }

  function penOf(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    pen.clearRect(0, 0, size.width, size.height);
    return pen;
  }

  function screenOf(run, t, index) {
    const [x, y] = positionAt(run, t, index);
    return [view.toX(x), view.toY(y)];
  }

  function nearestPoint(px, py) {
    const { runs, run: digest, t } = state.get();
    const run = runs[digest];
    if (!run || !view) return null;
    const onPin = pinned.find((pin) => Math.max(Math.abs(pin.px - px), Math.abs(pin.py - py)) < pin.size / 2 + 3);
    if (onPin) return onPin.index;
    let best = null;
    let nearest = PICK_RADIUS;
    for (let i = 0; i < run.n; i++) {
      const [x, y] = screenOf(run, t, i);
      const d = Math.hypot(x - px, y - py);
      if (d < nearest) [best, nearest] = [i, d];
    }
    return best;
  }

  // --- drawing ---

  function pinsAndLines(pen, s, run) {
    const pins = [];
    const found = currentAnswer(s);
    const at = (index, more) => {
      const [x, y] = screenOf(run, s.t, index);
      pins.push({ index, x, y, ...more });
    };
    const [ax, ay] = screenOf(run, s.t, s.anchor);
    if (found) {
      const { answer, at: frameAt, positive } = found;
      const groups = new Map();
      for (const strategy of s.strategies) {
        const pick = pickOf(answer, frameAt, strategy, positive);
        if (pick.kind !== "pick") continue;
        if (!groups.has(pick.negative)) groups.set(pick.negative, []);
        groups.get(pick.negative).push(strategy);
      }
      const [px, py] = screenOf(run, s.t, positive);
      strokeLine(pen, [ax, ay], [px, py], s.theme.text, 1.8, [], s.theme.background);
      for (const [negative, list] of groups) {
        const to = screenOf(run, s.t, negative);
        // Strategies that agree share a line's way; a small offset keeps each colour and dash visible.
        const [nx, ny] = unitNormal([ax, ay], to);
        list.forEach((strategy, i) => {
          const shift = (i - (list.length - 1) / 2) * 3;
          const chosen = strategy.name === s.lane;
          pen.globalAlpha = chosen ? 1 : 0.4;
          strokeLine(
            pen, [ax + nx * shift, ay + ny * shift], [to[0] + nx * shift, to[1] + ny * shift],
            markColour(strategy.mark, s.theme.dark), chosen ? 2.6 : 1.2, strategy.mark?.dash ?? [], chosen ? s.theme.background : null,
          );
        });
        pen.globalAlpha = 1;
        const main = list.find((strategy) => strategy.name === s.lane);
        if (main) at(negative, { size: 30, ring: markColour(main.mark, s.theme.dark), weight: 3, side: Math.PI / 2 });
      }
      at(positive, { size: 26, ring: s.theme.text, weight: 1.5, side: -Math.PI / 4 });
    }
    at(s.anchor, { size: 32, ring: s.theme.text, weight: 3, round: true, side: (-3 * Math.PI) / 4 });
    return placePins(pins, size.width, size.height);
  }

  function draw(s) {
    const run = s.runs[s.run];
    if (!run || !size.width) return;
    view = projection(s.camera, run, size.width, size.height);
    const at = Math.min(run.frames.length - 1, Math.floor(s.t));
    const next = Math.min(run.frames.length - 1, at + 1);
    const dot = clamp(4.6 * s.camera.zoom ** 0.3 * Math.sqrt(Math.min(size.width, size.height) / 420), 3.6, 12);
    drawer.draw({
      run, at, next, blend: s.t - at, camera: s.camera, view, colours: palette,
      paletteKey: `${s.theme.key}/${run.digest}`, ground: parseColour(s.theme.background), size: dot, ratio: size.ratio,
    });

    const ground = penOf(under);
    const found = currentAnswer(s);
    let rings = null;
    if (found && run.exact && run.distance !== "cosine") {
      rings = paintZones(ground, {
        view, run, colours: s.zoneColours, ...size,
        anchor: positionAt(run, s.t, s.anchor), positive: positionAt(run, s.t, found.positive),
      });
    }

    const pen = penOf(over);
    const shape = frameShape(run, s.frame);
    const collapsed = shape.radius * view.scale < 9;
    drawManyThumbs(pen, s, run);
    if (rings) paintZoneNames(pen, { ...rings, colours: s.zoneColours, theme: s.theme, ...size });
    if (s.playing || s.dragging) {
      for (const index of [s.anchor, found?.positive].filter((i) => i !== undefined)) {
        paintTrail(pen, { run, t: s.t, index, view, colour: s.theme.text, ground: s.theme.background });
      }
    }
    const pins = pinsAndLines(pen, s, run);
    pinned = pins;
    const blocked = pins.map((p) => [p.px - p.size / 2 - 5, p.py - p.size / 2 - 5, p.px + p.size / 2 + 5, p.py + p.size / 2 + 5]);
    // No name lies on the scale bar or under the buttons.
    blocked.push([0, size.height - FOOT, size.width * 0.45, size.height], [size.width - 200, size.height - 44, size.width, size.height]);
    if (!collapsed) {
      // Two hundred names would bury the points: then only those that the picture speaks of.
      const spoken = [s.anchor, s.hover?.index, ...pins.map((pin) => pin.index)].filter((i) => i !== undefined);
      const wanted = run.class_names.length > MANY_CLASSES ? new Set(spoken.map((i) => run.label[i])) : null;
      paintClassNames(pen, { run, t: s.t, frame: s.frame, view, palette, theme: s.theme, blocked, wanted, ...size });
    }
    const sheet = sprites.sheet(run);
    for (const pin of pins) paintPin(pen, pin, run, sheet, s.theme);
    if (s.hover) {
      const [x, y] = screenOf(run, s.t, s.hover.index);
      pen.strokeStyle = s.theme.text;
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.arc(x, y, 9, 0, 2 * Math.PI);
      pen.stroke();
    }
    paintScaleBar(pen, { view, run, theme: s.theme, ...size });
    note.hidden = !collapsed;
    if (collapsed) {
      setText(note, `All ${wholeNumber(run.n)} points are in this dot. Zoom in to look inside.`);
      const [x, y] = [view.toX(shape.cx), view.toY(shape.cy)];
      note.style.left = `${clamp(x, 110, size.width - 110)}px`;
      // Under the pins; over them where the scale bar and the buttons need the room.
      note.style.top = `${clamp(y + 84 < size.height - 92 ? y + 84 : y - 132, 40, size.height - 92)}px`;
    }
  }

  function drawManyThumbs(pen, s, run) {
    const sheet = sprites.sheet(run);
    if (!sheet || s.camera.zoom < 2) return;
    const inside = [];
    for (let i = 0; i < run.n && inside.length <= MANY_THUMBS; i++) {
      const [x, y] = screenOf(run, s.t, i);
      if (x > -12 && y > -12 && x < size.width + 12 && y < size.height + 12) inside.push([i, x, y]);
    }
    if (inside.length > MANY_THUMBS) return;
    const { width, height, columns, pixelated } = run.thumb;
    const zoom = 22 / Math.max(width, height);
    pen.imageSmoothingEnabled = !pixelated;
    for (const [i, x, y] of inside) {
      pen.fillStyle = s.theme.background;
      pen.strokeStyle = rgba(palette[run.label[i]]);
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.roundRect(x - 13, y - 13, 26, 26, 4);
      pen.fill();
      pen.stroke();
      pen.drawImage(
        sheet.canvas, (i % columns) * width, Math.floor(i / columns) * height, width, height,
        x - (width * zoom) / 2, y - (height * zoom) / 2, width * zoom, height * zoom,
      );
    }
  }

  // Each line has a seam in the background colour, or it would drown among a thousand points.
  function strokeLine(pen, from, to, colour, weight, dash, ground) {
    if (ground) strokeLine(pen, from, to, ground, weight + 2.4, [], null);
    pen.strokeStyle = colour;
    pen.lineWidth = weight;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    pen.setLineDash([]);
  }

  function unitNormal([ax, ay], [bx, by]) {
    const length = Math.hypot(bx - ax, by - ay);
    return length > 1 ? [-(by - ay) / length, (bx - ax) / length] : [0, 0];
  }

  // --- the card ---

  function showCard(s) {
    const run = s.runs[s.run];
    if (!run || s.hover?.where !== "map" || drag) return;
    const index = s.hover.index;
    card.hidden = false;
    paintThumb(cardThumb, run, index, 56, sprites);
    setText(cardLabel, className(run, index));
    setText(cardId, `id ${sampleName(run, index)}`);
    setText(cardText, run.texts ? String(run.texts[index] ?? "") : "");
    cardText.hidden = !cardText.textContent;
    const far = run.exact && run.distance === "euclidean" ? mapDistance(run, s.frame, s.anchor, index) : null;
    setText(cardFar, index === s.anchor ? "the anchor" : far === null ? "click: new anchor" : `${far} from the anchor`);
    const [x, y] = screenOf(run, s.t, index);
    const box = card.getBoundingClientRect();
    card.style.left = `${clamp(x + 18, 6, Math.max(6, size.width - box.width - 6))}px`;
    card.style.top = `${clamp(y - box.height - 14, 6, Math.max(6, size.height - box.height - 6))}px`;
  }

  function mapDistance(run, frame, a, b) {
    const [[ax, ay], [bx, by]] = [positionAt(run, frame, a), positionAt(run, frame, b)];
    const d = Math.hypot(ax - bx, ay - by);
    return fixed(d, decimalsFor(d));
  }

  function hoverAt(index) {
    const { hover } = state.get();
    if ((hover?.index ?? null) === index && (hover === null || hover.where === "map")) return;
    clearTimeout(cardTimer);
    state.set({ hover: index === null ? null : { index, where: "map" } });
    // The ring is immediate; the card waits until the pointer rests, and forgives a short slip.
    cardTimer = setTimeout(
      () => (index === null ? (card.hidden = true) : showCard(state.get())),
      index === null ? CARD_GRACE : card.hidden ? CARD_DELAY : 0,
    );
  }

  // --- pointer ---

  const local = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const onControls = (event) => event.composedPath().includes(controls);

  element.addEventListener("pointermove", (event) => {
    if (drag) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      if (!drag.moved) {
        drag.moved = true;
        hoverAt(null);
        element.setPointerCapture(event.pointerId);
      }
      state.set({ steered: true, camera: { ...drag.camera, x: drag.camera.x - dx / view.scale, y: drag.camera.y + dy / view.scale } });
    } else hoverAt(onControls(event) ? null : nearestPoint(...local(event)));
  });
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || onControls(event) || !view) return;
    drag = { x: event.clientX, y: event.clientY, camera: state.get().camera, moved: false };
  });
  element.addEventListener("pointerup", (event) => {
    const click = drag && !drag.moved;
    drag = null;
    const index = click && !onControls(event) ? nearestPoint(...local(event)) : null;
    if (index !== null) actions.selectAnchor(index);
  });
  element.addEventListener("pointercancel", () => (drag = null));
  element.addEventListener("pointerleave", () => {
    if (!drag?.moved) drag = null;
    hoverAt(null);
  });
  element.addEventListener("dblclick", (event) => {
    if (!view || onControls(event) || nearestPoint(...local(event)) !== null) return;
    state.set({ steered: true });
    glideCamera(state, zoomAt(state.get().camera, view, ...local(event), event.shiftKey ? 0.4 : 2.5), 200);
  });
  element.addEventListener(
    "wheel",
    (event) => {
      if (!view) return;
      // A plain wheel belongs to the page: nobody should get stuck on the map while scrolling.
      if (!event.ctrlKey && !event.metaKey) {
        hint.hidden = false;
        clearTimeout(hintTimer);
        hintTimer = setTimeout(() => (hint.hidden = true), 1200);
        return;
      }
      event.preventDefault();
      state.set({ steered: true, camera: zoomAt(state.get().camera, view, ...local(event), Math.exp(-event.deltaY * 0.004)) });
    },
    { passive: false },
  );

  const observer = new ResizeObserver(resize);
  observer.observe(element);

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    element.toggleAttribute("data-empty", !run);
    if (!run) return;
    if (touches(changed, "theme", "run", "runs")) {
      palette = classColours(run.class_names.length, s.theme.dark);
      setText(badge, run.badge);
      badge.toggleAttribute("data-exact", Boolean(run.exact));
    }
    const zoom = s.camera.zoom;
    setText(zoomText, Math.abs(zoom - 1) < 0.01 ? "fixed scale" : `fixed scale × ${zoom >= 10 ? Math.round(zoom) : zoom.toFixed(1)}`);
    draw(s);
    if (!card.hidden && touches(changed, "frame", "run", "anchor")) {
      // Its distance is another one now; without a hovered point, after a click say, it goes.
      if (s.hover?.where === "map") showCard(s);
      else card.hidden = true;
    }
  });

  return {
    element,
    renderer: () => drawer.kind,
    resize,
    /** Page coordinates of a sample, for tests: a canvas has no elements to ask. */
    project(index) {
      const s = state.get();
      const run = s.runs[s.run];
      if (!run) return null;
      const box = element.getBoundingClientRect();
      const now = projection(s.camera, run, box.width, box.height);
      const [x, y] = positionAt(run, s.t, index);
      return { x: box.left + now.toX(x), y: box.top + now.toY(y) };
    },
    stop() {
      observer.disconnect();
      clearTimeout(cardTimer);
      clearTimeout(hintTimer);
      drawer.stop();
    },
  };
}

/** The opening camera: the whole run, or `zoom` times nearer around the middle of what is there now. */
export function openingCamera(run, frame, zoom) {
  if (!zoom || zoom === 1) return homeCamera(run);
  const [x, y] = frameShape(run, frame).middle;
  return { x, y, zoom };
}
