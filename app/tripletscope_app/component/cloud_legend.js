// What the colours mean: a row of classes to bring to the front, or the scale of a number.
import { h, setText, wholeNumber } from "./dom.js";
import { tickText } from "./scale.js";
import { rgba } from "./theme.js";
import { cloudGradient, namedCount } from "./cloud_ink.js";

/** {element, update}: `onlit(codes, pinned)` says which codes are in front, as a Set, or null for all alike. */
export function createCloudLegend({ onlit }) {
  const title = h("span", { class: "ts-cloud-legend-title" });
  const list = h("div", { class: "ts-cloud-chips", role: "group", "aria-label": "what the colours mean: press one to bring it to the front" });
  const [low, high] = [h("span", {}), h("span", {})];
  const ramp = h("span", { class: "ts-cloud-ramp", "aria-hidden": "true" });
  const scale = h("div", { class: "ts-cloud-scale", hidden: true }, low, ramp, high);
  const without = h("span", { class: "ts-cloud-without" });
  const said = h("div", { class: "ts-cloud-said", hidden: true });
  const element = h("div", { class: "ts-cloud-legend" }, h("div", { class: "ts-cloud-legend-row" }, title, scale, list, without), said);
  let stamp = "";
  let pinned = null; // name of the chip that is pressed
  let chips = [];

  function press(name, codes) {
    pinned = pinned === name ? null : name;
    onlit(pinned ? codes : null, true);
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.name === pinned));
  }

  function chip(name, text, count, colour, codes, more = {}) {
    const dot = h("span", { class: "ts-cloud-dot", "aria-hidden": "true", ...more, style: { background: colour } });
    const button = h(
      "button",
      {
        type: "button", class: "ts-cloud-chip", "aria-pressed": "false", title: `${text}: ${wholeNumber(count)} rows. Press to bring them to the front.`,
        "data-name": name,
        onclick: () => press(name, codes),
        onpointerenter: () => onlit(codes, false),
        onpointerleave: () => onlit(null, false),
      },
      dot, h("span", { class: "ts-ellipsis" }, text), h("span", { class: "ts-cloud-count" }, wholeNumber(count)),
    );
    return button;
  }

  function build(legend, shades) {
    const named = namedCount(legend);
    const rest = legend.classes - named;
    chips = legend.names.slice(0, named).flatMap((name, i) => (legend.counts[i] ? [chip(`c${i}`, String(name), legend.counts[i], rgba(shades[i + 1]), new Set([i + 1]))] : []));
    if (rest > 0) {
      const codes = new Set(Array.from({ length: shades.length - 1 - named }, (_, i) => named + 1 + i));
      const coloured = legend.counts.slice(0, named).reduce((sum, count) => sum + count, 0);
      chips.push(chip("rest", `${wholeNumber(rest)} other ${legend.palette === "findings" ? "findings" : legend.title === "label" ? "classes" : "values"}, pale`, legend.total - coloured - legend.without, "", codes, { "data-many": true }));
    }
    if (legend.without) chips.push(chip("none", legend.none ?? "no value", legend.without, rgba(shades[0]), new Set([0])));
    list.replaceChildren(...chips);
  }

  return {
    element,
    update({ legend, shades, theme, total }) {
      element.hidden = !legend;
      if (!legend) return;
      const now = [legend.key, theme.key].join("|");
      if (now === stamp) return;
      if (!stamp.startsWith(`${legend.key}|`)) {
        pinned = null;
        onlit(null, true);
      }
      stamp = now;
      const number = legend.kind === "number";
      setText(title, legend.title);
      scale.hidden = !number;
      list.hidden = number;
      without.hidden = !(number && legend.without);
      if (number) {
        setText(low, `${legend.clipped[0] ? "\u2264 " : ""}${tickText(legend.low)}`);
        setText(high, `${legend.clipped[1] ? "\u2265 " : ""}${tickText(legend.high)}`);
        ramp.style.background = cloudGradient(theme.dark);
        setText(without, `no value: ${wholeNumber(legend.without)}`);
      } else build({ ...legend, total }, shades);
      setText(said, legend.said ?? "");
      said.hidden = !legend.said;
    },
  };
}

/** What the colour says about one row, in words. */
export function colourWords(legend, colour, row) {
  if (!legend || !colour) return "";
  const code = colour.codes[row];
  if (!code) return legend.none && legend.palette ? legend.none : `${legend.title}: none`;
  if (legend.kind === "number") {
    const share = (code - 1) / (legend.levels - 1);
    const about = legend.low + share * (legend.high - legend.low);
    const edge = (share === 0 && legend.clipped[0] && "at most ") || (share === 1 && legend.clipped[1] && "at least ") || "about ";
    return `${legend.title}: ${edge}${tickText(about)}`;
  }
  const name = legend.names[code - 1];
  return name === undefined ? "" : `${legend.title}: ${name}`;
}

/** The same as a cell of a table: a name, a number, or null where the row has none. */
export function colourValue(legend, colour, row) {
  const code = legend && colour ? colour.codes[row] : 0;
  if (!code) return null;
  if (legend.kind !== "number") return legend.names[code - 1] ?? null;
  return Number((legend.low + ((code - 1) / (legend.levels - 1)) * (legend.high - legend.low)).toPrecision(6));
}
