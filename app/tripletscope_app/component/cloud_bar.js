// The line above the map of a set: which map, what colours it, search, lasso.
import { h, setText, svg, wholeNumber } from "./dom.js";

/** {element, update}: reports what somebody wants by `ask(kind, more)`. */
export function createCloudBar({ ask, onlasso, onnext }) {
  const spaces = h("div", { class: "ts-cloud-spaces", role: "group", "aria-label": "which map" });
  const menu = h("select", { class: "ts-cloud-select", "aria-label": "colour rows by", title: "what the colour of a row says" });
  menu.addEventListener("change", () => ask("colour", { by: menu.value }));
  const colour = h("label", { class: "ts-cloud-colour" }, h("span", {}, "colour"), menu);
  const input = h("input", { class: "ts-cloud-input", type: "search", placeholder: "find id, label, text", "aria-label": "find rows by id, label or text; Enter searches, and goes to the next row found", autocomplete: "off", spellcheck: "false", maxlength: "200" });
  const found = h("span", { class: "ts-cloud-found", role: "status" });
  const next = h("button", { type: "button", class: "ts-cloud-next", hidden: true, title: "next row found (Enter)" }, "next");
  const search = h("div", { class: "ts-cloud-search" }, input, found, next);
  const lasso = h("button", { type: "button", class: "ts-cloud-lasso", "aria-pressed": "false", title: "draw a line about rows to select them (or hold Shift and drag)" },
    svg("svg", { viewBox: "0 0 18 16", width: 17, height: 15, "aria-hidden": "true" },
      svg("path", { d: "M6.5 12.2C3.6 11.6 1.5 9.6 1.5 7.2 1.5 4 4.9 1.5 9 1.5s7.5 2.5 7.5 5.7-3.4 5.6-7.5 5.6", fill: "none", stroke: "currentColor", "stroke-width": 1.7, "stroke-dasharray": "3.4 1.8" }),
      svg("circle", { cx: 7.4, cy: 12.6, r: 2.1, fill: "none", stroke: "currentColor", "stroke-width": 1.7 })),
    "lasso");
  const element = h("div", { class: "ts-cloud-bar" }, spaces, colour, search, lasso);
  let [spaceStamp, menuStamp, asked] = ["", "", null];

  lasso.addEventListener("click", () => onlasso());
  next.addEventListener("click", () => onnext());
  input.addEventListener("keydown", (event) => {
    event.stopPropagation(); // Streamlit has shortcuts of one letter
    const words = input.value.trim();
    if (event.key === "Escape" && (input.value || asked)) {
      input.value = "";
      event.preventDefault();
      if (asked) ask("search", { text: "" });
    }
    if (event.key !== "Enter") return;
    if (words === asked && words) onnext();
    else ask("search", { text: words });
  });
  // The little cross of a search field.
  input.addEventListener("input", () => input.value === "" && asked && ask("search", { text: "" }));

  return {
    element,
    update({ data, tool, at }) {
      const nowSpaces = JSON.stringify(data.spaces);
      if (nowSpaces !== spaceStamp) {
        spaceStamp = nowSpaces;
        spaces.replaceChildren(
          ...data.spaces.map(({ name, title, hint }) =>
            h("button", { type: "button", class: "ts-cloud-space", "data-space": name, title: hint, onclick: () => ask("space", { space: name }) }, title),
          ),
        );
      }
      for (const button of spaces.children) button.setAttribute("aria-pressed", String(button.dataset.space === data.wanted));
      const nowMenu = JSON.stringify(data.bys);
      if (nowMenu !== menuStamp) {
        menuStamp = nowMenu;
        const groups = new Map();
        for (const by of data.bys) {
          if (!groups.has(by.group)) groups.set(by.group, []);
          groups.get(by.group).push(h("option", { value: by.value }, by.title));
        }
        menu.replaceChildren(...[...groups].map(([name, options]) => h("optgroup", { label: name }, options)));
      }
      if (menu.value !== data.by) menu.value = data.by;
      const words = data.search?.text ?? "";
      if (words !== (asked ?? "")) {
        asked = words || null;
        if (input.getRootNode().activeElement !== input || words) input.value = words;
      }
      const count = data.search?.count ?? 0;
      const place = at >= 0 ? `${wholeNumber(at + 1)} of ` : "";
      setText(found, !asked ? "" : count ? `${place}${wholeNumber(count)} ${count === 1 ? "row" : "rows"}` : "nothing found");
      next.hidden = !count;
      lasso.setAttribute("aria-pressed", String(tool === "lasso"));
    },
  };
}
