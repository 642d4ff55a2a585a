// Time on screen: recorded frames stand at equal distances, because they are log-spaced and most happens early.
// The scrubber and all curves share this axis, so a cursor means the same everywhere.

/** Time in frames (fractional between them) of an optimiser step. */
export function timeOfStep(run, step) {
  const { frames } = run;
  const last = frames.length - 1;
  if (last < 1 || step <= frames[0]) return 0;
  if (step >= frames[last]) return last;
  let at = 0;
  while (frames[at + 1] <= step) at++;
  return at + (step - frames[at]) / (frames[at + 1] - frames[at]);
}

/** A map from time in frames to pixels. */
export function timeScale(run, left, right) {
  const last = Math.max(1, run.frames.length - 1);
  return Object.assign((t) => left + ((right - left) * t) / last, { left, right, invert: (x) => ((x - left) / (right - left)) * last });
}

/** Frames worth a label: round steps, no two closer than `apart` pixels, the first and last always. */
export function labelledFrames(run, scale, apart) {
  const { frames } = run;
  const last = frames.length - 1;
  const roundness = (step) => (step === 0 ? 4 : [1000, 100, 50, 10, 5].findIndex((unit) => step % unit === 0) + 1 || 9);
  const order = frames.map((_, i) => i).sort((a, b) => roundness(frames[a]) - roundness(frames[b]) || a - b);
  const chosen = [...new Set([0, last])];
  for (const i of order) if (chosen.every((j) => Math.abs(scale(i) - scale(j)) >= apart)) chosen.push(i);
  return chosen.sort((a, b) => a - b);
}

/** SVG path of a curve on the time axis; steps without a value are bridged, as R@1 exists at frames only. */
export function curvePath(run, steps, values, x, y) {
  let path = "";
  steps.forEach((step, i) => {
    if (!Number.isFinite(values[i])) return;
    path += `${path ? "L" : "M"}${x(timeOfStep(run, step)).toFixed(1)},${y(values[i]).toFixed(1)}`;
  });
  return path;
}

/** Makes `element` a place to scrub: dragging moves time, and a pointer over it points at a frame in all panels.
 *
 * `scaleOf(run)` maps time to pixels of the element. Pressing scrubs at once, unless `onclick(event)` is given: then only
 * a drag does, and a press that does not move is a click. */
export function scrubOn(element, { state, actions, scaleOf, onclick }) {
  let pressed = null; // where the pointer went down, until it is clear whether it drags
  let dragging = false;

  function timeAt(event) {
    const run = state.get().runs[state.get().run];
    if (!run) return null;
    const t = scaleOf(run).invert(event.clientX - element.getBoundingClientRect().left);
    return Math.min(run.frames.length - 1, Math.max(0, t));
  }

  function drag(event) {
    const t = timeAt(event);
    if (t === null) return;
    dragging = true;
    state.set({ hoverFrame: null });
    actions.scrub(t);
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pressed = event.clientX;
    element.setPointerCapture(event.pointerId);
    if (!onclick) drag(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (dragging || (pressed !== null && Math.abs(event.clientX - pressed) > 4)) drag(event);
    else if (pressed === null && event.pointerType !== "touch") {
      const t = timeAt(event);
      state.set({ hoverFrame: t === null ? null : Math.round(t) });
    }
  });
  element.addEventListener("pointerleave", () => !dragging && state.set({ hoverFrame: null }));
  const end = (event) => {
    const clicked = pressed !== null && !dragging && event.type === "pointerup";
    pressed = null;
    if (dragging) {
      dragging = false;
      actions.release();
    } else if (clicked) onclick?.(event);
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
}

/** Sets what a screen reader hears of a chart that is a slider over the run's frames. */
export function tellTime(element, run, frame, text) {
  element.setAttribute("aria-valuemin", run.frames[0]);
  element.setAttribute("aria-valuemax", run.frames.at(-1));
  element.setAttribute("aria-valuenow", run.frames[frame]);
  element.setAttribute("aria-valuetext", text);
}
