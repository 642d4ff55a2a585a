// The map for those who do not see it, and the card for those who point at it.
import { clamp, decimalsFor, fixed, h, setText, wholeNumber } from "./dom.js";
import { className, classInWords, sampleName, shortName, trueClass } from "./store.js";
import { centresAt, distanceTo, pickOf } from "./answers.js";
import { placesCentres } from "./centres.js";
import { paintThumb, thumbElement } from "./sprite.js";
import { badgeText, changesOf, knowsChange } from "./space.js";
import { frameShape, positionAt } from "./map_paint.js";
import { changeText } from "./map_ink.js";

function nameAndId(run, index) {
  const truth = trueClass(run, index);
  return `${shortName(run, index)}, id ${sampleName(run, index)}${truth === null ? "" : `, wrong label: truly ${truth}`}`;
}

/** The true distance from the anchor where somebody knows it: the answer, or the map itself where it is exact. */
export function trueDistance(s, sheet, found, index) {
  if (found?.answer.column.has(index)) return distanceTo(found.answer, found.at, index);
  if (!sheet.exact || sheet.run.distance !== "euclidean") return null;
  const [[ax, ay], [bx, by]] = [positionAt(sheet, s.frame, s.anchor), positionAt(sheet, s.frame, index)];
  return Number.isFinite(ax + ay + bx + by) ? Math.hypot(ax - bx, ay - by) : null;
}

/** Space, anchor, picks and movement at the frame at rest, in sentences. */
export function mapSentence(s, sheet, found) {
  const { run } = sheet;
  const say = [`${badgeText(s, sheet)}. Step ${run.frames[s.frame]}, ${wholeNumber(run.n)} samples, ${wholeNumber(run.class_names.length)} classes.`];
  say.push(`Anchor: ${nameAndId(run, s.anchor)}.`);
  if (found) {
    const far = (index) => {
      const d = trueDistance(s, sheet, found, index);
      return d === null ? "" : `, ${fixed(d, decimalsFor(d))} away`;
    };
    say.push(`Positive: ${nameAndId(run, found.positive)}${far(found.positive)}.`);
    for (const strategy of s.strategies) {
      const pick = pickOf(found.answer, found.at, strategy, found.positive);
      const title = String(strategy.title);
      if (pick.kind === "pick") say.push(`${title} picks ${nameAndId(run, pick.negative)}${far(pick.negative)}.`);
      if (pick.kind === "abstains") say.push(`${title} abstains.`);
    }
  }
  say.push(...centreSentence(s, sheet, found));
  if (s.frame > 0 && knowsChange(s, "moved")) say.push(movementSentence(s, run));
  const { lost } = frameShape(sheet, s.frame);
  if (lost) say.push(lostText(lost));
  return say.join(" ");
}

function centreSentence(s, sheet, found) {
  const { run } = sheet;
  if (!run.class_centres || !s.centres) return [];
  if (!placesCentres(sheet)) return ["The learned centres of the classes have no place on this map."];
  const there = found && centresAt(found.answer, found.at);
  if (!there?.own || !there.rival) return ["The learned centres of the classes are shown."];
  const far = ({ label, distance }) => `that of ${classInWords(run, label)}, ${fixed(distance, decimalsFor(distance))} away`;
  return [`Learned centres: the anchor's own, ${far(there.own)}; the nearest other, ${far(there.rival)}.`];
}

function movementSentence(s, run) {
  const moved = changesOf(s).moved.subarray(s.frame * run.n, (s.frame + 1) * run.n);
  let [sum, count, most] = [0, 0, -1];
  for (let i = 0; i < run.n; i++) {
    if (!(moved[i] >= 0)) continue;
    sum += moved[i];
    count++;
    if (most < 0 || moved[i] > moved[most]) most = i;
  }
  if (!count) return "";
  const [mean, top] = [sum / count, moved[most]];
  return `Since step ${run.frames[s.frame - 1]} a sample moved ${fixed(mean, decimalsFor(mean))} on average, most of all ${nameAndId(run, most)}: ${fixed(top, decimalsFor(top))}.`;
}

export function lostText(lost) {
  return lost === 1 ? "1 sample has no position here (not a number) and is left out." : `${wholeNumber(lost)} samples have no position here (not a number) and are left out.`;
}

/** {element, show, hide, hidden}: what the point under the pointer is. */
export function createCard(sprites) {
  const thumb = thumbElement("span", { class: "ts-thumb" });
  const lines = ["label", "id", "text", "far", "change"].map((name) => h("div", { class: `ts-card-${name}` }));
  const [label, id, text, far, change] = lines;
  const element = h("div", { class: "ts-card", hidden: true }, thumb, h("div", {}, ...lines));
  const place = (x, y, width, height) => {
    const box = element.getBoundingClientRect();
    element.style.left = `${clamp(x + 18, 6, Math.max(6, width - box.width - 6))}px`;
    element.style.top = `${clamp(y - box.height - 14, 6, Math.max(6, height - box.height - 6))}px`;
  };
  return {
    element,
    get hidden() {
      return element.hidden;
    },
    hide: () => (element.hidden = true),
    /** Beside (x, y) within a panel of that size. */
    show(s, { sheet, found, index, x, y, width, height }) {
      const { run } = sheet;
      if (!Number.isFinite(x) || !Number.isFinite(y)) return;
      element.hidden = false;
      element.toggleAttribute("data-centre", false);
      paintThumb(thumb, run, index, 56, sprites);
      setText(label, className(run, index).trim() || `class ${run.label[index]}`);
      setText(id, `id ${sampleName(run, index)}`);
      setText(text, run.texts ? String(run.texts[index] ?? "") : "");
      text.hidden = !text.textContent;
      const d = trueDistance(s, sheet, found, index);
      setText(far, index === s.anchor ? "the anchor" : d === null ? "click: new anchor" : `${fixed(d, decimalsFor(d))} from the anchor${sheet.exact ? "" : ", truly"}`);
      setText(change, changeText(s, index));
      change.hidden = !change.textContent;
      place(x, y, width, height);
    },
    /** The same of the learned centre of a class; its distance to the anchor is null where nobody knows it. */
    showCentre({ run, label: whose, distance, x, y, width, height }) {
      element.hidden = false;
      element.toggleAttribute("data-centre", true);
      setText(label, `learned centre of ${classInWords(run, whose)}`);
      setText(id, "");
      setText(far, distance === null ? "" : `d to the anchor ${fixed(distance, decimalsFor(distance))}`);
      for (const line of [text, change]) line.hidden = true;
      place(x, y, width, height);
    },
  };
}
