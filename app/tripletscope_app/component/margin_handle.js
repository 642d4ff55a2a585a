// The margin in the hand: the bracket's right end is a slider. What it shows is a what-if; the run was trained with its own.
import { clamp, h, setText } from "./dom.js";
import { niceStep } from "./scale.js";
import { termsOf } from "./terms.js";
import { zoneCountWords, countZones } from "./zone_counts.js";

const MARGIN_SNAP = 4; // px around the run's own margin that count as it
const MARGIN_REST = 350; // ms after the last key until Python is told
const WORDS_ROOM = 94; // px that the words beside the bracket take without the chip, and with it
const CHIP_ROOM = 210;

/** A margin as people write it: 0.62, 1, 1.25, 0.0004. */
export function marginText(margin) {
  return margin >= 1e4 || margin < 1e-3 ? margin.toExponential(1) : String(Number(margin.toPrecision(3)));
}

/** The nearest multiple of a power of ten that is no coarser than a pixel: nobody drags to 0.61803. */
function roundedMargin(scale, x, near) {
  const pixel = Math.abs(scale.invert(x + 0.5) - scale.invert(x - 0.5)) || scale.max / 1000;
  const grid = 10 ** Math.floor(Math.log10(pixel));
  return Math.max(grid, Number((Math.round((scale.invert(x) - near) / grid) * grid).toPrecision(12)));
}

/** {element, words, counts, edge, place, busy}: the slider, the words beside it and the line of counts. */
export function createMarginHandle({ state, actions, plot }) {
  // Two parts of one slider: the knob is what one sees and focuses; the far zone edge can be grasped as well.
  const edge = h("div", { class: "ts-margin-edge", "aria-hidden": "true", title: "drag: what if the margin were another one?" });
  const knob = h("div", {
    class: "ts-margin-knob", role: "slider", tabindex: "0", "aria-label": "margin", "aria-orientation": "horizontal",
  });
  const label = h("span", { class: "ts-margin-label" });
  const reset = h("button", { type: "button", class: "ts-margin-reset", hidden: true });
  const words = h("div", { class: "ts-margin-words" }, label, reset);
  const [ofOne, ofAll] = [h("span", { class: "ts-count-line", "data-of": "positive" }), h("span", { class: "ts-count-line", "data-of": "all" })];
  const counts = h("div", { class: "ts-zone-counts", hidden: true }, ofOne, ofAll);
  let drawn = null; // {scale, near, own, margin} as last placed
  let grip = null; // px between pointer and edge while it is held
  let touched = false; // pointer over it or focus on it
  let timer = 0;
  let said = ""; // the margins in words as last written

  function setMargin(margin) {
    const value = clamp(margin, drawn.least, drawn.most);
    actions.setMargin(value === drawn.own ? null : value);
  }

  function backToRun() {
    clearTimeout(timer);
    actions.setMargin(null);
    actions.commit();
  }

  function dragTo(event) {
    const { scale, near, own } = drawn;
    const x = event.clientX - plot.getBoundingClientRect().left - grip;
    if (Math.abs(scale(near + own) - x) < MARGIN_SNAP) return actions.setMargin(null);
    setMargin(roundedMargin(scale, clamp(x, scale(near) + 1, scale.right), near));
  }

  function release() {
    if (grip === null) return;
    grip = null;
    knob.toggleAttribute("data-held", false);
    clearTimeout(timer);
    actions.commit();
    state.touch("margin");
  }

  for (const part of [edge, knob]) {
    part.addEventListener("pointerdown", (event) => {
      // A positive beyond the end of the axis leaves the pointer nothing to measure with; keys still work.
      if (event.button !== 0 || !drawn || drawn.scale(drawn.near) > drawn.scale.right - 2) return;
      event.preventDefault();
      part.setPointerCapture(event.pointerId);
      knob.focus({ preventScroll: true });
      const { scale, near, margin } = drawn;
      grip = event.clientX - plot.getBoundingClientRect().left - scale(near + margin);
      knob.toggleAttribute("data-held", true);
    });
    part.addEventListener("pointermove", (event) => grip !== null && dragTo(event));
    part.addEventListener("pointerup", release);
    part.addEventListener("pointercancel", release);
    part.addEventListener("lostpointercapture", release);
    part.addEventListener("pointerenter", () => touch(true));
    part.addEventListener("pointerleave", () => touch(false));
  }
  knob.addEventListener("focus", () => touch(true));
  knob.addEventListener("blur", () => touch(false));
  reset.addEventListener("click", backToRun);

  function touch(now) {
    const next = now || document.activeElement === knob || knob.getRootNode().activeElement === knob;
    if (next === touched) return;
    touched = next;
    state.touch("margin");
  }

  knob.addEventListener("keydown", (event) => {
    if (!drawn || event.ctrlKey || event.metaKey || event.altKey) return;
    const fine = niceStep(drawn.own / 50);
    const step = event.shiftKey ? 10 * fine : fine;
    const { margin, least, most } = drawn;
    // On to the next line of the grid: 1 -> 0.98, and from a dragged 0.613 -> 0.6.
    const by = (size) => Number(((Math.floor(margin / Math.abs(size) + (size > 0 ? 1e-6 : 1 - 1e-6)) + Math.sign(size)) * Math.abs(size)).toPrecision(12));
    const targets = {
      ArrowRight: () => by(step), ArrowUp: () => by(step), ArrowLeft: () => by(-step), ArrowDown: () => by(-step),
      PageUp: () => by(10 * fine), PageDown: () => by(-10 * fine), Home: () => least, End: () => most,
    };
    if (event.key === "Escape") {
      grip = null;
      knob.toggleAttribute("data-held", false);
      backToRun();
    } else if (targets[event.key]) {
      drawn.margin = targets[event.key](); // two presses may come before one is drawn
      setMargin(drawn.margin);
      clearTimeout(timer);
      timer = setTimeout(() => actions.commit(), MARGIN_REST);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // the page's arrows move time
  });

  return {
    words, counts, edge, knob,
    /** Whether somebody is at it, or left a what-if behind: then the counts stand where the notes stood. */
    busy: (s) => grip !== null || touched || s.margin !== null,
    /** Width of the words beside the bracket. */
    room: (s) => (s.margin === null ? WORDS_ROOM : CHIP_ROOM),
    /** Puts everything where `found` has it; null hides all. */
    place(s, found, { scale, box, near, moving }) {
      const none = !found || !Number.isFinite(near);
      for (const part of [edge, knob, words]) part.hidden = none;
      counts.hidden = none || !this.busy(s);
      if (none) {
        drawn = null;
        return;
      }
      const own = s.runs[s.run].margin;
      const margin = found.run.margin;
      const least = Math.min(own / 100, margin);
      drawn = { scale, near, own, margin, least, most: Math.max(scale.max, own, margin) };
      const x = scale(near + margin);
      edge.style.transform = `translate(${(x - 6).toFixed(1)}px, ${box.swarmTop}px)`;
      edge.style.height = `${box.ghostTop - box.swarmTop}px`;
      knob.style.transform = `translate(${(x - 11).toFixed(1)}px, ${box.bracketY - 11}px)`;
      const room = this.room(s);
      const left = x + 11 + room > box.width;
      words.style.transform = left
        ? `translate(calc(${(scale(near) - 8).toFixed(1)}px - 100%), ${box.bracketY - 8}px)`
        : `translate(${(x + 19).toFixed(1)}px, ${box.bracketY - 8}px)`;
      if (said !== `${margin}/${own}`) {
        said = `${margin}/${own}`;
        setText(label, `margin ${marginText(margin)}`);
        const terms = termsOf(found.run);
        setText(reset, `${terms.margin} ${marginText(own)} \u00d7`);
        reset.title = terms.marginTitle;
        knob.title = terms.knobTitle;
      }
      reset.hidden = s.margin === null;
      if (moving && counts.hidden) return;
      const one = countZones(found, [found.positive]);
      knob.setAttribute("aria-valuemin", String(drawn.least));
      knob.setAttribute("aria-valuemax", String(drawn.most));
      knob.setAttribute("aria-valuenow", String(margin));
      knob.setAttribute("aria-valuetext", `margin ${marginText(margin)}: ${zoneCountWords(one).replaceAll(" \u00b7", ",")}`);
      if (counts.hidden) return;
      setText(ofOne, `this positive: ${zoneCountWords(one)}`);
      const several = found.answer.positives.length > 1;
      ofAll.hidden = !several;
      if (several) setText(ofAll, `all ${found.answer.positives.length} positives: ${zoneCountWords(countZones(found, found.answer.positives))}`);
    },
    stop: () => clearTimeout(timer),
  };
}
