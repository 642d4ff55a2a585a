// The instrument: one map, one ruler, one scrubber, one state. Python sends runs once and small JSON afterwards; it hears
// of a new anchor, positive or run, and of time only when it has come to rest.
import { h } from "./dom.js";
import { asideShelf, layoutShelf, nearestFrame, newsBoard, runShelf } from "./store.js";
import { readTheme } from "./theme.js";
import { createState, touches } from "./state.js";
import { answerKey, currentAnswer, decodeAnswer } from "./answers.js";
import { createSprites } from "./sprite.js";
import { glideCamera, homeCamera } from "./camera.js";
import { createMap, openingCamera } from "./map.js";
import { createRuler } from "./ruler.js";
import { createSentence } from "./sentence.js";
import { nextEventFrame } from "./findings.js";
import { createScrubber } from "./scrubber.js";
import { createCounters } from "./counters.js";
import { createCurves } from "./curves.js";
import { createPlane } from "./plane.js";
import { createStrip } from "./strip.js";
import { createEvents } from "./events.js";
import { createViolations } from "./violations.js";
import { createRivals } from "./rivals.js";
import { createOffstage } from "./offstage.js";
import { createPlayer } from "./player.js";
import { copyText, linkOf } from "./link.js";
import { createLineup, lanesShown } from "./lineup.js";
import { createTopbar } from "./topbar.js";

const ANSWERS_KEPT = 90; // thirty anchors of a race of three: going back is immediate
const KEY_REST = 350; // ms after the last arrow key until Python is told
const instruments = new WeakMap();

/** Zone colours for canvases; the style sheet has the same for everything else. Okabe-Ito. */
function zoneColoursOf(dark) {
  return dark
    ? { hard: "#f0a830", semi: "#5cb8ee", hardInk: "#ffc35c", semiInk: "#8fd0f7", hardSoft: "rgba(240, 168, 48, 0.20)", semiSoft: "rgba(86, 180, 233, 0.15)" }
    : { hard: "#d98a00", semi: "#0072b2", hardInk: "#8a5200", semiInk: "#00598c", hardSoft: "rgba(230, 159, 0, 0.22)", semiSoft: "rgba(0, 114, 178, 0.11)" };
}

function createInstrument(parent) {
  const root = h("div", { class: "ts-instrument" });
  const state = createState({
    copied: null, title: "", subtitle: "", race: [], strategies: [], runs: { ...runShelf() }, answers: new Map(), message: null, asking: false,
    asides: { ...asideShelf() }, layouts: { ...layoutShelf() }, news: { ...newsBoard() },
    run: null, frame: 0, t: 0, anchor: 0, positive: null, lane: null, hover: null, pinned: null,
    // margin: somebody's what-if, null = the run's own. space: which map, null = the run's own. focus: [anchor class, negative
    // class or null] that everything else steps back for. span: [first, last] frame that sums run over, null = all.
    margin: null, space: null, focus: null, span: null,
    // known: every strategy there is; strategies: those with a lane. lineup: which of them somebody wants, null = the first
    // ones. composed: names of strategies made here. tuned: [strategy, parameter, value] of what is tried. chooser: open at
    // "show" or "compose", or null.
    known: [], groups: {}, lineup: null, composed: null, tuned: null, chooser: null,
    engine: Boolean(newsBoard().composer), // there is one to ask what a new strategy would pick; an exported page has none
    hoverFrame: null, hoverClasses: null, // a frame, and [anchor class, negative class or null], under the pointer anywhere
    playing: false, dragging: false, notes: true, others: true, centres: true, hoverLane: null, steered: false, camera: { x: 0, y: 0, zoom: 1 }, theme: null, zoneColours: null,
  });
  let send = () => {};
  let trigger = () => {};
  let wish = null; // the selection as Python last asked for it, until its run and its cast have arrived
  let castName = null; // whose title, buttons and lanes are shown; they come once, as news, and not with every click
  let castShown = null;
  let heir = null; // what the watched run is by now, when it is being recorded and has grown
  let seenRevision = -Infinity;
  let zoom = null;
  let opened = false;
  let lastSent = "";
  let keyTimer = 0;

  function selection() {
    const s = state.get();
    const run = s.runs[s.run];
    const positive = currentAnswer(s)?.positive ?? s.positive;
    const { lane, margin, space, focus, lineup: lanes, composed, tuned } = s;
    const span = s.span && run ? s.span.map((frame) => run.frames[frame]) : null;
    return { run: s.run, step: run ? run.frames[s.frame] : 0, anchor: s.anchor, positive, lane, margin, space, focus, span, lanes, composed, tuned, rev: seenRevision };
  }

  function commit() {
    clearTimeout(keyTimer);
    const value = selection();
    const text = JSON.stringify(value);
    if (text === lastSent || !state.get().runs[value.run]) return;
    lastSent = text;
    send("selection", value);
  }

  /** Sets, and keeps the lanes in step with what decides which are shown. */
  function arrange(patch) {
    const next = { ...state.get(), ...patch };
    const strategies = lanesShown(next);
    const same = strategies.length === next.strategies.length && strategies.every((strategy, i) => strategy === next.strategies[i]);
    state.set(same ? patch : { ...patch, strategies });
  }

  const player = createPlayer({ state, commit });
  const sprites = createSprites(() => state.touch("sprites"));
  const actions = {
    togglePlay: player.toggle,
    scrub: player.scrub,
    release: player.release,
    stepBy: player.stepBy,
    cameraHome: () => glideCamera(state, homeCamera(state.get().runs[state.get().run]), 250),
    selectLane(lane) {
      arrange({ lane });
      commit();
    },
    openLineup: (chooser) => state.set({ chooser }),
    setLineup(lineup) {
      arrange({ lineup });
      commit();
    },
    addComposed(name) {
      const composed = [...(state.get().composed ?? []).filter((other) => other !== name), name];
      arrange({ composed, lane: name });
      commit();
    },
    removeComposed(name) {
      const s = state.get();
      const composed = (s.composed ?? []).filter((other) => other !== name);
      const lane = s.lane === name ? s.runs[s.run].strategy : s.lane;
      arrange({ composed: composed.length ? composed : null, lane, hoverLane: null });
      commit();
    },
    /** A parameter that is tried; null = as it is by itself. Without a parameter: all of that strategy. */
    tune(strategy, parameter, value) {
      const others = (state.get().tuned ?? []).filter(([of, what]) => of !== strategy || (parameter !== null && what !== parameter));
      const tuned = value === null ? others : [...others, [strategy, parameter, value]];
      state.set({ tuned: tuned.length ? tuned : null });
      commit();
    },
    commit,
    goTo(frame) {
      player.goTo(frame);
      commit();
    },
    /** A what-if margin while it is dragged; null = the run's own. `commit` when it comes to rest. */
    setMargin: (margin) => state.set({ margin }),
    setSpace(space) {
      state.set({ space });
      commit();
    },
    setFocus(focus) {
      state.set({ focus });
      commit();
    },
    setSpan(span) {
      state.set({ span });
      commit();
    },
    /** Asks Python for something that is no selection: {kind: "seek", what: "violating" | "disagree"}, {kind: "umap"}, … */
    request: (what) => trigger("request", { ...selection(), ...what }),
    async copyLink() {
      const link = linkOf(state.get());
      state.set({ copied: { link, done: await copyText(link) } });
    },
    /** Another one than that which is looked at. */
    randomAnchor() {
      const s = state.get();
      const others = s.runs[s.run].n - 1;
      if (others > 0) actions.selectAnchor((s.anchor + 1 + Math.floor(Math.random() * others)) % (others + 1));
    },
    selectAnchor(index) {
      if (index === state.get().anchor) return;
      state.set({ anchor: index, positive: null, hover: null, pinned: null, message: null });
      commit();
    },
    chooseCandidate(sample) {
      const found = currentAnswer(state.get());
      if (found?.answer.positives.includes(sample)) {
        state.set({ positive: sample, pinned: null });
        commit();
      } else state.set({ pinned: state.get().pinned === sample ? null : sample });
    },
    selectRun(digest) {
      const s = state.get();
      const run = s.runs[digest];
      if (!run || digest === s.run) return;
      const step = s.runs[s.run]?.frames[s.frame] ?? 0;
      if (s.playing) player.pause();
      player.halt();
      const frame = nearestFrame(run, step);
      arrange({ run: digest, frame, t: frame, lane: laneFor(run, s), pinned: null, hover: null });
      commit();
    },
  };

  // "own" triplets have no lane; then the sentence speaks about the lane chosen before, or the first one.
  function laneFor(run, s) {
    const names = s.known.map((strategy) => strategy.name);
    if (names.includes(run.strategy)) return run.strategy;
    return names.includes(s.lane) ? s.lane : names[0] ?? null;
  }

  const lineup = createLineup({ state, actions });
  const context = { state, actions, sprites, lineup };
  const topbar = createTopbar(context);
  const scrubber = createScrubber(context);
  const map = createMap(context);
  const ruler = createRuler(context);
  const sentence = createSentence(context);
  const counters = createCounters(context);
  // What lies below the first screen stands still while something moves and nobody sees it.
  const offstage = createOffstage({ state, root });
  const [curves, plane, strip, events, violations, rivals] = [
    createCurves, createPlane, createStrip, createEvents, createViolations, createRivals,
  ].map((create) => create({ ...context, state: offstage.panel() }));
  offstage.watch([curves, plane, strip, events, violations, rivals].map((panel) => panel.element));
  const right = h("div", { class: "ts-right" }, ruler.element, sentence.element);
  root.append(
    topbar.element, scrubber.element, h("div", { class: "ts-main" }, map.element, lineup.element, right), counters.element,
    h("div", { class: "ts-pair" }, plane.element, strip.element), events.element, curves.element, violations.element, rivals.element,
  );

  /** Shows the cast that Python means, as soon as it is here. */
  function takeCast(cast) {
    if (!cast || castShown === cast) return;
    const link = castShown?.runs?.find((entry) => entry.digest === state.get().run)?.link;
    const grown = link && cast.runs?.find((entry) => entry.link === link)?.digest;
    heir = grown && grown !== state.get().run ? grown : null;
    castShown = cast;
    takeAnswers(cast.answers, { again: false });
    const by = (a, b) => (a.order ?? 0) - (b.order ?? 0);
    // Equal lists keep their identity: a rerun that changes nothing must not redraw anything.
    const keep = (key, value) => (JSON.stringify(state.get()[key]) === JSON.stringify(value) ? {} : { [key]: value });
    const known = [...(cast.strategies ?? [])].sort((a, b) => (a.place ?? a.order ?? 0) - (b.place ?? b.order ?? 0));
    arrange({
      title: cast.title ?? "", subtitle: cast.subtitle ?? "",
      ...keep("race", [...(cast.runs ?? [])].sort(by)), ...keep("known", known), ...keep("groups", cast.groups ?? {}),
    });
  }

  /** A run that is being recorded comes again when it has a frame more: it takes the old one's place, and anchor, margin,
      camera and all else stay. Who looks at the last frame goes on to the new one. */
  function inherit() {
    const s = state.get();
    const [old, run] = [s.runs[s.run], s.runs[heir]];
    if (!run) return;
    heir = null;
    const grew = old && old.n === run.n && run.frames.length >= old.frames.length;
    if (!grew) return;
    const last = run.frames.length - 1;
    const follows = s.frame === old.frames.length - 1 && !s.playing && !s.dragging;
    // Until the strategies have been asked about the new frame, what they said of the others still holds.
    const kept = new Map(s.answers);
    for (const [key, answer] of s.answers) {
      const renewed = key.startsWith(`${old.digest}/`) && run.digest + key.slice(old.digest.length);
      if (renewed && !kept.has(renewed)) kept.set(renewed, answer);
    }
    state.set({ run: run.digest, answers: kept });
    if (follows && s.frame !== last) player.goTo(last);
    lastSent = JSON.stringify(selection()); // Python knows: it is who told us
  }

  /** Takes Python's selection once its run and its cast are here. */
  function adopt() {
    if (heir) inherit();
    const run = wish && state.get().runs[wish.run];
    if (!run || !castShown) return;
    heir = null;
    player.halt();
    const frame = nearestFrame(run, wish.step ?? run.frames.at(-1));
    const anchor = Number.isInteger(wish.anchor) && wish.anchor >= 0 && wish.anchor < run.n ? wish.anchor : 0;
    const s = state.get();
    const known = s.known.some((strategy) => strategy.name === wish.lane);
    const frameOf = (step) => nearestFrame(run, step);
    arrange({
      run: wish.run, frame, t: frame, anchor, positive: wish.positive ?? null, lane: known ? wish.lane : laneFor(run, s),
      margin: wish.margin ?? null, space: wish.space ?? null, focus: wish.focus ?? null, span: wish.span?.map(frameOf) ?? null,
      lineup: wish.lanes ?? null, composed: wish.composed ?? null, tuned: wish.tuned ?? null,
      playing: false, dragging: false, hover: null, pinned: null,
    });
    if (!opened) {
      opened = true;
      state.set({ camera: openingCamera(run, frame, zoom) });
    }
    wish = null;
    lastSent = JSON.stringify(selection()); // Python knows what it asked for
  }

  const taken = new Map(); // the packed answers that were seen: the same one comes again with every message

  /** `again` false: recorded answers, which what was asked since replaces. */
  function takeAnswers(answers, { again = true } = {}) {
    let kept = null;
    for (const [digest, raw] of Object.entries(answers ?? {})) {
      const key = raw && answerKey(digest, raw.anchor, raw.margin);
      if (!raw || taken.get(key) === raw.z || (!again && state.get().answers.has(key))) continue;
      taken.set(key, raw.z);
      kept ??= new Map(state.get().answers);
      kept.delete(key);
      kept.set(key, decodeAnswer(raw));
    }
    if (!kept) return;
    for (const old of [...kept.keys()].slice(0, -ANSWERS_KEPT)) {
      kept.delete(old);
      taken.delete(old); // should it come again, it is welcome
    }
    state.set({ answers: kept });
  }

  function retheme() {
    const theme = readTheme(root);
    if (theme.key === state.get().theme?.key) return;
    root.dataset.theme = theme.dark ? "dark" : "light";
    sprites.setInk(theme.text);
    state.set({ theme, zoneColours: zoneColoursOf(theme.dark) });
  }

  const onRun = () => {
    state.set({ runs: { ...runShelf() } });
    adopt();
  };

  function onKey(event) {
    const target = event.composedPath()[0];
    const busy = target instanceof Element && target.closest("input, textarea, select, [contenteditable], [role=combobox], [role=textbox], [role=grid], [data-testid=stDataFrame]");
    if (busy || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !root.isConnected) return;
    if (document.querySelector("[role=dialog]")) return; // somebody is choosing a run: nothing moves behind the dialog
    const control = target instanceof Element && target.closest("button, a, summary, [role=button], [role=tab], [role=radio]");
    // Arrows belong to a row of choices or tabs outside; of a plain button, which keeps the focus after a click, they do not.
    const choosing = control && !root.contains(control) && control.matches("[role=tab], [role=radio]");
    const s = state.get();
    if (!s.runs[s.run]) return;
    const step = (count) => {
      player.stepBy(count);
      clearTimeout(keyTimer);
      keyTimer = setTimeout(commit, KEY_REST); // a held key is one journey, not thirty messages
    };
    const last = s.runs[s.run].frames.length;
    const toEvent = (direction) => {
      const frame = nextEventFrame(s, direction);
      if (frame !== null) actions.goTo(frame);
    };
    const keys = {
      ArrowLeft: () => step(event.shiftKey ? -10 : -1),
      ArrowRight: () => step(event.shiftKey ? 10 : 1),
      Home: () => step(-last),
      End: () => step(last),
      a: actions.randomAnchor,
      n: () => actions.request({ kind: "seek", what: "violating" }),
      d: () => actions.request({ kind: "seek", what: "disagree" }),
      e: () => toEvent(event.shiftKey ? -1 : 1),
      l: actions.copyLink,
    };
    if (event.key === " " && !control) {
      if (!event.repeat) player.toggle();
    } else if (keys[event.key.length === 1 ? event.key.toLowerCase() : event.key] && !choosing) {
      keys[event.key.length === 1 ? event.key.toLowerCase() : event.key]();
    } else if (/^[1-6]$/.test(event.key) && s.race[event.key - 1]) actions.selectRun(s.race[event.key - 1].digest);
    else return;
    event.preventDefault();
  }

  // Focus stays where it is when a pointer presses a button, so that Space goes on meaning "play".
  const onPress = (event) => event.target.closest?.("button") && event.preventDefault();

  const onAside = () => state.set({ asides: { ...asideShelf() }, layouts: { ...layoutShelf() } });
  const onNews = () => {
    state.set({ news: { ...newsBoard() }, engine: Boolean(newsBoard().composer) });
    takeCast(newsBoard().casts?.[castName]);
    adopt();
  };

  document.addEventListener("tripletscope:run", onRun);
  document.addEventListener("tripletscope:aside", onAside);
  document.addEventListener("tripletscope:news", onNews);
  document.addEventListener("keydown", onKey);
  root.addEventListener("mousedown", onPress);

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    root.dataset.renderer = map.renderer();
    root.dataset.run = s.run ?? "";
    root.toggleAttribute("data-playing", s.playing);
    root.toggleAttribute("data-asking", s.asking);
    if (!run) return;
    root.dataset.n = run.n;
    root.dataset.step = run.frames[s.frame];
    root.dataset.anchor = s.anchor;
    root.dataset.positive = currentAnswer(s)?.positive ?? "";
    root.dataset.hover = s.hover?.index ?? "";
    root.dataset.lane = s.lane ?? "";
    if (touches(changed, "run", "runs", "size")) root.dataset.ready = "true";
  });
  state.touch(...Object.keys(state.get())); // the first round draws everything
  root.tripletscope = { project: map.project, centres: map.centres, state: () => ({ ...state.get(), selection: selection() }), select: actions.selectAnchor };

  return {
    root,
    update(data, setStateValue, setTriggerValue) {
      send = setStateValue;
      trigger = setTriggerValue;
      const arrives = root.parentNode !== parent;
      if (arrives) parent.append(root);
      retheme();
      castName = data.cast ?? null;
      takeCast(castName ? newsBoard().casts?.[castName] : data);
      takeAnswers(data.answers);
      zoom = data.zoom ?? null;
      state.set({ message: data.message ?? null, asking: Boolean(data.asking) });
      const asked = data.selection;
      if (asked && asked.rev > seenRevision) {
        seenRevision = asked.rev;
        wish = asked;
      }
      adopt();
      // Later the panels hear of a change of size themselves; asking would make the browser lay out the page here and now.
      if (arrives) for (const panel of [scrubber, map, ruler, curves, plane, strip, events, violations, rivals]) panel.resize();
      state.flush();
    },
    stop() {
      state.set({ gone: true });
      clearTimeout(keyTimer);
      document.removeEventListener("tripletscope:run", onRun);
      document.removeEventListener("tripletscope:aside", onAside);
      document.removeEventListener("tripletscope:news", onNews);
      document.removeEventListener("keydown", onKey);
      for (const part of [offstage, player, sprites, topbar, scrubber, map, ruler, sentence, counters, curves, plane, strip, events, violations, rivals]) part.stop();
      state.stop();
      root.remove();
    },
  };
}

export default function showInstrument({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!data) return undefined;
  if (!instruments.has(parentElement)) instruments.set(parentElement, createInstrument(parentElement));
  const instrument = instruments.get(parentElement);
  instrument.update(data, setStateValue, setTriggerValue);
  return () => {
    instrument.stop();
    if (instruments.get(parentElement) === instrument) instruments.delete(parentElement);
  };
}
