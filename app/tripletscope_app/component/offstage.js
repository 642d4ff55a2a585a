// Panels out of view stand still while something moves: they neither draw nor take part in the layout of the page, and
// catch up when it is at rest. What nobody sees was most of the cost of a frame: the browser lines up every picture and
// every clipped line of the whole page anew whenever one canvas changes. At rest all of it is there again, for the
// keyboard, for a search in the page and for screen readers.
import { inMotion } from "./state.js";

const CALM = 250; // ms without a change until the page is at rest
const MOVES = ["t", "frame", "run", "anchor", "positive", "answers", "camera", "playing", "dragging", "margin", "space"];
const NEAR = 40; // px about the view: what a small scroll brings in is ready
const LITTLE = 60; // px: a panel of which no more is in view than its heading stays as it is, and is not drawn again

/** {panel, watch, stop}: `panel()` gives a panel a state of its own that holds its changes back while it is off stage;
 * `watch(elements)` says which elements these are, in the same order, and begins. */
export function createOffstage({ state, root }) {
  const parts = []; // {element, box, listeners, missed, seen, little, frozen}
  let busy = false;
  let timer = 0;

  function deliver(part) {
    if (!part.missed.size) return;
    const keys = part.missed;
    part.missed = new Set();
    for (const listener of part.listeners) listener(state.get(), keys);
  }

  function freeze(part) {
    const { element } = part;
    if (part.frozen || part.seen !== false || element.contains(element.getRootNode().activeElement)) return;
    const { width, height } = part.box;
    part.frozen = true;
    element.style.containIntrinsicSize = `${width}px ${height}px`;
    element.style.contentVisibility = "hidden";
  }

  function thaw(part) {
    if (!part.frozen) return;
    part.frozen = false;
    part.element.style.contentVisibility = part.element.style.containIntrinsicSize = "";
  }

  function rest() {
    if (inMotion(state.get())) return; // it has just begun, and nobody was told yet: its end is another rest
    busy = false;
    root.toggleAttribute("data-moving", false);
    for (const part of parts) {
      thaw(part);
      deliver(part);
    }
  }

  const sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting, boundingClientRect, intersectionRect } of entries) {
      const part = parts.find((one) => one.element === target);
      if (!part) continue;
      part.seen = isIntersecting;
      part.little = isIntersecting && intersectionRect.height < Math.min(NEAR + LITTLE, boundingClientRect.height);
      if (!part.frozen) part.box = boundingClientRect;
      if (!isIntersecting) continue;
      thaw(part);
      if (!busy || !part.little) deliver(part);
    }
  }, { rootMargin: `${NEAR}px`, threshold: [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3] });

  function hear(s, changed) {
    const opening = !s.run || ["runs", "theme", "strategies"].some((key) => changed.has(key)); // then everything is drawn
    if (!opening && MOVES.some((key) => changed.has(key))) {
      clearTimeout(timer);
      if (!inMotion(s)) timer = setTimeout(rest, CALM);
      if (!busy) {
        busy = true;
        root.toggleAttribute("data-moving", true);
        for (const part of parts) freeze(part);
      }
    }
    for (const part of parts) {
      for (const key of changed) part.missed.add(key);
      if (opening) thaw(part);
      if (!part.frozen && (!busy || !part.little)) deliver(part);
    }
  }

  return {
    /** A state for one panel, whose listeners hear in time what they missed. */
    panel() {
      const part = { element: null, listeners: [], missed: new Set(), seen: undefined, little: false, frozen: false, box: null };
      parts.push(part);
      return { ...state, subscribe: (listener) => part.listeners.push(listener) };
    },
    watch(elements) {
      elements.forEach((element, i) => {
        parts[i].element = element;
        sight.observe(element);
      });
      state.subscribe(hear);
    },
    stop() {
      clearTimeout(timer);
      sight.disconnect();
    },
  };
}
