// Which steps sums run over: a thin bar on the scrubber's axis with two handles, and three spans that are one press away.
import { clamp, h, setText } from "./dom.js";
import { touches } from "./state.js";
import { timeScale } from "./timeline.js";
import { stepsOfSpan } from "./population.js";

const SPAN_INSET = 12; // that of the scrubber, so that both axes stand over each other
const SPAN_REST = 350; // ms after the last key until Python is told
const SPAN_AROUND = 3; // frames to either side of "around here"

/** The span in frames, [0, last] where none was chosen. */
export function spanOf(s, run) {
  const last = run.frames.length - 1;
  return s.span ? [clamp(s.span[0], 0, last), clamp(s.span[1], 0, last)] : [0, last];
}

export function createSpan({ state, actions }) {
  const fill = h("div", { class: "ts-span-fill" });
  const now = h("div", { class: "ts-span-now" });
  const ghost = h("div", { class: "ts-span-now ts-span-ghost", hidden: true });
  const handles = ["first", "last"].map((end) =>
    h("div", { class: "ts-span-handle", role: "slider", tabindex: "0", "data-end": end, "aria-label": `${end} step of the sums` }));
  const bar = h("div", { class: "ts-span-bar" }, h("div", { class: "ts-span-track" }), fill, now, ghost, handles);
  const presets = [
    ["whole run", () => null],
    ["up to here", (s) => [0, s.frame]],
    ["around here", (s) => [s.frame - SPAN_AROUND, s.frame + SPAN_AROUND]],
  ].map(([title, spanFor]) => {
    const button = h("button", { type: "button", class: "ts-small-toggle" }, title);
    button.addEventListener("click", () => actions.setSpan(tidy(spanFor(state.get()))));
    return button;
  });
  const text = h("span", { class: "ts-span-text" });
  const tools = h("div", { class: "ts-span-tools" }, text, presets);
  let width = 0;
  let timer = 0;
  let grip = null; // what a drag moves: {end: 0 | 1} or {from: time pressed, span}

  const runNow = () => state.get().runs[state.get().run];
  const scaleOf = (run) => timeScale(run, SPAN_INSET, width - SPAN_INSET);

  /** In order, inside the run, and null where it is all of it. */
  function tidy(span) {
    const last = runNow().frames.length - 1;
    if (!span) return null;
    const [a, b] = span.map((frame) => clamp(Math.round(frame), 0, last)).sort((x, y) => x - y);
    return a === 0 && b === last ? null : [a, b];
  }

  function timeAt(event) {
    const run = runNow();
    return clamp(scaleOf(run).invert(event.clientX - bar.getBoundingClientRect().left), 0, run.frames.length - 1);
  }

  function move(event) {
    const span = spanOf(state.get(), runNow());
    const t = timeAt(event);
    if (grip.from !== undefined) {
      const last = runNow().frames.length - 1;
      const by = clamp(Math.round(t - grip.from), -grip.span[0], last - grip.span[1]);
      state.set({ span: tidy(grip.span.map((frame) => frame + by)) });
      return;
    }
    span[grip.end] = Math.round(t);
    if (span[0] > span[1]) grip.end = 1 - grip.end; // the handles passed each other
    state.set({ span: tidy(span) });
  }

  bar.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !runNow()) return;
    const span = spanOf(state.get(), runNow());
    const t = timeAt(event);
    const at = handles.indexOf(event.target);
    const inside = t > span[0] && t < span[1] && at < 0;
    const whole = span[1] - span[0] === runNow().frames.length - 1;
    grip = at >= 0 ? { end: at } : inside && !whole ? { from: t, span } : { end: Math.abs(t - span[0]) < Math.abs(t - span[1]) ? 0 : 1 };
    bar.setPointerCapture(event.pointerId);
    if (grip.from === undefined) move(event);
  });
  bar.addEventListener("pointermove", (event) => grip && move(event));
  const end = () => {
    if (!grip) return;
    grip = null;
    actions.setSpan(state.get().span);
  };
  bar.addEventListener("pointerup", end);
  bar.addEventListener("pointercancel", end);

  handles.forEach((handle, at) => handle.addEventListener("keydown", (event) => {
    const run = runNow();
    const big = event.shiftKey ? 10 : 1;
    const by = { ArrowLeft: -big, ArrowDown: -big, ArrowRight: big, ArrowUp: big, Home: -Infinity, End: Infinity }[event.key];
    if (!run || by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const span = spanOf(state.get(), run);
    const [low, high] = at === 0 ? [0, span[1]] : [span[0], run.frames.length - 1];
    span[at] = clamp(span[at] + by, low, high);
    state.set({ span: tidy(span) });
    clearTimeout(timer);
    timer = setTimeout(() => actions.commit(), SPAN_REST);
  }));

  function update(s, changed, run, aside) {
    if (touches(changed, "size", "asides", "run", "runs")) width = bar.clientWidth;
    const x = scaleOf(run);
    if (touches(changed, "span", "run", "runs", "asides", "size")) {
      const span = spanOf(s, run);
      fill.style.transform = `translateX(${x(span[0]).toFixed(1)}px)`;
      fill.style.width = `${Math.max(2, x(span[1]) - x(span[0])).toFixed(1)}px`;
      handles.forEach((handle, i) => {
        handle.style.transform = `translateX(${x(span[i]).toFixed(1)}px)`;
        handle.setAttribute("aria-valuemin", run.frames[0]);
        handle.setAttribute("aria-valuemax", run.frames.at(-1));
        handle.setAttribute("aria-valuenow", run.frames[span[i]]);
        handle.setAttribute("aria-valuetext", `step ${run.frames[span[i]]}`);
      });
      setText(text, s.span ? stepsOfSpan(aside, span) : "all steps");
      presets[0].setAttribute("aria-pressed", String(!s.span));
    }
    if (touches(changed, "t", "run", "runs", "asides", "size")) now.style.transform = `translateX(${x(s.t).toFixed(1)}px)`;
    if (touches(changed, "hoverFrame", "run", "runs", "size")) {
      ghost.hidden = s.hoverFrame === null;
      if (!ghost.hidden) ghost.style.transform = `translateX(${x(s.hoverFrame).toFixed(1)}px)`;
    }
  }

  return { bar, tools, update, stop: () => clearTimeout(timer) };
}
