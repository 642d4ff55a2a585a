// The numbers of the step, for the watched run large and for its rivals small. Loss comes last and in grey: each
// strategy's loss is a mean over triplets of its own choosing, so the lower loss may be the worse model.
import { h, percent, setText, wholeNumber } from "./dom.js";
import { lastStepWith, lossWords, nearestFrame } from "./store.js";
import { touches } from "./state.js";
import { markIcon } from "./marks.js";

/** A number for a small place. */
export function shortNumber(value) {
  if (value > 0 && value < 0.0005) return "<0.001";
  return value >= 100 ? wholeNumber(value) : value.toFixed(value < 0.1 ? 3 : 2);
}

// A centre is no negative that could have been mined: "of all eligible triplets" would be a share of other things.
const CENTRES_LEARNT = { title: "learnt from", meaning: "samples", text: wholeNumber, help: "samples that the loss set against the centre of their class and the nearest other one" };
const COUNTERS = [
  { title: "R@1", meaning: "neighbour right", names: ["recall_at_1"], text: (v) => v.toFixed(2), help: "share of probe samples whose nearest neighbour has their class (their true class, where labels are known to be wrong)" },
  { title: "spread", meaning: "mean distance / margin", names: ["spread"], text: shortNumber, help: "mean pairwise distance in the batch, in margins" },
  { title: "violating", meaning: "gap < margin, in batch", names: ["violating_share"], text: percent, help: "share of all eligible triplets with gap < margin" },
  { title: "hard", meaning: "gap ≤ 0, in batch", names: ["hard_share"], text: percent, help: "share of all eligible triplets with gap ≤ 0" },
  { title: "mined / eligible", meaning: "triplets", names: ["mined", "eligible"], text: (a, b) => `${wholeNumber(a)} / ${wholeNumber(b)}`, help: "triplets this strategy chose, of all it could have", centres: CENTRES_LEARNT },
  { title: "false neg. / pos.", meaning: "truly wrong, of its picks", names: ["false_negative_share", "false_positive_share"], text: (a, b) => `${percent(a)} / ${percent(b)}`, help: "share of the picked negatives that are truly of the anchor's class, and of the picked positives that truly are not", truth: true },
  { title: "loss", meaning: "mean over its own picks", names: ["loss"], text: shortNumber, help: "mean over the triplets this strategy chose itself: not comparable between strategies", last: true },
];

/** What a counter is called and means in a run. */
function countedIn(run, counter) {
  return (run.class_centres && counter.centres) || counter;
}

/** Text of a counter, and the step it is from when that is not the frame's own. */
function counterOf(run, counter, frame) {
  const found = lastStepWith(run, counter.names[0], frame);
  if (!found) return { text: "–", note: "" };
  const values = counter.names.map((name) => run.seriesOf[name]?.[found.at]);
  const text = values.every(Number.isFinite) ? countedIn(run, counter).text(...values) : "–";
  return { text, note: found.step === run.frames[frame] ? "" : `, step ${found.step}` };
}

/** How many eligible triplets a filter took at the step of "mined"; null in a run without one. */
function filteredAt(run, frame) {
  const found = run.filter === undefined ? null : lastStepWith(run, "mined", frame);
  const taken = found ? run.seriesOf.filtered?.[found.at] : NaN;
  return Number.isFinite(taken) ? taken : null;
}

const chances = new WeakMap();

/** R@1 of a random order: how often another sample, drawn blindly, has the class of the first. */
export function chanceOf(run) {
  if (!chances.has(run)) {
    const counts = new Map();
    for (const label of run.truth ?? run.label) counts.set(label, (counts.get(label) ?? 0) + 1);
    let [mates, queries] = [0, 0];
    for (const count of counts.values()) {
      if (count < 2) continue; // a class of one has no nearest of its own, so it is no query
      mates += (count * (count - 1)) / Math.max(1, run.n - 1);
      queries += count;
    }
    chances.set(run, queries ? mates / queries : 0);
  }
  return chances.get(run);
}

export function createCounters({ state }) {
  const cells = COUNTERS.map((counter) => {
    const value = h("div", { class: "ts-counter-value" });
    const rivals = h("div", { class: "ts-counter-rivals" });
    const name = h("span", {}, counter.title);
    const note = h("span");
    const meaning = h("small", { class: "ts-counter-meaning" }, counter.meaning);
    const pointed = h("span", { class: "ts-counter-pointed", hidden: true });
    const element = h(
      "div", { class: "ts-counter", "data-last": counter.last ?? false, "data-name": counter.names[0], title: counter.help, hidden: Boolean(counter.truth) },
      h("div", { class: "ts-counter-title ts-ellipsis" }, name, note, pointed, meaning), value, rivals,
    );
    return { counter, element, name, note, meaning, pointed, value, rivals };
  });
  const element = h("section", { class: "ts-counters", "aria-label": "Numbers of this step" }, cells.map((cell) => cell.element));

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    element.toggleAttribute("data-empty", !run);
    if (!run) return;
    if (touches(changed, "run", "runs", "race")) {
      // What needs the truth is there only where somebody knows it.
      const known = Boolean(run.truth);
      element.toggleAttribute("data-truth", known);
      for (const { counter, element: cell } of cells) cell.hidden = Boolean(counter.truth) && !known;
    }
    if (touches(changed, "hoverFrame", "run", "runs")) {
      // The large numbers stay those of the step; what is pointed at stands beside the title, with its own step.
      const at = s.hoverFrame !== null && s.hoverFrame < run.frames.length ? s.hoverFrame : null;
      for (const { counter, meaning, pointed } of cells) {
        pointed.hidden = at === null;
        meaning.hidden = at !== null; // the two share the title's line
        if (at !== null) pointed.textContent = `${counterOf(run, counter, at).text} at step ${run.frames[at]}`;
      }
    }
    if (!touches(changed, "frame", "run", "runs", "race", "theme")) return;
    const step = run.frames[s.frame];
    const others = s.race.filter((entry) => entry.digest !== s.run && s.runs[entry.digest]);
    for (const { counter, element: cell, name, note, meaning, value, rivals } of cells) {
      if (counter.last) {
        const own = lossWords(run.loss?.title);
        meaning.textContent = own ?? counter.meaning;
        const help = own ? `mean of the ${own} that this run trains with: not comparable between strategies` : counter.help;
        if (cell.title !== help) cell.title = help;
      }
      if (counter.centres) {
        const meant = countedIn(run, counter);
        for (const [place, words] of [[name, meant.title], [meaning, meant.meaning]]) setText(place, words);
        if (cell.title !== meant.help) cell.title = meant.help;
      }
      if (counter.names[0] === "mined") {
        const taken = filteredAt(run, s.frame);
        meaning.textContent = taken === null ? counter.meaning : `${wholeNumber(taken)} filtered`;
        const help = taken === null ? counter.help : `${counter.help}; ${wholeNumber(taken)} of these were filtered${run.filter ? ` by ${run.filter}` : ""}, so it could not`;
        if (element.title !== help) element.title = help;
      }
      if (counter.title === "R@1") meaning.textContent = `${run.truth ? "truly right" : "neighbour right"}, chance ${chanceOf(run).toFixed(2)}`;
      const own = counterOf(run, counter, s.frame);
      value.textContent = own.text;
      note.textContent = own.note;
      rivals.replaceChildren(
        ...others.map((entry) => {
          const other = s.runs[entry.digest];
          const { text } = counterOf(other, counter, nearestFrame(other, step));
          const theirs = counter.last ? lossWords(other.loss?.title) : null;
          return h("span", { title: theirs ? `${entry.title}: ${theirs}` : entry.title }, markIcon(entry.mark, s.theme.dark, 11), text);
        }),
      );
    }
  });

  return { element, stop() {} };
}
