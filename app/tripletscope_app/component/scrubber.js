// The scrubber: one slider for all panels, with every recorded frame as a tick and R@1 of the race inside the track.
import { clamp, h, setText, svg } from "./dom.js";
import { markColour } from "./marks.js";
import { seriesAt } from "./store.js";
import { touches } from "./state.js";
import { curvePath, labelledFrames, timeScale } from "./timeline.js";

const TRACK = 34;
const SCRUBBER_HEIGHT = 54;
const INSET = 12;

export function createScrubber({ state, actions }) {
  const drawing = svg("svg", { class: "ts-scrubber-drawing", "aria-hidden": "true" });
  const handle = h("div", { class: "ts-scrubber-handle" });
  const element = h(
    "div",
    { class: "ts-scrubber", role: "slider", tabindex: "0", "aria-label": "training step", "aria-orientation": "horizontal" },
    drawing, handle,
  );
  let width = 0;
  let dragging = false;

  function scaleOf(run) {
    return timeScale(run, INSET, width - INSET);
  }

  function resize() {
    const box = element.getBoundingClientRect();
    if (box.width === width) return;
    width = box.width;
    state.touch("size");
  }

  function draw(s, run) {
    const x = scaleOf(run);
    const y = (value) => TRACK - 4 - value * (TRACK - 8);
    const parts = [svg("rect", { class: "ts-track", x: 0, y: 0, width, height: TRACK, rx: 7 })];
    for (const entry of s.race) {
      const other = s.runs[entry.digest];
      if (!other?.seriesOf.recall_at_1) continue;
      parts.push(svg("path", {
        class: "ts-spark", d: curvePath(run, other.steps, other.seriesOf.recall_at_1, x, y),
        stroke: markColour(entry.mark, s.theme.dark), "stroke-dasharray": (entry.mark?.dash ?? []).join(" ") || null,
        "data-current": entry.digest === s.run,
      }));
    }
    run.frames.forEach((_, i) => parts.push(svg("line", { class: "ts-frame-tick", x1: x(i), x2: x(i), y1: TRACK - 3, y2: TRACK + 3 })));
    for (const i of labelledFrames(run, x, 36)) {
      parts.push(svg("text", { class: "ts-tick-text", x: x(i), y: TRACK + 16, "text-anchor": "middle" }, String(run.frames[i])));
    }
    parts.push(svg("text", { class: "ts-track-title", x: INSET + 2, y: 13 }, "R@1"));
    drawing.setAttribute("viewBox", `0 0 ${width} ${SCRUBBER_HEIGHT}`);
    drawing.replaceChildren(...parts);
  }

  function seekTo(event) {
    const run = state.get().runs[state.get().run];
    if (!run) return;
    const box = element.getBoundingClientRect();
    actions.scrub(clamp(scaleOf(run).invert(event.clientX - box.left), 0, run.frames.length - 1));
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = true;
    element.setPointerCapture(event.pointerId);
    seekTo(event);
  });
  element.addEventListener("pointermove", (event) => dragging && seekTo(event));
  const end = () => {
    if (!dragging) return;
    dragging = false;
    actions.release();
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);

  const observer = new ResizeObserver(resize);
  observer.observe(element);

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    element.toggleAttribute("data-empty", !run);
    if (!run || !width) return;
    if (touches(changed, "run", "runs", "size", "theme", "race")) draw(s, run);
    if (touches(changed, "t", "run", "runs", "size")) handle.style.transform = `translateX(${scaleOf(run)(s.t).toFixed(1)}px)`;
    if (touches(changed, "frame", "run", "runs")) {
      const recall = seriesAt(run, "recall_at_1", s.frame);
      const step = run.frames[s.frame];
      element.setAttribute("aria-valuemin", run.frames[0]);
      element.setAttribute("aria-valuemax", run.frames.at(-1));
      element.setAttribute("aria-valuenow", step);
      element.setAttribute("aria-valuetext", `step ${step}${recall === null ? "" : `, R@1 ${recall.toFixed(2)}`}`);
      setText(handle, String(step));
    }
  });

  return { element, resize, stop: () => observer.disconnect() };
}
