// The ruler's axis: true distance to the anchor, one axis for the whole run, never fitted to the frame. A space that
// shrinks must look small; an axis that rescales would hide exactly that.
import { clamp } from "./dom.js";

// Up to twelve margins fit on a plain axis. Beyond, the four margins where zones live keep most of the width.
const PLAIN_LIMIT = 12;
const BREAK_AT = 4;
const BREAK_SHARE = 0.6;

/** A map from distance to pixels: call it, or read {max, left, right, breakAt, breakX, ticks(), invert(x)}.
 *
 * `margin` is the run's own: an axis that followed somebody's what-if margin would move under the hand that drags it. */
export function rulerScale({ max, margin, left, right }) {
  const broken = max > PLAIN_LIMIT * margin;
  const breakAt = broken ? BREAK_AT * margin : max;
  const breakX = broken ? left + BREAK_SHARE * (right - left) : right;
  const decades = broken ? Math.log(max / breakAt) : 1;

  function scale(distance) {
    const d = clamp(distance, 0, max);
    if (d <= breakAt) return left + ((breakX - left) * d) / breakAt;
    return breakX + ((right - breakX) * Math.log(d / breakAt)) / decades;
  }

  /** The distance at a pixel, on either side of the break. */
  function invert(x) {
    const at = clamp(x, left, right);
    if (at <= breakX) return ((at - left) / (breakX - left)) * breakAt;
    return breakAt * Math.exp(((at - breakX) / (right - breakX)) * decades);
  }

  function ticks() {
    const step = niceStep(breakAt / Math.max(2, (breakX - left) / 60));
    const values = [];
    for (let i = 0; i * step <= breakAt * 1.0001; i++) values.push(i * step);
    if (broken) {
      let last = breakX + 52; // room for the word that says what begins here
      for (let power = Math.floor(Math.log10(breakAt)); 10 ** power <= max; power++) {
        for (const factor of [1, 2, 5]) {
          const value = factor * 10 ** power;
          if (value <= breakAt || value > max || scale(value) - last < 18) continue;
          values.push(value);
          last = scale(value) + 12;
        }
      }
    }
    return values.map((value) => ({ value, x: scale(value), text: tickText(value) }));
  }

  return Object.assign(scale, { max, left, right, broken, breakAt, breakX, ticks, invert });
}

/** 1, 2 or 5 times a power of ten, not below `rough`. */
export function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
}

export function tickText(value) {
  return value >= 1e4 || (value > 0 && value < 1e-3) ? value.toExponential(0) : String(Number(value.toPrecision(3)));
}
