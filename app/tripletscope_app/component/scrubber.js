// The scrubber: one slider for all panels. In its track every recorded frame is a tick, R@1 of the race are lines, the
// watched run's spread is a shade, and events are flags.
import { h, setText, svg } from "./dom.js";
import { markColour } from "./marks.js";
import { seriesAt } from "./store.js";
import { touches } from "./state.js";
import { curvePath, labelledFrames, scrubOn, tellTime, timeOfStep, timeScale } from "./timeline.js";
import { eventsOf } from "./findings.js";
import { createFlags } from "./flags.js";

const TRACK = 34;
const SCRUBBER_HEIGHT = 54;
const INSET = 12;

/** The spread as a filled shape on a log scale from its smallest to its largest; null where none was recorded. */
function spreadShade(run, x) {
  const values = run.seriesOf.spread ?? [];
  let [low, high] = [Infinity, 0];
  for (const value of values) {
    if (!(value > 0) || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (!high) return null;
  const [floor, ceiling] = [Math.log(Math.min(low, high / 2)), Math.log(high)];
  const points = run.steps.flatMap((step, i) =>
    values[i] > 0 && Number.isFinite(values[i]) ? [`${x(timeOfStep(run, step)).toFixed(1)},${(TRACK - 1 - ((Math.log(values[i]) - floor) / (ceiling - floor)) * (TRACK - 8)).toFixed(1)}`] : []);
  const ends = [points[0], points.at(-1)].map((point) => point.split(",")[0]);
  return svg("path", { class: "ts-spread-shade", d: `M${ends[0]},${TRACK}L${points.join("L")}L${ends[1]},${TRACK}Z` });
}

export function createScrubber({ state, actions }) {
  const drawing = svg("svg", { class: "ts-scrubber-drawing", "aria-hidden": "true" });
  const ghost = h("div", { class: "ts-scrubber-ghost", hidden: true });
  const handle = h("div", { class: "ts-scrubber-handle" });
  const slider = h(
    "div",
    { class: "ts-scrubber", role: "slider", tabindex: "0", "aria-label": "training step", "aria-orientation": "horizontal" },
    drawing, h("span", { class: "ts-track-title", "aria-hidden": "true" }, "R@1 lines, spread shaded"), ghost, handle,
  );
  // A slider's children are nothing to a screen reader, so the flags, which are buttons, lie beside it.
  const flags = createFlags({ state, actions });
  const element = h("div", { class: "ts-time" }, slider, flags.element);
  let width = 0;

  function scaleOf(run) {
    return timeScale(run, INSET, width - INSET);
  }

  function resize() {
    const box = slider.getBoundingClientRect();
    if (box.width === width) return;
    width = box.width;
    state.touch("size");
  }

  function draw(s, run) {
    const x = scaleOf(run);
    const y = (value) => TRACK - 4 - value * (TRACK - 8);
    const parts = [svg("rect", { class: "ts-track", x: 0, y: 0, width, height: TRACK, rx: 7 }), spreadShade(run, x)];
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
    drawing.setAttribute("viewBox", `0 0 ${width} ${SCRUBBER_HEIGHT}`);
    drawing.replaceChildren(...parts.filter(Boolean));
  }

  scrubOn(slider, { state, actions, scaleOf });
  const observer = new ResizeObserver(resize);
  observer.observe(slider);

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    slider.toggleAttribute("data-empty", !run);
    if (!run || !width) return;
    if (touches(changed, "run", "runs", "size", "theme", "race")) draw(s, run);
    if (touches(changed, "run", "runs", "size", "asides")) flags.draw(s, scaleOf(run));
    flags.light(s, changed);
    if (touches(changed, "t", "run", "runs", "size")) handle.style.transform = `translateX(${scaleOf(run)(s.t).toFixed(1)}px)`;
    if (touches(changed, "hoverFrame", "run", "runs", "size")) {
      ghost.hidden = s.hoverFrame === null || s.hoverFrame >= run.frames.length;
      if (!ghost.hidden) {
        ghost.style.transform = `translateX(${scaleOf(run)(s.hoverFrame).toFixed(1)}px)`;
        setText(ghost, String(run.frames[s.hoverFrame]));
      }
    }
    if (touches(changed, "frame", "run", "runs", "asides")) {
      const recall = seriesAt(run, "recall_at_1", s.frame);
      const step = run.frames[s.frame];
      const happened = eventsOf(s).find((event) => event.frame === s.frame)?.findings.map((finding) => finding.title);
      tellTime(slider, run, s.frame, `step ${step}${recall === null ? "" : `, R@1 ${recall.toFixed(2)}`}${happened ? `, ${happened.join(", ")}` : ""}`);
      setText(handle, String(step));
    }
  });

  return { element, resize, stop: () => observer.disconnect() };
}
