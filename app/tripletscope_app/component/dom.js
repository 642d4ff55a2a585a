// Elements without innerHTML: whatever a label contains, it can only ever become text.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element. Attributes `on…` are listeners, `style` is an object of properties; strings become text. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

/** Sets text only when it differs, so that screen readers and layout are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/** Fixed decimals with a true minus sign. */
export function fixed(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** Decimals that keep three significant figures of the largest value: 12.3, 1.84, 0.620, 0.0123. */
export function decimalsFor(...values) {
  const largest = Math.max(...values.map(Math.abs));
  if (!(largest > 0)) return 2;
  return clamp(2 - Math.floor(Math.log10(largest)), 1, 6);
}

/** 2688 -> "2,688". By hand: the first toLocaleString of a page costs 50 ms of setting up every locale's rules. */
export function wholeNumber(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function percent(share) {
  if (share > 0 && share < 0.005) return "<1 %";
  return share < 1 && share > 0.995 ? ">99 %" : `${Math.round(100 * share)} %`;
}

export function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

export function easeInOut(t) {
  return t < 0.5 ? 2 * t * t : 1 - 2 * (1 - t) * (1 - t);
}
