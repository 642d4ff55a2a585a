// Beside the plane: exact counts per zone, what the grey means in numbers, what the marks are.
import { h, percent, setText, wholeNumber } from "./dom.js";
import { markColour, markIcon } from "./marks.js";
import { shadeOf } from "./plane_space.js";

export function createPlaneLegend() {
  const zones = ["hard", "semi-hard", "easy"].map((zone) => {
    const [count, share] = [h("td"), h("td")];
    return { zone, count, share, row: h("tr", {}, h("th", { scope: "row" }, h("i", { "data-zone": zone }), zone), count, share) };
  });
  const caption = h("caption");
  const table = h("table", { class: "ts-plane-counts" }, caption, h("tbody", {}, zones.map(({ row }) => row)));
  const ticks = h("div", { class: "ts-plane-ramp-ticks" });
  const ramp = h("div", { class: "ts-plane-ramp-box" }, h("div", { title: "the square is 1/64 of each axis; darker = more triplets per area, on one scale for the whole run" }, "triplets per ", h("i", { class: "ts-plane-square" })), h("div", { class: "ts-plane-ramp" }), ticks);
  const pickIcon = h("span", { class: "ts-plane-key" });
  const pickText = h("span");
  const ownText = h("span");
  const marks = h(
    "ul", { class: "ts-plane-marks" },
    h("li", {}, pickIcon, pickText),
    h("li", {}, h("span", { class: "ts-plane-key" }, h("i", { class: "ts-plane-dot" })), ownText),
    h("li", {}, h("span", { class: "ts-plane-key" }, h("i", { class: "ts-plane-ring" })), h("span", {}, "its pick")),
  );
  const element = h("div", { class: "ts-plane-legend" }, table, ramp, marks);
  let rampKey = "";
  let iconKey = "";

  return {
    element,
    /** `margin`: the recorded one, where another is on screen, else null. */
    showCounts(counts, note, margin) {
      setText(caption, margin === null ? "the batch's triplets" : `at the recorded margin ${margin}`);
      element.toggleAttribute("data-no-batch", !counts);
      zones.forEach(({ count, share }, i) => {
        const told = counts?.zones[i];
        setText(count, told && told.count !== null ? wholeNumber(told.count) : "–");
        setText(share, told && told.count !== null ? percent(told.share) : "");
      });
      table.title = note;
    },
    /** Powers of ten under the ramp, where they stand on the run's one scale. */
    showRamp(domain, square) {
      const key = domain ? `${domain.join()}/${square}` : "";
      if (key === rampKey) return;
      rampKey = key;
      ramp.style.visibility = domain ? "visible" : "hidden";
      ramp.style.setProperty("--square", `${square}px`);
      if (!domain) return;
      const first = Math.ceil(Math.log10(domain[0]) - 1e-9);
      const powers = Array.from({ length: Math.floor(Math.log10(domain[1])) - first + 1 }, (_, i) => 10 ** (first + i));
      ticks.replaceChildren(...powers.map((value) =>
        h("span", { style: { left: `${(100 * shadeOf(value, domain)).toFixed(1)}%` } }, value < 1 ? String(value) : value >= 10000 ? `10${planePower(Math.round(Math.log10(value)))}` : wholeNumber(value))));
    },
    showMarks({ strategy, text, own, theme }) {
      const key = `${strategy?.name}/${theme.key}`;
      if (key !== iconKey) {
        iconKey = key;
        pickIcon.replaceChildren(...(strategy ? [markIcon(strategy.mark, theme.dark, 15)] : []));
        element.style.setProperty("--mark", markColour(strategy?.mark, theme.dark));
      }
      setText(pickText, text);
      setText(ownText, own);
    },
  };
}

function planePower(value) {
  return Array.from(String(value), (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
}
