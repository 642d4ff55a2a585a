// The thumbnails on the ruler: positives above the axis, negatives below, each at its true distance.
import { decimalsFor, fixed } from "./dom.js";
import { className, sampleName } from "./store.js";
import { distanceTo, zoneOf } from "./answers.js";
import { paintThumb, thumbElement } from "./sprite.js";

/** Row per item so that thumbnails of `size` overlap as little as `rows` allow; items must be sorted by x. */
export function swarmRows(xs, rows, size) {
  const last = new Array(rows).fill(-Infinity);
  return xs.map((x) => {
    let row = last.findIndex((end) => x - end >= size);
    // Too crowded for whole thumbnails: the row with the most room, so that the pile is spread evenly.
    if (row < 0) row = last.indexOf(Math.min(...last));
    last[row] = x;
    return row;
  });
}

/** Which samples a class filter or a hovered class leaves standing, or null where it leaves all.
 *
 * [anchor class, negative class or null]: with null, a triplet of such an anchor may have any negative. */
export function sampleFilter(run, anchor, classes) {
  if (!classes) return null;
  const [own, other] = classes;
  if (other === null && run.label[anchor] === own) return null;
  return (sample) => run.label[sample] === own || run.label[sample] === other;
}

/** Keeps one button per candidate in `layer`; `place` moves them and returns their boxes.
 *
 * All candidates are one stop of the Tab key: left and right go along the distances, up and down between the positives
 * and the negatives. */
export function createSwarm({ layer, state, actions, sprites }) {
  const buttons = new Map();
  const looks = new WeakMap(); // button -> how it was last drawn
  let order = { positive: [], negative: [] }; // samples by distance, as placed
  let spots = new Map(); // sample -> x
  let stop = null; // the sample that Tab reaches
  let marked = ""; // what `mark` last showed: nothing to do where it is the same

  function buttonOf(sample) {
    if (buttons.has(sample)) return buttons.get(sample);
    const button = thumbElement("button", { type: "button", class: "ts-thumb ts-candidate", tabindex: "-1" });
    button.dataset.sample = sample;
    const enter = () => state.set({ hover: { index: sample, where: "ruler" } });
    const leave = () => state.get().hover?.index === sample && state.set({ hover: null });
    button.addEventListener("pointerenter", enter);
    button.addEventListener("pointerleave", leave);
    button.addEventListener("focus", () => {
      reach(sample);
      enter();
    });
    button.addEventListener("blur", leave);
    button.addEventListener("click", () => actions.chooseCandidate(sample));
    looks.set(button, {});
    buttons.set(sample, button);
    layer.append(button);
    marked = "";
    return button;
  }

  function reach(sample) {
    if (stop !== null) buttons.get(stop)?.setAttribute("tabindex", "-1");
    stop = sample;
    buttons.get(sample)?.setAttribute("tabindex", "0");
  }

  const nearestTo = (samples, x) =>
    samples.reduce((best, sample) => (best === undefined || Math.abs(spots.get(sample) - x) < Math.abs(spots.get(best) - x) ? sample : best), undefined);

  layer.addEventListener("keydown", (event) => {
    const sample = Number(event.target.dataset?.sample);
    if (!spots.has(sample) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const role = order.positive.includes(sample) ? "positive" : "negative";
    const row = order[role];
    const at = row.indexOf(sample);
    const targets = {
      ArrowLeft: () => row[at - 1], ArrowRight: () => row[at + 1], Home: () => row[0], End: () => row.at(-1),
      ArrowUp: () => (role === "negative" ? nearestTo(order.positive, spots.get(sample)) : undefined),
      ArrowDown: () => (role === "positive" ? nearestTo(order.negative, spots.get(sample)) : undefined),
    };
    if (!targets[event.key]) return;
    event.preventDefault();
    event.stopPropagation(); // the page's arrows move time
    const target = targets[event.key]();
    if (target !== undefined) buttons.get(target)?.focus({ preventScroll: true });
  });

  return {
    clear() {
      for (const button of buttons.values()) button.remove();
      buttons.clear();
      order = { positive: [], negative: [] };
      spots = new Map();
      stop = null;
    },
    /** Puts every candidate at scale(distance); `bands` = {positive, negative}: {y (nearest the axis), step, rows}.
     * While time is `moving`, what only a screen reader asks for is left for later. A sample without a distance (NaN)
     * has no place. */
    place({ found, scale, bands, size, chosenNegative, ring, moving }) {
      const { run, answer, at, positive } = found;
      const far = new Map([...answer.positives, ...answer.negatives].map((sample) => [sample, distanceTo(answer, at, sample)]));
      const placed = (samples) => samples.filter((sample) => Number.isFinite(far.get(sample))).sort((a, b) => far.get(a) - far.get(b));
      order = { positive: placed(answer.positives), negative: placed(answer.negatives) };
      const wanted = new Set([...order.positive, ...order.negative]);
      for (const [sample, button] of buttons) {
        if (wanted.has(sample)) continue;
        button.remove();
        buttons.delete(sample);
      }
      const boxes = [];
      spots = new Map();
      for (const role of ["positive", "negative"]) {
        const sorted = order[role];
        const xs = sorted.map((sample) => scale(far.get(sample)));
        const rows = swarmRows(xs, bands[role].rows, size + 3);
        sorted.forEach((sample, i) => {
          const y = bands[role].y + bands[role].step * rows[i];
          const button = buttonOf(sample);
          paintThumb(button, run, sample, size, sprites);
          const d = far.get(sample);
          const zone = role === "negative" ? zoneOf(Math.fround(d - far.get(positive)), run.margin) : "";
          const chosen = role === "positive" ? sample === positive : sample === chosenNegative;
          // Written only where it differs: each write costs the browser a new look at the styles, each reading too.
          const look = looks.get(button);
          const transform = `translate(${(xs[i] - size / 2).toFixed(1)}px, ${(y - size / 2).toFixed(1)}px)`;
          const depth = chosen ? 900 : 10 + i;
          const colour = role === "negative" && chosen ? ring : "";
          if (look.transform !== transform) button.style.transform = look.transform = transform;
          if (look.depth !== depth) button.style.zIndex = look.depth = depth;
          if (look.colour !== colour) button.style.setProperty("--ring", (look.colour = colour));
          if (look.role !== role) button.dataset.role = look.role = role;
          if (look.zone !== zone) button.dataset.zone = look.zone = zone;
          if (look.chosen !== chosen) button.toggleAttribute("data-chosen", (look.chosen = chosen));
          if (!moving) {
            const label = `${role} ${className(run, sample)}, id ${sampleName(run, sample)}, ${fixed(d, decimalsFor(d))} away`;
            button.setAttribute("aria-label", zone ? `${label}, ${zone}${chosen ? ", picked" : ""}` : `${label}${chosen ? ", chosen" : ""}`);
          }
          spots.set(sample, xs[i]);
          boxes.push({ sample, role, x: xs[i], y, half: size / 2 + 2 });
        });
      }
      if (!buttons.has(stop)) reach(buttons.has(positive) ? positive : order.positive[0] ?? order.negative[0] ?? null);
      return boxes;
    },
    /** Lights what is hovered or pinned anywhere, or is of a hovered class, and dims what a class filter leaves out. */
    mark(s) {
      const run = s.runs[s.run];
      const now = [s.hover?.index, s.pinned, s.hoverClasses, s.focus, s.anchor, s.run].join("/");
      if (now === marked) return;
      marked = now;
      const [lit, kept] = [run && sampleFilter(run, s.anchor, s.hoverClasses), run && sampleFilter(run, s.anchor, s.focus)];
      for (const [sample, button] of buttons) {
        button.toggleAttribute("data-hovered", sample === s.hover?.index);
        button.toggleAttribute("data-pinned", sample === s.pinned);
        button.toggleAttribute("data-lit", Boolean(lit?.(sample)));
        button.toggleAttribute("data-dim", Boolean(kept && !kept(sample)));
      }
    },
  };
}
