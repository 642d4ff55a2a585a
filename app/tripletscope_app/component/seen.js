// Panels far down the page: while they are off screen and time runs, they cost nothing, and catch up at rest.
import { inMotion } from "./state.js";

const SEEN_REST = 300; // ms without a change

/** Calls `update(s, changed keys)` while `element` is on screen; off screen it gathers keys, and updates when the element
 * comes into view or nothing has changed for a while (a screen reader reads what nobody scrolled to). A change of the
 * element's width is the key "size". */
export function whenSeen({ element, state, update }) {
  let seen = false;
  let width = 0;
  let timer = 0;
  let missed = new Set();

  // Time may have begun to move since the timer was set: its end is heard of, and sets another one.
  const catchUpAtRest = () => inMotion(state.get()) || catchUp();

  function catchUp() {
    clearTimeout(timer);
    if (!missed.size || !width) return;
    const keys = missed;
    missed = new Set();
    update(state.get(), keys);
  }

  function note(...keys) {
    for (const key of keys) missed.add(key);
    if (seen) return catchUp();
    clearTimeout(timer);
    if (!inMotion(state.get())) timer = setTimeout(catchUpAtRest, SEEN_REST);
  }

  const sight = new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    if (seen) catchUp();
  });
  const sizes = new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    note("size");
  });
  sight.observe(element);
  sizes.observe(element);
  state.subscribe((s, changed) => note(...changed));

  return {
    note,
    stop() {
      clearTimeout(timer);
      sight.disconnect();
      sizes.disconnect();
    },
  };
}
