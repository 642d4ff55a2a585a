// The question, the pills of the race, play and step.
import { h, setText, svg } from "./dom.js";
import { shortName } from "./store.js";
import { touches } from "./state.js";
import { markColour, markIcon } from "./marks.js";
import { createLink } from "./link.js";
import { nextEventFrame, severityIcon, verdictOf } from "./findings.js";

const ICONS = {
  play: "M4,2.5L13.5,8L4,13.5Z",
  pause: "M3.5,2.5H6.8V13.5H3.5ZM9.2,2.5H12.5V13.5H9.2Z",
  next: "M3,2.5L10,8L3,13.5ZM11,2.5H13V13.5H11Z",
  back: "M13,2.5L6,8L13,13.5ZM3,2.5H5V13.5H3Z",
  event: "M3.5,1.5H5.2V14.5H3.5ZM6,2.5H13.5L11.2,5.8L13.5,9.1H6Z", // a flag, as on the scrubber
};

function icon(name) {
  return svg("svg", { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name], fill: "currentColor" }));
}

export function createTopbar({ state, actions }) {
  const title = h("h2", { class: "ts-title" });
  const subtitle = h("p", { class: "ts-subtitle" });
  const verdict = h("p", { class: "ts-verdict", hidden: true });
  const pills = h("div", { class: "ts-pills", role: "group", "aria-label": "Strategy that trains" });
  const play = h("button", { type: "button", class: "ts-play" });
  const back = h("button", { type: "button", class: "ts-icon-button ts-step", "aria-label": "one frame back", title: "one frame back (←)" }, icon("back"));
  const next = h("button", { type: "button", class: "ts-icon-button ts-step", "aria-label": "one frame on", title: "one frame on (→)" }, icon("next"));
  const event = h("button", { type: "button", class: "ts-icon-button ts-step ts-next-event", "aria-label": "go to the next event", disabled: true }, icon("event"));
  const counter = h("span", { class: "ts-step-number" });
  const total = h("span", { class: "ts-step-total" });
  const head = h("header", { class: "ts-head" }, title, subtitle, verdict);
  const link = createLink({ state, actions });
  const clock = h("div", { class: "ts-clock" }, h("span", { class: "ts-step-text" }, counter, total), back, play, next, event, link.element);
  const element = h("div", { class: "ts-top" }, head, pills, clock, link.message);

  play.addEventListener("click", () => actions.togglePlay());
  back.addEventListener("click", () => actions.stepBy(-1));
  next.addEventListener("click", () => actions.stepBy(1));
  event.addEventListener("click", () => {
    const frame = nextEventFrame(state.get());
    if (frame !== null) actions.goTo(frame);
  });

  let pillsKey = "";

  function drawPills(s) {
    const key = JSON.stringify([s.race, s.theme.key, s.race.map((entry) => entry.digest in s.runs)]);
    if (key === pillsKey) {
      // The same pills, another one pressed: a new element would lose the keyboard's focus.
      for (const pill of pills.children) pill.setAttribute("aria-pressed", String(pill.dataset.digest === s.run));
      return;
    }
    pillsKey = key;
    pills.toggleAttribute("data-many", s.race.length > 8);
    pills.replaceChildren(
      ...s.race.map((entry, i) => {
        const ready = entry.digest in s.runs;
        const pill = h(
          "button",
          {
            type: "button", class: "ts-pill", "data-digest": entry.digest, "aria-pressed": String(entry.digest === s.run),
            "aria-busy": ready ? null : "true", title: i < 6 ? `key ${i + 1}` : null, style: { "--mark": markColour(entry.mark, s.theme.dark) },
          },
          markIcon(entry.mark, s.theme.dark, 16), h("span", { class: "ts-ellipsis" }, entry.title),
        );
        pill.addEventListener("click", () => actions.selectRun(entry.digest));
        return pill;
      }),
    );
  }

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    if (touches(changed, "title", "subtitle", "anchor", "run", "runs")) {
      setText(title, s.title.replaceAll("{anchor}", run ? shortName(run, s.anchor) : "…"));
      setText(subtitle, s.subtitle);
      subtitle.title = s.subtitle;
      head.hidden = !s.title && !s.subtitle;
    }
    if (touches(changed, "asides", "frame", "run", "runs")) {
      // It takes the subtitle's place, so that nothing below moves.
      const found = verdictOf(s);
      const text = found ? `${found.title}, since step ${found.step}` : "";
      subtitle.hidden = Boolean(found);
      verdict.hidden = !found;
      if (verdict.dataset.text !== text) {
        verdict.dataset.text = text;
        verdict.replaceChildren(...(found ? [severityIcon(found.severity, 15), h("span", { class: "ts-ellipsis" }, text)] : []));
        verdict.title = found ? `${found.evidence} ${found.remedy}` : "";
      }
    }
    if (touches(changed, "race", "run", "runs", "theme")) drawPills(s);
    if (touches(changed, "playing")) {
      play.replaceChildren(icon(s.playing ? "pause" : "play"), h("span", {}, s.playing ? "Pause" : "Play"));
      play.setAttribute("aria-label", s.playing ? "pause" : "play the whole run");
      play.title = "Space";
    }
    if (touches(changed, "asides", "run", "runs")) {
      event.disabled = !run || nextEventFrame(s) === null;
      event.title = event.disabled ? "no events known yet" : "next event (E), the one before (Shift+E)";
    }
    if (run && touches(changed, "frame", "run", "runs")) {
      setText(counter, `step ${run.frames[s.frame]}`);
      setText(total, ` / ${run.frames.at(-1)}`);
      total.title = run.state_text ?? "";
    }
  });

  return { element, stop: link.stop };
}
