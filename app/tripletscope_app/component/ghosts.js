// Ghosts: the negatives that are not among the candidates, as faint ticks, and the hardest of them as a hollow one.
// They are what a batch of this size costs: strategies cannot choose what they do not see.
import { clamp, decimalsFor, fixed, h, setText, svg, wholeNumber } from "./dom.js";
import { className, sampleName, shortName } from "./store.js";
import { distanceTo, othersOf, zoneOf } from "./answers.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { termsOf } from "./terms.js";

const GHOST_CARD = { width: 232, height: 54 };

/** The negatives outside the candidates with the margin on screen, or null where there are none or nobody counted them.
 *
 * {count, ticks, hardest: {sample, distance, gap, zone} or null, hard, semi}: how many of them lie in these zones of the
 * chosen positive. `semi` is null while the only counts known belong to another margin. */
export function outsidersOf({ run, answer, at, positive, stale }) {
  const told = othersOf(answer, at, run.margin);
  if (!told?.count) return null;
  const [hard, semi] = told.closer[answer.positives.indexOf(positive)] ?? [0, 0];
  const near = distanceTo(answer, at, positive);
  const gap = told.hardest ? Math.fround(told.hardest.distance - near) : NaN;
  const hardest = Number.isFinite(gap) ? { ...told.hardest, gap, dap: near, dan: told.hardest.distance, zone: zoneOf(gap, run.margin) } : null;
  return { count: told.count, ticks: told.ticks, hardest, hard, semi: stale && answer.crowd ? null : semi };
}

/** "12 hard and 40 semi-hard negatives": what lies outside and would violate. */
export function outsideWords({ count, hard, semi }) {
  const all = wholeNumber(count);
  if (semi === null) return `${wholeNumber(hard)} of ${all} are hard`;
  if (!hard && !semi) return `none of ${all} violates`;
  return `${wholeNumber(hard)} hard and ${wholeNumber(semi)} semi-hard of ${all}`;
}

export function createGhosts({ state, actions, sprites }) {
  const strip = svg("path", { class: "ts-ghost-ticks" });
  const label = h("div", { class: "ts-ghost-label ts-ellipsis" });
  const button = h("button", { type: "button", class: "ts-ghost-hardest", hidden: true });
  const thumb = thumbElement("span", { class: "ts-thumb" });
  const [name, distance] = [h("div", { class: "ts-ghost-name ts-ellipsis" }), h("div", { class: "ts-ghost-distance ts-ellipsis" })];
  const card = h("div", { class: "ts-ghost-card", hidden: true, "aria-hidden": "true" }, thumb, h("div", { class: "ts-ghost-words" }, name, distance));
  let sample = null;
  let placed = ""; // geometry of the label

  const enter = () => sample !== null && state.set({ hover: { index: sample, where: "ghost" } });
  const leave = () => state.get().hover?.where === "ghost" && state.set({ hover: null });
  button.addEventListener("pointerenter", enter);
  button.addEventListener("pointerleave", leave);
  button.addEventListener("focus", enter);
  button.addEventListener("blur", leave);
  button.addEventListener("click", () => sample !== null && actions.chooseCandidate(sample));

  function hide() {
    for (const part of [label, button, card]) part.hidden = true;
    strip.setAttribute("d", "");
    sample = null;
  }

  /** The card stands above the tick while it is under the pointer, has the focus, or is pinned. */
  function mark(s) {
    const shown = sample !== null && !button.hidden && ((s.hover?.where === "ghost" && s.hover.index === sample) || s.pinned === sample);
    card.hidden = !shown;
    button.toggleAttribute("data-pinned", sample !== null && s.pinned === sample);
  }

  return {
    strip, elements: [label, button, card], hide, mark,
    draw(s, found, { scale, box, moving }) {
      const out = s.others && found ? outsidersOf(found) : null;
      if (!out) return hide();
      const y = box.ghostTop;
      let path = "";
      for (const distance of out.ticks) if (Number.isFinite(distance)) path += `M${scale(distance).toFixed(1)},${y + 2}v${box.ghosts - 4}`;
      strip.setAttribute("d", path);
      const geometry = `${y}/${box.gutter}/${out.count}`;
      if (label.hidden || placed !== geometry) {
        placed = geometry;
        label.hidden = false;
        label.style.transform = `translate(0, ${y - 3}px)`;
        label.style.maxWidth = `${box.gutter - 4}px`;
        const terms = termsOf(found.run);
        setText(label, `${terms.outside}: ${wholeNumber(out.count)}`);
        label.title = terms.outsideTitle;
      }
      if (button.hidden === Boolean(out.hardest)) button.hidden = !out.hardest;
      sample = out.hardest?.sample ?? null;
      if (!out.hardest) return mark(s);
      const x = scale(out.hardest.distance);
      button.style.transform = `translate(${(x - 6).toFixed(1)}px, ${y - 1}px)`;
      if (!moving) {
        const { run } = found;
        const digits = decimalsFor(out.hardest.distance);
        const away = `${fixed(out.hardest.distance, digits)} away: ${out.hardest.zone}`;
        button.setAttribute("aria-label", `hardest negative outside the batch: ${className(run, sample)}, id ${sampleName(run, sample)}, ${away}`);
        paintThumb(thumb, run, sample, 34, sprites);
        setText(name, `hardest outside: this ${shortName(run, sample, 12)}`);
        setText(distance, `id ${sampleName(run, sample)}, ${away}`);
        card.style.transform = `translate(${clamp(x - 30, 0, box.width - GHOST_CARD.width).toFixed(1)}px, ${y - GHOST_CARD.height - 6}px)`;
      }
      mark(s);
    },
  };
}
