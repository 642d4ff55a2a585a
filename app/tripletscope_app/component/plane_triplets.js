// Which triplets the plane marks: this anchor's own ones, and those that a strategy picked in the recorded step.
import { distanceTo, measure, pickOf, zoneOf } from "./answers.js";

/** The anchor with every positive and every negative among its candidates, the chosen positive's last (on top). */
export function ownTriplets(found) {
  if (!found) return [];
  const { run, answer, at, positive } = found;
  const order = [...answer.positives.filter((p) => p !== positive), positive];
  return order.flatMap((p) => answer.negatives.map((negative) => ({
    kind: "own", anchor: answer.anchor, positive: p, negative, chosen: p === positive, ...measure(answer, at, p, negative, run),
  })));
}

/** What a strategy picks for this anchor and each of its positives at the frame: for strategies that were not recorded. */
export function wouldPick(found, strategy) {
  if (!found || !strategy) return [];
  const { run, answer, at } = found;
  const seen = new Set();
  return answer.positives.flatMap((p) => {
    const pick = pickOf(answer, at, strategy, p);
    const key = `${pick.positive}/${pick.negative}`;
    if (pick.kind !== "pick" || seen.has(key)) return [];
    seen.add(key);
    return [{ kind: "pick", anchor: answer.anchor, positive: pick.positive, negative: pick.negative, would: true, ...measure(answer, at, pick.positive, pick.negative, run) }];
  });
}

/** The recorded picks of one strategy at a frame of the aside; samples are probe indices, or null outside the probe set. */
export function recordedPicks(aside, frame, name, margin, indexOf) {
  const which = aside.strategies.indexOf(name);
  if (which < 0) return null;
  const out = [];
  for (let i = aside.pick_offset[frame]; i < aside.pick_offset[frame + 1]; i++) {
    if (aside.pick_strategy[i] !== which) continue;
    const [dap, dan] = [aside.pick_dap[i], aside.pick_dan[i]];
    const gap = Math.fround(dan - dap);
    const [anchor, positive, negative] = [0, 1, 2].map((k) => indexOf.get(aside.pick_row[3 * i + k]) ?? null);
    out.push({ kind: "pick", anchor, positive, negative, dap, dan, gap, zone: zoneOf(gap, margin) });
  }
  return out;
}

/** The pick of the chosen lane for the chosen positive, among the anchor's own triplets; null where it has none. */
export function pickedOne(found, strategy) {
  if (!found || !strategy) return null;
  const pick = pickOf(found.answer, found.at, strategy, found.positive);
  if (pick.kind !== "pick") return null;
  return { kind: "own", anchor: found.answer.anchor, positive: pick.positive, negative: pick.negative, ...measure(found.answer, found.at, pick.positive, pick.negative, found.run) };
}

export function holdsSample(triplet, sample) {
  return triplet.anchor === sample || triplet.positive === sample || triplet.negative === sample;
}

/** d(a,p) of the chosen positive: where the ruler stands upright in the plane. */
export function chosenColumn(found) {
  return found ? distanceTo(found.answer, found.at, found.positive) : null;
}
