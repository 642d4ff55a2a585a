// The one client state. Panels subscribe and hear, once per animation frame, which keys changed.

/** {get, set, subscribe, flush, stop}: `set` merges a patch; equal values are not changes. */
export function createState(initial) {
  let current = { ...initial };
  let changed = new Set();
  let request = 0;
  const listeners = [];

  function flush() {
    cancelAnimationFrame(request);
    request = 0;
    if (!changed.size) return;
    const keys = changed;
    changed = new Set(); // a listener may set again: that is the next round
    for (const listener of listeners) listener(current, keys);
    if (changed.size && !request) request = requestAnimationFrame(flush);
  }

  function set(patch) {
    for (const [key, value] of Object.entries(patch)) {
      if (Object.is(current[key], value)) continue;
      current = { ...current, [key]: value };
      changed.add(key);
    }
    if (changed.size && !request) request = requestAnimationFrame(flush);
  }

  return {
    get: () => current,
    set,
    subscribe: (listener) => listeners.push(listener),
    flush,
    /** Marks keys as changed without a new value: after a resize or a theme change everything is drawn again. */
    touch(...keys) {
      keys.forEach((key) => changed.add(key));
      if (!request) request = requestAnimationFrame(flush);
    },
    stop() {
      cancelAnimationFrame(request);
      listeners.length = 0;
    },
  };
}

/** Whether time moves: it plays, somebody drags it, or points are on their way to a frame. On a slow machine long pauses
 * lie between two changes of one motion, so that no pause tells its end. */
export function inMotion({ playing, dragging, t, frame }) {
  return playing || dragging || t !== frame;
}

/** True if any of the names is among the changed keys. */
export function touches(changed, ...names) {
  return names.some((name) => changed.has(name));
}
