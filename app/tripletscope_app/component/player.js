// Time: play, pause, step, scrub. `t` (in frames, fractional) moves points; `frame` (whole) decides every number.
import { clamp, reducedMotion } from "./dom.js";
import { glideCamera, homeCamera } from "./camera.js";

const WHOLE_RUN = 6000; // ms for a run from its first frame to its last
const GLIDE_HOME = 400;
const SETTLE = 180; // ms for points to reach the frame after a step or a released scrubber

/** {toggle, pause, stepBy, goTo, scrub, release, stop}; `commit` tells Python where time came to rest. */
export function createPlayer({ state, commit }) {
  let request = 0;
  let turn = 0; // grows with every new motion: an older one that is still waiting knows it is over

  const lastFrame = () => (state.get().runs[state.get().run]?.frames.length ?? 1) - 1;

  function halt() {
    turn++;
    cancelAnimationFrame(request);
  }

  /** The opening zoom is for the opening frame only; a camera that somebody moved by hand is left alone. */
  function leaveOpening() {
    const { runs, run, steered, camera } = state.get();
    if (steered || !runs[run] || camera.zoom === 1) return;
    state.set({ steered: true });
    glideCamera(state, homeCamera(runs[run]), GLIDE_HOME);
  }

  /** Shows a frame at once; its points travel there in SETTLE ms. */
  function goTo(frame) {
    halt();
    leaveOpening();
    const target = clamp(frame, 0, lastFrame());
    state.set({ frame: target, playing: false, dragging: false, pinned: null });
    settle(target);
  }

  function settle(target) {
    const from = state.get().t;
    if (reducedMotion() || from === target) {
      state.set({ t: target });
      return;
    }
    const began = performance.now();
    const move = (now) => {
      const share = clamp((now - began) / SETTLE, 0, 1);
      state.set({ t: share === 1 ? target : from + (target - from) * share });
      if (share < 1) request = requestAnimationFrame(move);
    };
    request = requestAnimationFrame(move);
  }

  async function play() {
    halt();
    const mine = turn;
    const run = state.get().runs[state.get().run];
    if (!run || lastFrame() < 1) return;
    state.set({ playing: true, pinned: null, hover: null });
    // Motion is only comparable at one scale, so the camera goes back to the whole run before time moves.
    await glideCamera(state, homeCamera(run), GLIDE_HOME);
    if (mine !== turn) return;
    if (state.get().frame >= lastFrame()) state.set({ t: 0, frame: 0 });
    let before = performance.now();
    const stepwise = reducedMotion();
    let t = state.get().t;
    const advance = (now) => {
      // The browser's time is that of the frame's start, which may lie before the moment one pressed play.
      t = Math.min(lastFrame(), t + (Math.max(0, now - before) / WHOLE_RUN) * lastFrame());
      before = now;
      const frame = Math.floor(t);
      state.set({ t: stepwise ? frame : t, frame });
      if (t >= lastFrame()) pause();
      else request = requestAnimationFrame(advance);
    };
    request = requestAnimationFrame(advance);
  }

  function pause() {
    if (!state.get().playing) return;
    halt();
    state.set({ playing: false });
    settle(state.get().frame);
    commit();
  }

  const onVisibility = () => document.hidden && pause();
  document.addEventListener("visibilitychange", onVisibility);

  return {
    toggle: () => (state.get().playing ? pause() : play()),
    pause,
    goTo,
    stepBy: (count) => goTo(state.get().frame + count),
    /** While a pointer drags: points follow it continuously, numbers belong to the nearest frame. */
    scrub(t) {
      halt();
      leaveOpening();
      const frame = Math.round(t);
      state.set({ playing: false, dragging: true, t: reducedMotion() ? frame : t, frame, pinned: null });
    },
    release() {
      goTo(state.get().frame);
      commit();
    },
    halt,
    stop() {
      halt();
      document.removeEventListener("visibilitychange", onVisibility);
    },
  };
}
