// The thumbnails on the ruler: positives above the axis, negatives below, each at its true distance.
import { decimalsFor, fixed } from "./dom.js";
import { className, sampleName } from "./store.js";
import { distanceTo, measure } from "./answers.js";
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

/** Keeps one button per candidate in `layer`; `place` moves them and returns their boxes. */
export function createSwarm({ layer, state, actions, sprites }) {
  const buttons = new Map();

  function buttonOf(sample) {
    if (buttons.has(sample)) return buttons.get(sample);
    const button = thumbElement("button", { type: "button", class: "ts-thumb ts-candidate" });
    button.dataset.sample = sample;
    const enter = () => state.set({ hover: { index: sample, where: "ruler" } });
    const leave = () => state.get().hover?.index === sample && state.set({ hover: null });
    button.addEventListener("pointerenter", enter);
    button.addEventListener("pointerleave", leave);
    button.addEventListener("focus", enter);
    button.addEventListener("blur", leave);
    button.addEventListener("click", () => actions.chooseCandidate(sample));
    buttons.set(sample, button);
    layer.append(button);
    return button;
  }

  return {
    clear() {
      for (const button of buttons.values()) button.remove();
      buttons.clear();
    },
    /** Puts every candidate at scale(distance); `bands` = {positive, negative}: {y (nearest the axis), step, rows}.
     * While time is `moving`, what only a screen reader asks for is left for later. */
    place({ found, scale, bands, size, chosenNegative, ring, moving }) {
      const { run, answer, at, positive } = found;
      const wanted = new Set([...answer.positives, ...answer.negatives]);
      for (const [sample, button] of buttons) {
        if (wanted.has(sample)) continue;
        button.remove();
        buttons.delete(sample);
      }
      const boxes = [];
      for (const [role, samples] of [["positive", answer.positives], ["negative", answer.negatives]]) {
        const sorted = [...samples].sort((a, b) => distanceTo(answer, at, a) - distanceTo(answer, at, b));
        const xs = sorted.map((sample) => scale(distanceTo(answer, at, sample)));
        const rows = swarmRows(xs, bands[role].rows, size + 3);
        sorted.forEach((sample, i) => {
          const y = bands[role].y + bands[role].step * rows[i];
          const button = buttonOf(sample);
          paintThumb(button, run, sample, size, sprites);
          const d = distanceTo(answer, at, sample);
          const zone = role === "negative" ? measure(answer, at, positive, sample, run).zone : "";
          const chosen = role === "positive" ? sample === positive : sample === chosenNegative;
          button.style.transform = `translate(${(xs[i] - size / 2).toFixed(1)}px, ${(y - size / 2).toFixed(1)}px)`;
          button.style.zIndex = chosen ? 900 : 10 + i;
          button.style.setProperty("--ring", role === "negative" && chosen ? ring : "");
          // Written only where it differs: each write costs the browser a new look at the styles.
          if (button.dataset.role !== role) button.dataset.role = role;
          if (button.dataset.zone !== zone) button.dataset.zone = zone;
          button.toggleAttribute("data-chosen", chosen);
          if (!moving) {
            const label = `${role} ${className(run, sample)}, id ${sampleName(run, sample)}, ${fixed(d, decimalsFor(d))} away`;
            button.setAttribute("aria-label", zone ? `${label}, ${zone}` : `${label}${chosen ? ", chosen" : ""}`);
          }
          boxes.push({ sample, role, x: xs[i], y, half: size / 2 + 2 });
        });
      }
      return boxes;
    },
    mark(hovered, pinned) {
      for (const [sample, button] of buttons) {
        button.toggleAttribute("data-hovered", sample === hovered);
        button.toggleAttribute("data-pinned", sample === pinned);
      }
    },
  };
}
