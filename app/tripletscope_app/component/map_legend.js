// What the colours mean, on the map: the list of classes, the scale of a number, and who is in front of whom.
import { h, setText } from "./dom.js";
import { tickText } from "./scale.js";
import { rgba } from "./theme.js";
import { changesOf, knowsChange } from "./space.js";
import { COLOUR_MODES, colourMode, movementTop, rampGradient } from "./map_ink.js";

const LISTED = 1000; // classes; more would be a page of their own

/** The menu "colour by". */
export function createColourMenu({ state }) {
  const options = COLOUR_MODES.map(({ name, title }) => h("option", { value: name }, title));
  const menu = h("select", { class: "ts-map-select", "aria-label": "colour points by", title: "what the colour of a point says" }, options);
  menu.addEventListener("change", () => state.set({ colourBy: menu.value }));
  return {
    element: menu,
    update(s) {
      for (const [i, { name, title }] of COLOUR_MODES.entries()) {
        const known = name === "class" || knowsChange(s, name);
        if (options[i].disabled === known) options[i].disabled = !known;
        setText(options[i], known ? title : `${title} (not measured yet)`);
      }
      if (menu.value !== colourMode(s)) menu.value = colourMode(s);
    },
  };
}

/** The scale of a number: what pale and strong stand for. */
export function createColourKey() {
  const title = h("div", {});
  const [low, high] = [h("span", {}), h("span", {})];
  const ramp = h("span", { class: "ts-map-ramp", "aria-hidden": "true" });
  const element = h("div", { class: "ts-map-key", hidden: true }, title, h("div", { class: "ts-map-key-row" }, low, ramp, high));
  return {
    element,
    update(s) {
      const mode = colourMode(s);
      const run = s.runs[s.run];
      element.hidden = mode === "class";
      if (mode === "class") return;
      const since = s.frame > 0 ? `since step ${run.frames[s.frame - 1]}` : "since the frame before: none yet";
      setText(title, mode === "moved" ? `true movement ${since}` : `15 nearest, ${since}`);
      setText(low, mode === "moved" ? "0" : "all kept");
      setText(high, mode === "moved" ? `${tickText(movementTop(changesOf(s).moved))} +` : "all new");
      const gradient = rampGradient(s.theme.dark);
      if (ramp.dataset.gradient !== gradient) ramp.style.background = ramp.dataset.gradient = gradient;
    },
  };
}

/** The names of the classes that are in front, with a way back. */
export function createFilterChip({ actions }) {
  const words = h("span", { class: "ts-ellipsis" });
  const undo = h("button", { type: "button", class: "ts-map-undo", "aria-label": "show all classes alike again", title: "show all classes alike again" }, "\u2715");
  const element = h("div", { class: "ts-map-filter", hidden: true }, words, undo);
  undo.addEventListener("click", () => actions.setFocus(null));
  return {
    element,
    update(s) {
      const run = s.runs[s.run];
      element.hidden = !s.focus;
      if (!s.focus) return;
      const named = s.focus.filter((label) => label !== null && label !== undefined).map((label) => classTitle(run, label));
      setText(words, `${named.join(" and ")} in front`);
      words.title = `${named.join(" and ")}: points of all other classes are dimmed`;
    },
  };
}

function classTitle(run, label) {
  return String(run.class_names[label] ?? label).trim() || `class ${label}`;
}

/** {button, panel, update}: the classes with their colours, shown on demand; a click brings one to the front. */
export function createClassList({ state, actions }) {
  const button = h("button", { type: "button", class: "ts-map-small-button", "aria-expanded": "false", title: "names and colours of the classes" }, "classes");
  const list = h("div", { class: "ts-class-list", role: "group", "aria-label": "classes: one that is pressed is in front" });
  const more = h("div", { class: "ts-class-more", hidden: true });
  const panel = h("div", { class: "ts-class-panel", hidden: true }, list, more);
  let rows = [];
  let stamp = "";
  let open = false;

  function show(yes) {
    open = yes;
    panel.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    if (!yes) state.set({ hoverClasses: null });
    state.touch("focus");
  }
  button.addEventListener("click", () => show(!open));

  const onlyThis = (focus, label) => focus && focus[0] === label && (focus[1] ?? null) === null;
  function toggle(label) {
    actions.setFocus(onlyThis(state.get().focus, label) ? null : [label, null]);
  }

  function build(run, palette) {
    const counts = new Uint32Array(run.class_names.length);
    for (let i = 0; i < run.n; i++) counts[run.label[i]]++;
    rows = run.class_names.slice(0, LISTED).map((_, label) =>
      h(
        "button",
        {
          type: "button", class: "ts-class", tabindex: label ? -1 : 0, title: classTitle(run, label), "data-class": label,
          onclick: () => toggle(label),
          onpointerenter: () => state.set({ hoverClasses: [label, null] }),
          onpointerleave: () => state.set({ hoverClasses: null }),
          onfocus: () => state.set({ hoverClasses: [label, null] }),
          onblur: () => state.set({ hoverClasses: null }),
        },
        h("span", { class: "ts-class-dot", style: { background: rgba(palette[label]) }, "aria-hidden": "true" }),
        h("span", { class: "ts-ellipsis" }, classTitle(run, label)),
        h("span", { class: "ts-class-count" }, String(counts[label])),
      ),
    );
    list.replaceChildren(...rows);
    more.hidden = run.class_names.length <= LISTED;
    setText(more, `and ${run.class_names.length - LISTED} more`);
  }

  // One stop of the Tab key for the whole list; arrows walk in it.
  list.addEventListener("keydown", (event) => {
    const at = rows.indexOf(event.composedPath().find((element) => rows.includes(element)));
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || (to === undefined && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") {
      show(false);
      button.focus();
      return;
    }
    const next = rows[Math.min(rows.length - 1, Math.max(0, to))];
    rows[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  return {
    button,
    panel,
    update(s, palette) {
      const run = s.runs[s.run];
      if (!open) return;
      const now = [run.digest, s.theme.key].join("|");
      if (now !== stamp) {
        stamp = now;
        build(run, palette);
      }
      rows.forEach((row, label) => {
        const pressed = String(Boolean(s.focus?.includes(label)));
        if (row.getAttribute("aria-pressed") !== pressed) row.setAttribute("aria-pressed", pressed);
        row.toggleAttribute("data-lit", Boolean(s.hoverClasses?.includes(label)));
      });
    },
  };
}
