// The sentence: strategy, pick, numbers, zone and loss in words. What it says is what a screen reader hears.
import { decimalsFor, fixed, h, percent } from "./dom.js";
import { shortName } from "./store.js";
import { touches } from "./state.js";
import { chancesOf, currentAnswer, distanceTo, measure, pickOf } from "./answers.js";
import { markIcon } from "./marks.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { laneStrategy } from "./ruler.js";

const ZONE_MEANING = {
  hard: "closer than the positive",
  "semi-hard": "beyond the positive, by less than the margin",
  easy: "a margin or more beyond the positive",
};

function meaningOf(m) {
  return m.gap === 0 ? "exactly as far as the positive" : ZONE_MEANING[m.zone];
}

/** Words as spans: a plain string, or [string, class]. */
function spans(words) {
  return words.map((word) => (Array.isArray(word) ? h("span", { class: word[1] }, word[0]) : word));
}

/** 5.1e−5: in a collapsed space a row of zeros says less than its power of ten. */
function tiny(value) {
  return value === 0 ? "0" : value.toExponential(1).replaceAll("-", "\u2212");
}

/** "1.84 − 0.62 + 1.00 = loss 2.22 (gap −1.22)" as words, all numbers with the same decimals where that can be read. */
export function equationWords(m, run) {
  const digits = decimalsFor(m.dap, m.dan);
  const n = (value) => (digits <= 4 ? fixed(value, digits) : Math.abs(value) < 0.01 ? tiny(value) : fixed(value, 2));
  const gap = ["gap ", [n(m.gap), "ts-number"]];
  if (run.soft_margin) {
    return ["d(a,n) ", [n(m.dan), "ts-number"], " \u2212 d(a,p) ", [n(m.dap), "ts-number"], " = ", ...gap, ", ln(1 + e^\u2212gap) = ", [`loss ${smallLoss(m.loss)}`, "ts-strong"]];
  }
  const sum = ["d(a,p) ", [n(m.dap), "ts-number"], " \u2212 d(a,n) ", [n(m.dan), "ts-number"], " + margin ", [n(run.margin), "ts-number"]];
  const end = m.loss > 0 ? [" = ", [`loss ${n(m.loss)}`, "ts-strong"]] : [" is below 0: ", ["loss 0", "ts-strong"]];
  return [...sum, ...end, ", ", ...gap];
}

function smallLoss(loss) {
  return loss > 0 && loss < 0.0005 ? "<0.001" : fixed(loss, 3);
}

function zoneWord(zone) {
  return [zone, `ts-zone-word ts-zone-word-${zone}`];
}

/** What the chosen strategy does, as two lines of words. */
function strategyLines(found, strategy) {
  const { run, answer, at, positive } = found;
  const pick = pickOf(answer, at, strategy, positive);
  const name = [strategy.title, "ts-strong"];
  if (pick.kind === "missing") return [[name, ` ${strategy.unavailable ?? "has no answer in this space"}.`], []];
  if (pick.kind === "abstains") return abstainLines(found, strategy, name);
  if (pick.kind === "all") {
    const all = answer.negatives.map((negative) => measure(answer, at, positive, negative, run));
    const count = (zone) => `${all.filter((m) => m.zone === zone).length} ${zone}`;
    const mean = all.reduce((sum, m) => sum + m.loss, 0) / all.length;
    return [
      [name, ` uses every negative: ${all.length} with this positive.`],
      [`${count("hard")}, ${count("semi-hard")}, ${count("easy")}, mean `, [`loss ${smallLoss(mean)}`, "ts-strong"]],
    ];
  }
  const m = measure(answer, at, pick.positive, pick.negative, run);
  const target = [`this ${shortName(run, pick.negative)}`, "ts-strong"];
  const chances = chancesOf(answer, at, strategy, positive);
  const verb = chances ? " drew " : " picks ";
  const own = pick.own ? " for its own positive" : "";
  const odds = chanceText(answer, chances, pick);
  return [[name, verb, target, `${own}${odds}: `, zoneWord(m.zone), `, ${meaningOf(m)}.`], equationWords(m, run)];
}

function chanceText(answer, chances, pick) {
  if (!chances) return "";
  const total = chances.reduce((sum, chance) => sum + chance, 0);
  return ` (chance ${percent(chances[answer.negatives.indexOf(pick.negative)] / total)})`;
}

function abstainLines({ run, answer, at, positive }, strategy, name) {
  const near = distanceTo(answer, at, positive);
  const digits = decimalsFor(near, near + run.margin);
  const band = `between ${fixed(near, digits)} and ${fixed(near + run.margin, digits)}`;
  const wants = strategy.name.startsWith("semi-hard") ? `no negative lies ${band}` : "it finds no negative here that it may use";
  return [
    [name, ["\u00a0abstains", "ts-strong"], `: ${wants}.`],
    strategy.name.startsWith("semi-hard") ? [`That is beyond the positive, but by less than the margin ${fixed(run.margin, 2)}.`] : [],
  ];
}

/** What picking the hovered candidate would mean, or null where the hovered sample is no candidate. */
function previewLines(found, index) {
  const { run, answer, at, positive } = found;
  if (answer.negatives.includes(index)) {
    const m = measure(answer, at, positive, index, run);
    return [["Picking ", [`this ${shortName(run, index)}`, "ts-strong"], ": ", zoneWord(m.zone), `, ${meaningOf(m)}.`], equationWords(m, run)];
  }
  if (answer.positives.includes(index) && index !== positive) {
    const near = distanceTo(answer, at, index);
    const digits = decimalsFor(near, near + run.margin);
    return [
      ["With ", [`this ${shortName(run, index)}`, "ts-strong"], ` as the positive, ${fixed(near, digits)} away, the zones move:`],
      [zoneWord("hard"), ` up to ${fixed(near, digits)}, `, zoneWord("semi-hard"), ` up to ${fixed(near + run.margin, digits)}, `, zoneWord("easy"), " beyond."],
    ];
  }
  return null;
}

export function createSentence({ state, sprites }) {
  const first = h("p", { class: "ts-sentence-first" });
  const second = h("p", { class: "ts-sentence-second" });
  const trio = ["anchor", "positive", "negative"].map((role) => {
    const thumb = thumbElement("span", { class: "ts-thumb" });
    return { role, thumb, figure: h("figure", { class: "ts-trio", "data-role": role }, thumb, h("figcaption", {}, role)) };
  });
  const live = h("div", { class: "ts-sentence-words", "aria-live": "polite", "aria-atomic": "true" }, first, second);
  const element = h("section", { class: "ts-sentence", "aria-label": "In words" }, h("div", { class: "ts-trios" }, trio.map((t) => t.figure)), live);
  let said = "";

  function say(lines, icon) {
    const text = JSON.stringify(lines) + (icon ? icon.outerHTML : "");
    if (text === said) return; // unchanged words must not be announced again
    said = text;
    first.replaceChildren(...(icon ? [icon] : []), ...spans(lines[0]));
    second.replaceChildren(...spans(lines[1]));
  }

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    if (!run || (changed.size === 1 && touches(changed, "t", "camera"))) return;
    // While time runs, ten sentences a second would be noise in a screen reader.
    live.setAttribute("aria-live", s.playing || s.dragging ? "off" : "polite");
    const found = currentAnswer(s);
    const strategy = laneStrategy(s);
    if (!found) {
      say([[s.message ?? "Asking the engine which negatives the strategies would pick for this anchor …"], []], null);
      showTrio([s.anchor, null, null], run);
      return;
    }
    const looked = s.hover?.index ?? s.pinned;
    const preview = looked === null || looked === undefined ? null : previewLines(found, looked);
    const pick = pickOf(found.answer, found.at, strategy, found.positive);
    element.toggleAttribute("data-preview", Boolean(preview));
    say(preview ?? strategyLines(found, strategy), preview ? null : markIcon(strategy.mark, s.theme.dark, 16));
    const isNegative = preview && found.answer.negatives.includes(looked);
    const isPositive = preview && found.answer.positives.includes(looked);
    showTrio([
      s.anchor,
      isPositive ? looked : isNegative ? found.positive : pick.positive ?? found.positive,
      isNegative ? looked : isPositive ? null : pick.negative ?? null,
    ], run);
  });

  function showTrio(samples, run) {
    trio.forEach(({ thumb, figure }, i) => {
      const sample = samples[i];
      figure.toggleAttribute("data-none", sample === null);
      if (sample !== null) paintThumb(thumb, run, sample, 38, sprites);
    });
  }

  return { element, stop() {} };
}
