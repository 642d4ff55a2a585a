// How many negatives lie in each zone: of one positive, or of all positives of the anchor together.
import { distanceTo, zoneOf } from "./answers.js";

export const ZONE_ORDER = ["hard", "semi-hard", "easy"];

/** {hard, "semi-hard", easy} over the candidates, with the margin of `found.run`; samples without a distance (NaN) are
 * in no zone. */
export function countZones({ run, answer, at }, positives) {
  const counts = { hard: 0, "semi-hard": 0, easy: 0 };
  const far = answer.negatives.map((negative) => distanceTo(answer, at, negative));
  for (const positive of positives) {
    const near = distanceTo(answer, at, positive);
    for (const distance of far) {
      const gap = Math.fround(distance - near);
      if (Number.isFinite(gap)) counts[zoneOf(gap, run.margin)] += 1;
    }
  }
  return counts;
}

/** "hard 4 · semi-hard 6 · easy 18". */
export function zoneCountWords(counts) {
  return ZONE_ORDER.map((zone) => `${zone} ${counts[zone]}`).join(" \u00b7 ");
}
