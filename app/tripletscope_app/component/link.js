// A link to what is on screen now, also to what Python has not heard of yet: time that is still moving, a margin in the hand.
import { h, setText, svg } from "./dom.js";
import { touches } from "./state.js";
import { currentAnswer } from "./answers.js";

const SAID = 2500; // ms that "copied" stays
const LINK_NAMES = ["v", "run", "step", "anchor", "positive", "margin", "lane", "space", "focus", "span", "lanes", "composed", "tuned"];

/** The address of the screen. Names and values are those of the app's own links; what is the default stays out. */
export function linkOf(s, from = location.href) {
  const url = new URL(from);
  const run = s.runs[s.run];
  if (!run) return url.href;
  const before = url.searchParams.get("run");
  for (const name of LINK_NAMES) url.searchParams.delete(name);
  const frame = (i) => run.frames[i];
  const whole = s.span && s.span[0] === 0 && s.span[1] === run.frames.length - 1;
  const told = {
    v: 1,
    run: s.race.find((entry) => entry.digest === s.run)?.link ?? before,
    step: frame(s.frame),
    anchor: run.row[s.anchor],
    positive: s.positive === null ? null : run.row[s.positive],
    margin: s.margin === run.margin ? null : s.margin,
    lane: s.lane === run.strategy ? null : s.lane,
    space: s.space,
    focus: s.focus?.filter((part) => part !== null).join("-"),
    lanes: s.lineup?.join("."),
    composed: s.composed?.join("."),
    tuned: s.tuned?.map((tried) => tried.join(":")).join(","),
    span: s.span && !whole ? s.span.map(frame).join("-") : null,
  };
  for (const [name, value] of Object.entries(told)) if (value !== null && value !== undefined) url.searchParams.set(name, value);
  return url.href;
}

/** Whether the text is in the clipboard now. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No permission, or no clipboard outside of a safe context: the old way, with a selected text.
    const area = h("textarea", { readonly: true, "aria-hidden": "true", tabindex: -1, style: { position: "fixed", opacity: 0 } });
    area.value = text;
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    focused?.focus?.({ preventScroll: true });
    return copied;
  }
}

function chain() {
  const half = "M6.5,9.5A2.6,2.6 0 0 1 6.5,5.9L8.9,3.5A2.6,2.6 0 0 1 12.5,7.1L11.2,8.4";
  const path = (transform) => svg("path", { d: half, transform, fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round" });
  return svg("svg", { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" }, path(null), path("rotate(180 8 8)"));
}

/** The button, what it says afterwards, and the line for what a search had to say. */
export function createLink({ state, actions }) {
  const words = h("span", { class: "ts-copy-words" }, "Copy link");
  const button = h("button", { type: "button", class: "ts-copy", title: "copy a link to what is on screen (L)", "aria-label": "Copy link", "aria-keyshortcuts": "L" }, chain(), words);
  const shown = h("input", { type: "text", class: "ts-copy-text", readonly: true, "aria-label": "link to what is on screen", hidden: true });
  const said = h("span", { class: "ts-sr", role: "status" });
  const message = h("p", { class: "ts-message", role: "status", hidden: true });
  let timer = 0;
  button.addEventListener("click", () => actions.copyLink());

  state.subscribe((s, changed) => {
    if (touches(changed, "copied") && s.copied) {
      clearTimeout(timer);
      const { link, done } = s.copied;
      setText(words, done ? "copied" : "Copy link");
      setText(said, done ? "link copied" : "the link could not be copied; it stands selected beside the button");
      button.toggleAttribute("data-done", done);
      shown.hidden = done;
      if (!done) {
        shown.value = link; // whoever has no clipboard copies it by hand
        shown.focus();
        shown.select();
      }
      timer = setTimeout(() => {
        setText(words, "Copy link");
        setText(said, "");
        button.removeAttribute("data-done");
      }, SAID);
    }
    // Without an answer the ruler says it, where the answer is missing.
    const line = (currentAnswer(s) && s.message) || "";
    setText(message, line);
    message.hidden = !line;
  });

  return { element: h("span", { class: "ts-link" }, button, shown, said), message, stop: () => clearTimeout(timer) };
}
