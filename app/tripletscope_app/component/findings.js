// What the doctor found in a run, as places in time: the scrubber's flags, the next event, the panel that tells the story.
import { svg } from "./dom.js";
import { nearestFrame } from "./store.js";

export const SEVERITIES = ["problem", "warning", "note"]; // worst first
const SEVERITY_SHAPES = {
  problem: "M4.1,0H9.9L14,4.1V9.9L9.9,14H4.1L0,9.9V4.1Z", // a stop sign
  warning: "M2,0H4V0.8L13,4.6L4,8.4V14H2Z", // a pennant
  note: "M1,1H13V13H1Z",
};

/** Findings of a run, by step; null while its aside is not here. */
export function findingsOf(s, digest = s.run) {
  const found = s.asides[digest]?.findings;
  return found ? [...found].sort((a, b) => a.step - b.step || SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity)) : null;
}

/** Findings of the watched run by the frame that shows them: [{frame, severity (the worst), findings}], in time's order. */
export function eventsOf(s) {
  const run = s.runs[s.run];
  const events = new Map();
  for (const finding of (run && findingsOf(s)) ?? []) {
    const frame = nearestFrame(run, finding.step);
    if (!events.has(frame)) events.set(frame, { frame, severity: "note", findings: [] });
    const event = events.get(frame);
    event.findings.push(finding);
    if (SEVERITIES.indexOf(finding.severity) < SEVERITIES.indexOf(event.severity)) event.severity = finding.severity;
  }
  return [...events.values()].sort((a, b) => a.frame - b.frame);
}

/** The frame of the next event, or with `direction` -1 of the one before; after the last comes the first. Null without any. */
export function nextEventFrame(s, direction = 1) {
  const frames = eventsOf(s).map((event) => event.frame);
  if (direction < 0) frames.reverse();
  return frames.find((frame) => direction * (frame - s.frame) > 0) ?? frames[0] ?? null;
}

/** "step 12", or "steps 12 to 40" where the doctor says when it ended. */
export function stepsOfFinding({ step, until }) {
  return Number.isInteger(until) && until > step ? `steps ${step} to ${until}` : `step ${step}`;
}

/** The severity as a small picture; the shape alone tells them apart, and none is the shape of a strategy. */
export function severityIcon(severity, size = 14) {
  const letter = { problem: "!", note: "i" }[severity];
  return svg("svg", { class: "ts-severity", "data-severity": severity, width: size, height: size, viewBox: "0 0 14 14", "aria-hidden": "true" },
    svg("path", { d: SEVERITY_SHAPES[severity] ?? SEVERITY_SHAPES.note }),
    letter ? svg("text", { x: 7, y: 10.8, "text-anchor": "middle" }, letter) : null);
}

/** The worst finding that holds at the frame on screen, or null: what one must know before reading anything else. */
export function verdictOf(s) {
  const run = s.runs[s.run];
  const step = run?.frames[s.frame];
  const holds = (found) => found.severity === "problem" && found.step <= step && (!Number.isInteger(found.until) || step <= found.until);
  return (run && findingsOf(s)?.find(holds)) ?? null;
}
