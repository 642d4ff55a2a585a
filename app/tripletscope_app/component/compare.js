// The Compare page: several runs under one clock, one camera and one anchor. Python sends frames and numbers once, and
// hears of time only when it has come to rest, of an anchor, and of what is held equal.
import { h, setText } from "./dom.js";
import { nearestFrame, newsBoard, runShelf } from "./store.js";
import { readTheme } from "./theme.js";
import { createState, touches } from "./state.js";
import { answerKey, decodeAnswer } from "./answers.js";
import { createSprites } from "./sprite.js";
import { cameraOver, glideCamera, homeCamera } from "./camera.js";
import { frameShape } from "./map_paint.js";
import { ownSheet } from "./space.js";
import { className, sampleName } from "./store.js";
import { createOffstage } from "./offstage.js";
import { createScrubber } from "./scrubber.js";
import { createPlayer } from "./player.js";
import { figureShelf } from "./figure_shelf.js";
import { createCompareMap } from "./compare_map.js";
import { createCompareCharts } from "./compare_charts.js";
import { createComparePicks } from "./compare_picks.js";
import { createCompareDifference } from "./compare_difference.js";

const CLOCK = "compare"; // the common clock stands among the runs, so that scrubber and player know it as one
const COMPARE_REST = 350; // ms after the last arrow key until Python is told
const comparisons = new WeakMap();

/** The common clock: every step at which one of the runs has a frame, from where all have one; and each run's last frame
 * up to there. */
function clockOf(runs) {
  const first = Math.max(...runs.map((run) => run.frames[0]));
  const frames = [...new Set(runs.flatMap((run) => run.frames))].filter((step) => step >= first).sort((a, b) => a - b);
  const frameOf = Object.fromEntries(runs.map((run) => [run.digest, frames.map((step) => Math.max(0, run.frames.findLastIndex((each) => each <= step)))]));
  return { digest: CLOCK, frames, frameOf, steps: frames, seriesOf: {}, n: runs[0].n };
}

function createComparison(parent) {
  const root = h("div", { class: "ts-instrument ts-compare" });
  const state = createState({
    data: null, runs: { ...runShelf() }, race: [], run: CLOCK, clock: null, asides: {}, figures: figureShelf(), problems: {}, answers: new Map(), asking: false,
    frame: 0, t: 0, anchor: 0, hover: null, hoverFrame: null, playing: false, dragging: false, pinned: null, steered: true,
    camera: homeCamera(), theme: null, fair: "steps", pair: [0, 1], picks: "asked", measure: "same", gone: false,
  });
  let send = () => {};
  let [seen, wish, lastSent, keyTimer, warm] = [-Infinity, null, "", 0, 0];
  let opened = false;
  let maps = [];
  let mapsKey = "";

  const selection = () => {
    const { clock, frame, anchor, fair, pair, picks } = state.get();
    return { step: clock?.frames[frame] ?? 0, anchor, fair, pair, picks, rev: seen };
  };

  function commit() {
    clearTimeout(keyTimer);
    const value = selection();
    const text = JSON.stringify(value);
    if (text === lastSent || !state.get().clock) return;
    lastSent = text;
    send("selection", value);
  }

  const player = createPlayer({ state, commit });
  const sprites = createSprites(() => state.set({ sprites: {} }));
  const actions = {
    scrub: player.scrub,
    release: player.release,
    goTo(frame) {
      player.goTo(frame);
      commit();
    },
    cameraHome: () => glideCamera(state, homeCamera(), 250),
    selectAnchor(index) {
      if (index === state.get().anchor) return;
      state.set({ anchor: index, hover: null });
      commit();
    },
    /** fair, pair, picks, measure. */
    choose(patch) {
      state.set(patch);
      commit();
    },
  };
  const context = { state, actions, sprites };
  const title = h("div", { class: "ts-title" }, "Same anchor, same step: what does each strategy make of it?");
  const anchorText = h("div", { class: "ts-subtitle", role: "status" });
  const play = h("button", { type: "button", class: "ts-play", onclick: () => player.toggle() }, "Play");
  const stepText = h("span", { class: "ts-step-text" });
  const home = h("button", { type: "button", class: "ts-icon-button ts-step", "aria-label": "whole run on every map", title: "whole run on every map", onclick: () => actions.cameraHome() }, "\u2922");
  const top = h("div", { class: "ts-top" }, h("div", { class: "ts-head" }, title, anchorText), h("div", { class: "ts-clock" }, stepText, play, home));
  const scrubber = createScrubber(context);
  setText(scrubber.element.querySelector(".ts-track-title"), "R@1 of each run");
  const grid = h("div", { class: "ts-compare-maps" });
  const why = h("p", { class: "ts-panel-note" });
  // What lies below the maps stands still while something moves and nobody sees it.
  const offstage = createOffstage({ state, root });
  const panels = [createCompareCharts, createComparePicks, createCompareDifference].map((create) => create({ ...context, state: offstage.panel() }));
  const [charts, picks, difference] = panels;
  offstage.watch(panels.map((panel) => panel.element));
  root.append(top, scrubber.element, grid, why, charts.element, picks.element, difference.element);

  /** New runs get new maps; the same ones keep theirs. */
  function build(data) {
    const key = data.runs.map((run) => `${run.digest}/${run.title}`).join("|");
    if (key === mapsKey) return;
    mapsKey = key;
    opened = false;
    for (const map of maps) map.stop();
    maps = data.runs.map((entry) => createCompareMap({ ...context, entry }));
    grid.dataset.count = maps.length;
    grid.replaceChildren(...maps.map((map) => map.element));
  }

  /** Takes Python's selection once all its runs are here. */
  function adopt() {
    const s = state.get();
    const here = s.data?.runs.map(({ digest }) => runShelf()[digest]);
    if (!here?.length || here.some((run) => !run)) return;
    const known = here.map((run) => run.digest).join();
    if (s.clock?.key !== known) {
      const clock = { ...clockOf(here), key: known };
      state.set({ clock, runs: { ...runShelf(), [CLOCK]: clock }, frame: Math.min(s.frame, clock.frames.length - 1), t: Math.min(s.frame, clock.frames.length - 1) });
      warmUp(here);
    }
    if (!wish) return;
    player.halt();
    const { clock } = state.get();
    const frame = nearestFrame(clock, wish.step);
    state.set({ frame, t: frame, anchor: Math.min(wish.anchor, here[0].n - 1), fair: wish.fair, pair: wish.pair, picks: wish.picks, playing: false, dragging: false });
    if (!opened) {
      opened = true;
      state.set({ camera: openingView(here, clock, frame, wish.zoom), steered: false });
    }
    wish = null;
    lastSent = JSON.stringify(selection());
  }

  /** As near as the widest run allows; where the runs do not lie over each other, far enough for all of them. */
  function openingView(runs, clock, frame, zoom) {
    if (!(zoom > 1)) return homeCamera();
    return cameraOver(runs.map((run) => {
      const sheet = ownSheet(run);
      const { middle, radius } = frameShape(sheet, clock.frameOf[run.digest][frame]);
      return { x: (middle[0] - sheet.centre[0]) / sheet.extent, y: (middle[1] - sheet.centre[1]) / sheet.extent, radius: radius / sheet.extent };
    }), zoom);
  }

  /** Where each class sits is looked up before somebody scrubs there. */
  function warmUp(runs) {
    const todo = runs.flatMap((run) => run.frames.map((_, frame) => [ownSheet(run), frame]));
    clearTimeout(warm);
    const go = () => {
      const until = performance.now() + 8;
      while (todo.length && performance.now() < until) frameShape(...todo.pop());
      if (todo.length && !state.get().gone) warm = setTimeout(go, 30);
    };
    warm = setTimeout(go, 400);
  }

  function takeAnswers(answers) {
    const kept = new Map(state.get().answers);
    let grown = false;
    for (const [digest, raw] of Object.entries(answers ?? {})) {
      const key = answerKey(digest, raw.anchor, raw.margin);
      if (kept.has(key)) continue;
      kept.set(key, decodeAnswer(raw));
      grown = true;
    }
    if (!grown) return;
    for (const old of [...kept.keys()].slice(0, -120)) kept.delete(old);
    state.set({ answers: kept });
  }

  function retheme() {
    const theme = readTheme(root);
    if (theme.key === state.get().theme?.key) return;
    root.dataset.theme = theme.dark ? "dark" : "light";
    sprites.setInk(theme.text);
    state.set({ theme });
  }

  const onRun = () => {
    const { clock } = state.get();
    state.set({ runs: { ...runShelf(), ...(clock ? { [CLOCK]: clock } : {}) } });
    adopt();
  };
  const onFigures = () => state.touch("figures");
  const onNews = () => state.set({ problems: { ...newsBoard().compare } });

  function onKey(event) {
    const target = event.composedPath()[0];
    const busy = target instanceof Element && target.closest("input, textarea, select, [contenteditable], [role=combobox], [role=textbox], [role=grid]");
    if (busy || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !root.isConnected || document.querySelector("[role=dialog]")) return;
    const control = target instanceof Element && target.closest("button, a, summary, [role=button], [role=tab], [role=radio]");
    const s = state.get();
    if (!s.clock) return;
    const step = (count) => {
      player.stepBy(count);
      clearTimeout(keyTimer);
      keyTimer = setTimeout(commit, COMPARE_REST); // a held key is one journey, not thirty messages
    };
    const keys = { ArrowLeft: () => step(event.shiftKey ? -10 : -1), ArrowRight: () => step(event.shiftKey ? 10 : 1), Home: () => step(-s.clock.frames.length), End: () => step(s.clock.frames.length) };
    if (event.key === " " && !control) {
      if (!event.repeat) player.toggle();
    } else if (keys[event.key] && !(control && !root.contains(control))) keys[event.key]();
    else return;
    event.preventDefault();
  }

  const onPress = (event) => event.target.closest?.("button") && event.preventDefault(); // Space goes on meaning "play"
  document.addEventListener("tripletscope:run", onRun);
  document.addEventListener("tripletscope:figures", onFigures);
  document.addEventListener("tripletscope:news", onNews);
  document.addEventListener("keydown", onKey);
  root.addEventListener("mousedown", onPress);

  state.subscribe((s, changed) => {
    if (!s.clock) return;
    root.dataset.step = s.clock.frames[s.frame];
    root.dataset.anchor = s.anchor;
    root.dataset.fair = s.fair;
    root.dataset.renderer = maps[0]?.renderer ?? "";
    root.toggleAttribute("data-asking", s.asking);
    const learnt = s.data?.runs.some(({ digest }) => s.runs[digest]?.class_centres);
    setText(why, `All maps have one scale, one camera and one clock; Ctrl + wheel zooms them together, a click on a point makes it the anchor in all. Solid line: the anchor's positive. Dashed: the negative that the run's own strategy picks.${learnt ? " Ringed crosses: learned centres of classes; there the lines lead to the anchor's own and to the nearest other one." : ""}`);
    root.dataset.figures = [s.data?.curves, s.data?.agreement].filter((key) => s.figures.has(key)).length;
    setText(play, s.playing ? "Pause" : "Play");
    setText(stepText, `step ${s.clock.frames[s.frame]} / ${s.clock.frames.at(-1)}`);
    const run = s.runs[s.data?.runs[0]?.digest];
    if (run && touches(changed, "anchor", "clock", "data")) setText(anchorText, `Anchor ${sampleName(run, s.anchor)}, class ${className(run, s.anchor)}`);
    root.dataset.ready = "true";
  });
  state.touch(...Object.keys(state.get()));
  root.tripletscope = { place: (map, index) => maps[map].place(index), state: () => ({ ...state.get(), selection: selection() }), select: actions.selectAnchor, scrub: player.scrub };

  return {
    update(data, setStateValue) {
      send = setStateValue;
      const arrives = root.parentNode !== parent;
      if (arrives) parent.append(root);
      retheme();
      if (JSON.stringify(data) !== state.get().stamp) state.set({ data, race: data.runs.map((run, order) => ({ ...run, order })), stamp: JSON.stringify(data) });
      build(data);
      takeAnswers(data.answers);
      state.set({ asking: Boolean(data.asking), problems: { ...newsBoard().compare } });
      if (data.selection && data.selection.rev > seen) {
        seen = data.selection.rev;
        wish = data.selection;
      }
      adopt();
      if (arrives) scrubber.resize();
      state.touch("runs");
      state.flush();
    },
    stop() {
      state.set({ gone: true });
      clearTimeout(keyTimer);
      clearTimeout(warm);
      document.removeEventListener("tripletscope:run", onRun);
      document.removeEventListener("tripletscope:figures", onFigures);
      document.removeEventListener("tripletscope:news", onNews);
      document.removeEventListener("keydown", onKey);
      for (const part of [...maps, offstage, player, sprites, scrubber, charts, picks, difference]) part.stop();
      state.stop();
      root.remove();
    },
  };
}

export default function showCompare({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  if (!comparisons.has(parentElement)) comparisons.set(parentElement, createComparison(parentElement));
  const comparison = comparisons.get(parentElement);
  comparison.update(data, setStateValue);
  return () => {
    comparison.stop();
    if (comparisons.get(parentElement) === comparison) comparisons.delete(parentElement);
  };
}
