// The sentence: strategy, pick, numbers, zone and loss in words. What it says is what a screen reader hears.
import { decimalsFor, fixed, h, percent, setText, svg } from "./dom.js";
import { className, classInWords, lossWords, shortName, trueClass, truthWords } from "./store.js";
import { touches } from "./state.js";
import { answerKey, chancesOf, currentAnswer, distanceTo, filteredFor, learntFrom, measure, pickOf } from "./answers.js";
import { classColour } from "./theme.js";
import { centreIcon, markIcon } from "./marks.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { outsidersOf, outsideWords } from "./ghosts.js";
import { marginText } from "./margin_handle.js";
import { laneStrategy } from "./ruler.js";
import { asksStill } from "./lane_names.js";
import { termsOf } from "./terms.js";

const ZONE_MEANING = {
  hard: "closer than the positive",
  "semi-hard": "beyond the positive, by less than the margin",
  easy: "a margin or more beyond the positive",
};

function zoneMeaning(m) {
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

// Between centres of classes a zone is that of the two centres, and not of a positive.
const CENTRE_ZONE_MEANING = {
  hard: "nearer than its own",
  "semi-hard": "farther, within the margin",
  easy: "farther, by the margin or more",
};

const PLAIN_NAMES = { near: "d(a,p)", far: "d(a,n)", loss: "loss" };

/** "d(a,p) 1.84 − d(a,n) 0.62 + margin 1.00 = loss 2.22, gap −1.22" as words, all numbers with the same decimals where that
 * can be read. `names` say it of something else than the triplet loss of a positive and a negative. */
export function equationWords(m, run, { near, far, loss } = PLAIN_NAMES) {
  const digits = decimalsFor(m.dap, m.dan);
  const n = (value) => (digits <= 4 ? fixed(value, digits) : Math.abs(value) < 0.01 ? tiny(value) : fixed(value, 2));
  const gap = ["gap ", [n(m.gap), "ts-number"]];
  if (run.soft_margin) {
    return [`${far} `, [n(m.dan), "ts-number"], ` \u2212 ${near} `, [n(m.dap), "ts-number"], " = ", ...gap, ", ln(1 + e^\u2212gap) = ", [`${loss} ${smallLoss(m.loss)}`, "ts-strong"]];
  }
  const sum = [`${near} `, [n(m.dap), "ts-number"], ` \u2212 ${far} `, [n(m.dan), "ts-number"], " + margin ", [n(run.margin), "ts-number"]];
  const end = m.loss > 0 ? [" = ", [`${loss} ${n(m.loss)}`, "ts-strong"]] : [" is below 0: ", [`${loss} 0`, "ts-strong"]];
  return [...sum, ...end, ", ", ...gap];
}

function smallLoss(loss) {
  return loss > 0 && loss < 0.0005 ? "<0.001" : fixed(loss, 3);
}

function zoneWord(zone) {
  return [zone, `ts-zone-word ts-zone-word-${zone}`];
}

/** Why there is nothing to say about this anchor, as one sentence. */
export function noAnswerWords(s) {
  const run = s.runs[s.run];
  const start = answerKey(s.run, s.anchor, "");
  const answer = [...s.answers].findLast(([key]) => key.startsWith(start))?.[1];
  if (answer && !answer.positives.length) {
    return `This ${shortName(run, s.anchor)} has no second sample of its class among the candidates: without a positive there is no triplet.`;
  }
  if (answer && !answer.frameOf.has(run.frames[s.frame])) return "The strategies were asked before this frame was recorded.";
  return s.message ?? null;
}

/** The loss that a strategy trains with in this run, or would in one of its own, where it is not the triplet loss. */
function lossThatTrains(run, strategy) {
  return lossWords(strategy.name === run.strategy ? run.loss?.title : strategy.loss);
}

/** The numbers of a pick. They are the triplet loss, so they call it that where something else is trained. */
function pickEquation(m, run, strategy) {
  const other = run.loss || (strategy && lossThatTrains(run, strategy));
  return equationWords(m, run, { ...PLAIN_NAMES, loss: other ? "triplet loss" : "loss" });
}

/** A run that learns from centres of classes: whose they are, and the numbers of its loss. */
function centreLines(run, strategy, m) {
  return [
    [[strategy.title, "ts-strong"], " learns from its own centre and ", [`the centre of ${classInWords(run, m.rival)}`, "ts-strong"], ": ", zoneWord(m.zone), `, ${CENTRE_ZONE_MEANING[m.zone]}.`],
    equationWords(m, run, { near: "d(own)", far: "d(other)", loss: "loss" }),
  ];
}

/** What the chosen strategy does, as two lines of words. */
function strategyLines(found, strategy) {
  const { run, answer, at, positive, stale } = found;
  const learnt = learntFrom(found, strategy);
  if (learnt) return centreLines(run, strategy, learnt);
  const pick = pickOf(answer, at, strategy, positive);
  const name = [strategy.title, "ts-strong"];
  const then = stale ? ` at margin ${marginText(answer.margin)}` : ""; // the engine has not answered for this one yet
  if (pick.kind === "missing") {
    if (asksStill(answer, strategy)) return [["Asking the engine what ", name, " would pick \u2026"], [strategy.summary]];
    const reason = answer.not_applicable?.[strategy.name];
    return [[name, reason ? " is not available here:" : ` ${strategy.unavailable ?? "has no answer in this space"}.`], reason ? [reason] : []];
  }
  if (pick.kind === "abstains") return abstainLines(found, strategy, name, then);
  if (pick.kind === "all") {
    const all = pick.negatives.map((negative) => measure(answer, at, positive, negative, run)).filter((m) => Number.isFinite(m.gap));
    if (!all.length) return [[name, " finds no negative here."], []];
    const count = (zone) => `${all.filter((m) => m.zone === zone).length} ${zone}`;
    const mean = all.reduce((sum, m) => sum + m.loss, 0) / all.length;
    return [
      [name, ` uses every negative${all.length < answer.negatives.length ? " that is left" : ""}: ${all.length} with this positive.`],
      [`${count("hard")}, ${count("semi-hard")}, ${count("easy")}, mean `, [`${run.loss ? "triplet loss" : "loss"} ${smallLoss(mean)}`, "ts-strong"]],
    ];
  }
  const m = measure(answer, at, pick.positive, pick.negative, run);
  const target = [`this ${shortName(run, pick.negative)}`, "ts-strong"];
  const chances = chancesOf(answer, at, strategy, positive);
  const odds = chanceText(answer, chances, pick);
  const verb = odds ? " drew " : " picks ";
  const why = strategy.choice ? `, ${strategy.choice}` : "";
  const own = pick.own ? `${why ? "," : ""} for its own positive` : "";
  if (!Number.isFinite(m.gap)) return [[name, then, verb, target, `${why}${own}${odds}, whose distance is no number (NaN) at this step.`], []];
  return [[name, then, verb, target, `${why}${own}${odds}: `, zoneWord(m.zone), `, ${zoneMeaning(m)}.`], pickEquation(m, run, strategy)];
}

function chanceText(answer, chances, pick) {
  if (!chances) return "";
  const total = chances.reduce((sum, chance) => sum + chance, 0);
  const chance = chances[answer.negatives.indexOf(pick.negative)] / total;
  return chance === 1 ? "" : ` (chance ${percent(chance)})`; // the only one that it could draw was not drawn
}

function abstainLines({ run, answer, at, positive }, strategy, name, asked) {
  const near = distanceTo(answer, at, positive);
  const digits = decimalsFor(near, near + run.margin);
  const band = `between ${fixed(near, digits)} and ${fixed(near + run.margin, digits)}`;
  const banded = strategy.name.startsWith("semi-hard");
  const none = filteredFor(answer, at, strategy, positive)?.left.length === 0;
  const wants = none ? "its filter leaves no negative with this positive" : banded && Number.isFinite(near) ? `no negative lies ${band}` : "it finds no negative here that it may use";
  const fallback = answer.fallback?.[strategy.name];
  const then = fallback ? `Its fallback: ${fallback}.` : termsOf(run).noFallback;
  return [
    [name, asked, ["\u00a0abstains", "ts-strong"], asked ? "." : `: ${wants}.`],
    [banded && !none ? `That is beyond the positive, but by less than the margin ${marginText(run.margin)}. ${then}` : then],
  ];
}

/** What picking the hovered sample would mean, or null where it is neither a candidate nor the hardest outside. */
function previewLines(found, index) {
  const { run, answer, at, positive } = found;
  const which = [`this ${shortName(run, index)}`, "ts-strong"];
  if (answer.negatives.includes(index)) {
    const m = measure(answer, at, positive, index, run);
    if (!Number.isFinite(m.gap)) return null;
    return [["Picking ", which, ": ", zoneWord(m.zone), `, ${zoneMeaning(m)}.`], pickEquation(m, run, null)];
  }
  if (answer.positives.includes(index) && index !== positive) {
    const near = distanceTo(answer, at, index);
    if (!Number.isFinite(near)) return null;
    const digits = decimalsFor(near, near + run.margin);
    return [
      ["With ", which, ` as the positive, ${fixed(near, digits)} away, the zones move:`],
      [zoneWord("hard"), ` up to ${fixed(near, digits)}, `, zoneWord("semi-hard"), ` up to ${fixed(near + run.margin, digits)}, `, zoneWord("easy"), " beyond."],
    ];
  }
  const hardest = outsidersOf(found)?.hardest;
  if (hardest?.sample !== index) return null;
  const loss = run.soft_margin ? Math.log1p(Math.exp(-hardest.gap)) : Math.max(0, run.margin - hardest.gap);
  return [["Outside the batch, ", which, " would be the hardest: ", zoneWord(hardest.zone), `, ${zoneMeaning(hardest)}.`], pickEquation({ ...hardest, loss }, run, null)];
}

/** What a filter of the run took from this strategy here, or that it did not concern it. */
function filterSaid(run, found, strategy, positive) {
  if (run.filter === undefined || strategy.granularity === "batch") return [];
  const trains = strategy.name === run.strategy;
  if (!trains) return [`Not filtered; ${run.strategy_title}, which trains, is. `];
  const filtered = filteredFor(found.answer, found.at, strategy, positive ?? found.positive);
  if (!filtered) return run.filter ? [] : ["The loop filtered negatives, and does not say how: here it chooses among all. "];
  const digits = decimalsFor(filtered.floor, filtered.floor);
  const nearer = filtered.taken ? `, nearer than ${fixed(filtered.floor, digits)}` : "";
  return [`Filtered by ${run.filter}: ${filtered.taken || "none"} of ${found.answer.negatives.length} negatives${nearer}. `];
}

/** The third line: wrong labels, what a filter took, another loss than the triplet loss, a margin that is not the run's, and what lies outside.
 *
 * `strategy`: whose pick the lines above are about; null where they are about a sample that somebody points at. */
function asideLine(s, found, [anchor, positive, negative], strategy) {
  const words = truthWords(s.runs[s.run], { anchor, positive, negative }).flatMap((told) => [[told, "ts-wrong-words"], " "]);
  if (strategy) words.push(...filterSaid(s.runs[s.run], found, strategy, positive));
  const trains = strategy ? lossThatTrains(found.run, strategy) : lossWords(found.run.loss?.title);
  if (trains) words.push(`${strategy ? "Trains" : "This run trains"} with the ${trains}. `);
  const own = s.runs[s.run].margin;
  if (found.run.margin !== own) {
    words.push([`With margin ${marginText(found.run.margin)} instead of ${marginText(own)}.`, "ts-what-if"], " ");
  }
  const out = s.others ? outsidersOf(found) : null;
  if (out) words.push(`${trains ? "Outside" : termsOf(found.run).outsideHere}: ${outsideWords(out)}.`);
  return words;
}

export function createSentence({ state, sprites }) {
  const first = h("p", { class: "ts-sentence-first" });
  const second = h("p", { class: "ts-sentence-second" });
  const third = h("p", { class: "ts-sentence-third" });
  const trio = ["anchor", "positive", "negative"].map((role) => {
    const thumb = thumbElement("span", { class: "ts-thumb" });
    const [mark, caption] = [h("span", { class: "ts-trio-centre", "aria-hidden": "true" }), h("figcaption", {}, role)];
    return { role, thumb, mark, caption, figure: h("figure", { class: "ts-trio", "data-role": role }, thumb, mark, caption) };
  });
  const live = h("div", { class: "ts-sentence-words", "aria-live": "polite", "aria-atomic": "true" }, first, second, third);
  const element = h("section", { class: "ts-sentence", "aria-label": "In words" }, h("div", { class: "ts-trios" }, trio.map((t) => t.figure)), live);
  // Words that need a line more than there is room for, with a wide font say, are set smaller and not cut.
  const fitting = new ResizeObserver(() => {
    if (live.clientHeight > element.clientHeight) element.toggleAttribute("data-tight", true);
  });
  fitting.observe(live);
  const said = new Map();

  /** Unchanged words must not be announced again, nor laid out again. */
  function put(line, words, icon = null) {
    const text = JSON.stringify(words) + (icon ? icon.outerHTML : "");
    if (said.get(line) === text) return;
    said.set(line, text);
    element.toggleAttribute("data-tight", false);
    line.replaceChildren(...(icon ? [icon] : []), ...spans(words));
  }

  function say(lines, icon, more = []) {
    put(first, lines[0], icon);
    put(second, lines[1]);
    put(third, more);
  }

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    if (!run || (changed.size === 1 && touches(changed, "t", "camera"))) return;
    // While time runs or a margin is dragged, ten sentences a second would be noise in a screen reader.
    live.setAttribute("aria-live", s.playing || s.dragging || touches(changed, "margin") ? "off" : "polite");
    const found = currentAnswer(s);
    if (!found) {
      element.toggleAttribute("data-preview", false);
      say([[noAnswerWords(s) ?? "Asking the engine which negatives the strategies would pick for this anchor \u2026"], []], null);
      showTrio([s.anchor, null, null], run);
      return;
    }
    const near = distanceTo(found.answer, found.at, found.positive);
    if (!Number.isFinite(near)) {
      say([["The distance to this positive is no number (NaN) at this step."], ["Zones, picks and losses mean nothing here; look at an earlier step."]], null);
      showTrio([s.anchor, found.positive, null], run);
      return;
    }
    const hovered = s.strategies.find((strategy) => strategy.name === s.hoverLane);
    const strategy = hovered ?? laneStrategy(s);
    const looked = hovered ? null : s.hover?.index ?? s.pinned;
    const preview = looked === null || looked === undefined ? null : previewLines(found, looked);
    element.toggleAttribute("data-preview", Boolean(preview || hovered));
    const pick = strategy ? pickOf(found.answer, found.at, strategy, found.positive) : { kind: "missing" };
    const lines = preview ?? (strategy ? strategyLines(found, strategy) : [["No strategy is known here."], []]);
    const isPositive = preview && found.answer.positives.includes(looked);
    const isNegative = preview && !isPositive;
    const shown = [
      s.anchor,
      isPositive ? looked : isNegative ? found.positive : pick.positive ?? found.positive,
      isNegative ? looked : isPositive ? null : pick.negative ?? null,
    ];
    say(lines, preview || !strategy ? null : markIcon(strategy.mark, s.theme.dark, 16), asideLine(s, found, shown, preview ? null : strategy ?? null));
    showTrio(shown, run, preview || !strategy ? null : learntFrom(found, strategy), s.theme);
  });

  /** `learnt`: centres in the place of positive and negative, which have no picture: the marks of the map. */
  function showTrio(samples, run, learnt = null, theme = null) {
    trio.forEach(({ role, thumb, figure, caption, mark }, i) => {
      const centre = learnt && i ? [learnt.own, learnt.rival][i - 1] : null;
      setText(caption, centre === null ? role : i === 1 ? "its centre" : "the other");
      figure.toggleAttribute("data-centre", centre !== null);
      if (centre !== null) {
        mark.replaceChildren(svg("svg", { width: 34, height: 34, viewBox: "-17 -17 34 34" }, centreIcon(classColour(centre, run.class_names.length, theme.dark), theme.background, { size: 13 })));
        figure.title = `the learned centre of ${classInWords(run, centre)}`;
        figure.toggleAttribute("data-none", false);
        figure.toggleAttribute("data-wrong", false);
        return;
      }
      const sample = samples[i];
      figure.toggleAttribute("data-none", sample === null);
      const truth = sample === null ? null : trueClass(run, sample);
      figure.toggleAttribute("data-wrong", truth !== null);
      figure.title = truth === null ? "" : `labelled ${className(run, sample)}, truly ${truth}`;
      if (sample !== null) paintThumb(thumb, run, sample, 34, sprites);
    });
  }

  return { element, stop: () => fitting.disconnect() };
}
