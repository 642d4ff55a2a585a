// Events on the scrubber: a flag at each frame where the doctor found something, with a sentence for pointer and keyboard.
import { clamp, h } from "./dom.js";
import { eventsOf, severityIcon, stepsOfFinding } from "./findings.js";
import { touches } from "./state.js";

const FLAG_TIP_WIDTH = 320;

/** {element, draw(s, x)}: lies over the scrubber's track; `x` maps frames to pixels. */
export function createFlags({ state, actions }) {
  const layer = h("div", { class: "ts-flags", role: "group", "aria-label": "Events of the run" });
  const tip = h("div", { class: "ts-flag-tip", hidden: true, "aria-hidden": "true" });
  const element = h("div", { class: "ts-flag-layer" }, layer, tip);

  function show(event, at) {
    const width = element.clientWidth;
    tip.replaceChildren(...event.findings.map((finding) =>
      h("p", {}, severityIcon(finding.severity), h("span", {}, h("b", {}, `${stepsOfFinding(finding)}: ${finding.title}`), ` ${finding.evidence}`))));
    tip.style.left = `${clamp(at - FLAG_TIP_WIDTH / 2, 0, Math.max(0, width - FLAG_TIP_WIDTH)).toFixed(0)}px`;
    tip.hidden = false;
    state.set({ hoverFrame: event.frame });
  }

  function hide() {
    tip.hidden = true;
    state.set({ hoverFrame: null });
  }

  function flagOf(event, x, run) {
    const at = x(event.frame);
    const words = event.findings.map((finding) => `${stepsOfFinding(finding)}, ${finding.severity}: ${finding.title}. ${finding.evidence}`);
    const flag = h("button", {
      type: "button", class: "ts-flag", "data-severity": event.severity, "data-frame": event.frame, "data-step": run.frames[event.frame],
      "aria-label": words.join(" "), style: { left: `${at.toFixed(1)}px` },
    }, severityIcon(event.severity, 13), event.findings.length > 1 ? h("span", { class: "ts-flag-count" }, String(event.findings.length)) : null);
    flag.addEventListener("pointerenter", () => show(event, at));
    flag.addEventListener("focus", () => show(event, at));
    flag.addEventListener("pointerleave", hide);
    flag.addEventListener("blur", hide);
    flag.addEventListener("click", () => actions.goTo(event.frame));
    return flag;
  }

  function spanOf(finding, x, run) {
    const last = run.frames.findLastIndex((step) => step <= finding.until);
    const first = run.frames.findIndex((step) => step >= finding.step);
    if (first < 0 || last <= first) return null;
    return h("div", { class: "ts-flag-span", "data-severity": finding.severity, style: { left: `${x(first).toFixed(1)}px`, width: `${(x(last) - x(first)).toFixed(1)}px` } });
  }

  let drawn = "";

  return {
    element,
    draw(s, x) {
      const run = s.runs[s.run];
      const events = eventsOf(s);
      const stamp = JSON.stringify([s.run, x.left, x.right, events]);
      if (stamp === drawn) return; // a flag that has the focus keeps it
      drawn = stamp;
      const lasting = events.flatMap((event) => event.findings).filter((finding) => finding.severity !== "note" && Number.isInteger(finding.until));
      layer.replaceChildren(...lasting.map((finding) => spanOf(finding, x, run)).filter(Boolean), ...events.map((event) => flagOf(event, x, run)));
      tip.hidden = true;
    },
    /** Lights the flags of the frame on screen, and of the one that is pointed at. */
    light(s, changed) {
      if (!touches(changed, "frame", "hoverFrame", "asides", "run", "runs", "size")) return;
      for (const flag of layer.querySelectorAll(".ts-flag")) {
        flag.toggleAttribute("data-now", Number(flag.dataset.frame) === s.frame);
        flag.toggleAttribute("data-lit", Number(flag.dataset.frame) === s.hoverFrame);
      }
    },
  };
}
