// Pointer and keys on the map: hover, click, drag, zoom, and a walk from point to point for those without a mouse.
import { glideCamera, zoomAt } from "./camera.js";

const POINT_REACH = 14;
const WHEEL_HINT_TIME = 1200;
const WALKS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The point nearest to (px, py) within the pick radius, or null. `spots` = x, y of each point in turn. */
export function pointAt(spots, px, py) {
  let best = null;
  let nearest = POINT_REACH ** 2;
  for (let i = 0; 2 * i < spots.length; i++) {
    const d = (spots[2 * i] - px) ** 2 + (spots[2 * i + 1] - py) ** 2;
    if (d < nearest) [best, nearest] = [i, d];
  }
  return best;
}

/** The next point from (x, y) in a direction: near, and rather ahead than aside; null where none is ahead. */
export function pointTowards(spots, from, [dx, dy], inside) {
  const [x, y] = [spots[2 * from], spots[2 * from + 1]];
  let best = null;
  let least = Infinity;
  for (let i = 0; 2 * i < spots.length; i++) {
    const [ox, oy] = [spots[2 * i] - x, spots[2 * i + 1] - y];
    const ahead = ox * dx + oy * dy;
    const aside = Math.abs(ox * dy - oy * dx);
    // At least a pixel, or points that lie on each other would keep the walker for ever.
    if (!(ahead >= 1) || aside > 2 * ahead || !inside(spots[2 * i], spots[2 * i + 1])) continue;
    const cost = ahead + 2 * aside;
    if (cost < least) [best, least] = [i, cost];
  }
  return best;
}

const NO_CENTRES = { at: () => null, hover() {}, click() {} };

/** Listens on the surface. `look()` = {view, spots, pins, size} as drawn; `hoverAt(index, byKey)` marks a point. `centres`
 * are those of classes: {at([x, y]) = whose, hover(label or null), click(label)}. */
export function handleMap({ surface, hint, state, actions, look, hoverAt, centres = NO_CENTRES }) {
  let drag = null;
  let hintTimer = 0;

  const local = (event) => {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const under = ([px, py]) => {
    const { pins, spots } = look();
    const onPin = pins.find((pin) => Math.max(Math.abs(pin.px - px), Math.abs(pin.py - py)) < pin.size / 2 + 3);
    return onPin ? onPin.index : pointAt(spots(), px, py);
  };
  const zoom = (px, py, factor, time) => {
    state.set({ steered: true });
    glideCamera(state, zoomAt(state.get().camera, look().view, px, py, factor), time);
  };
  const zoomMiddle = (factor) => look().view && zoom(look().size.width / 2, look().size.height / 2, factor, 160);

  surface.addEventListener("pointermove", (event) => {
    if (!look().view) return;
    if (!drag) {
      const place = local(event);
      const label = centres.at(place);
      centres.hover(label);
      hoverAt(label === null ? under(place) : null);
      return;
    }
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    if (!drag.moved) {
      drag.moved = true;
      centres.hover(null);
      hoverAt(null);
      surface.setPointerCapture(event.pointerId);
    }
    const { unit } = look().view;
    state.set({ steered: true, camera: { ...drag.camera, x: drag.camera.x - dx / unit, y: drag.camera.y + dy / unit } });
  });
  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !look().view) return;
    drag = { x: event.clientX, y: event.clientY, camera: state.get().camera, moved: false };
  });
  // The focus stays where it is when a pointer presses the map, so that arrow keys go on meaning time.
  surface.addEventListener("mousedown", (event) => event.preventDefault());
  surface.addEventListener("pointerup", (event) => {
    const click = drag && !drag.moved;
    drag = null;
    const label = click && look().view ? centres.at(local(event)) : null;
    if (label !== null) return centres.click(label);
    const index = click && look().view ? under(local(event)) : null;
    if (index !== null) actions.selectAnchor(index);
  });
  surface.addEventListener("pointercancel", () => (drag = null));
  surface.addEventListener("pointerleave", () => {
    if (!drag?.moved) drag = null;
    centres.hover(null);
    hoverAt(null);
  });
  surface.addEventListener("dblclick", (event) => {
    if (!look().view || under(local(event)) !== null) return;
    zoom(...local(event), event.shiftKey ? 0.4 : 2.5, 200);
  });
  surface.addEventListener(
    "wheel",
    (event) => {
      if (!look().view) return;
      // A plain wheel belongs to the page: nobody should get stuck on the map while scrolling.
      if (!event.ctrlKey && !event.metaKey) {
        hint.hidden = false;
        clearTimeout(hintTimer);
        hintTimer = setTimeout(() => (hint.hidden = true), WHEEL_HINT_TIME);
        return;
      }
      event.preventDefault();
      const camera = zoomAt(state.get().camera, look().view, ...local(event), Math.exp(-event.deltaY * 0.004));
      state.set({ steered: true, camera });
    },
    { passive: false },
  );

  function walk(direction) {
    const { spots, size } = look();
    const s = state.get();
    const inside = (x, y) => x >= 0 && y >= 0 && x <= size.width && y <= size.height;
    const next = pointTowards(spots(), s.hover?.index ?? s.anchor, direction, inside);
    // The first key stroke marks the place to start from where nothing lies ahead.
    hoverAt(next ?? s.hover?.index ?? s.anchor, true);
  }

  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !look().view) return;
    const { hover } = state.get();
    const keys = {
      "+": () => zoomMiddle(1.8),
      "=": () => zoomMiddle(1.8),
      "-": () => zoomMiddle(1 / 1.8),
      _: () => zoomMiddle(1 / 1.8),
      0: () => actions.cameraHome(),
      Escape: () => hoverAt(null, true),
      Enter: () => hover && actions.selectAnchor(hover.index),
    };
    if (WALKS[event.key] && !event.shiftKey) walk(WALKS[event.key]);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  surface.addEventListener("blur", () => state.get().hover?.where === "map" && hoverAt(null));

  return { zoomMiddle, dragging: () => Boolean(drag?.moved), stop: () => clearTimeout(hintTimer) };
}
