// What happened here: the doctor's findings, each with its step, its evidence and its remedy. A click goes there.
import { h, setText } from "./dom.js";
import { nearestFrame } from "./store.js";
import { markIcon } from "./marks.js";
import { touches } from "./state.js";
import { findingsOf, severityIcon, stepsOfFinding } from "./findings.js";
import { waitingText } from "./population.js";
import { panelFiles } from "./watch_files.js";

const FLASH = 900; // ms

/** What was looked at, so that silence means something; and what could not be, with the reason: a rule, a damaged file. */
function checkedWords({ checked = [], unchecked = {}, notes = [] }) {
  const lower = (title) => title.charAt(0).toLowerCase() + title.slice(1);
  const looked = checked.length ? `; checked: ${checked.map(lower).join(", ")}` : "";
  const missed = Object.entries(unchecked).map(([title, why]) => ` Not checked: ${lower(title)} (${why.replace(/^not checked: /, "")}).`);
  for (const note of notes) missed.push(` ${note.charAt(0).toUpperCase()}${note.slice(1)}${note.endsWith(".") ? "" : "."}`);
  return { calm: `Nothing alarming was found${looked}.${missed.join("")}`, missed: missed.join("").trim() };
}

function summaryOf(findings) {
  const count = (severity, one, many) => {
    const found = findings.filter((finding) => finding.severity === severity).length;
    return found ? [`${found} ${found === 1 ? one : many}`] : [];
  };
  return [...count("problem", "problem", "problems"), ...count("warning", "warning", "warnings"), ...count("note", "note", "notes")].join(", ");
}

export function createEvents({ state, actions }) {
  const summary = h("span", { class: "ts-panel-note" });
  const others = h("div", { class: "ts-events-others" });
  const list = h("ol", { class: "ts-findings", tabindex: "-1" });
  const quiet = h("p", { class: "ts-findings-none" });
  const body = h("div", { class: "ts-panel-body ts-events-body" }, quiet, list);
  const element = h(
    "section", { class: "ts-panel ts-events", "aria-label": "What happened here", "data-empty": true },
    h("div", { class: "ts-panel-head" }, h("h3", { class: "ts-panel-title" }, "What happened here"), summary, others, panelFiles({ state, kinds: ["csv"], name: "what-happened", title: "what happened here", element: body, table: tableOf })), body,
  );

  /** Every finding of the run. */
  function tableOf(s) {
    const run = s.runs[s.run];
    const rows = (findingsOf(s) ?? []).map((finding) => [run.name, run.strategy, finding.step, finding.until, finding.severity, finding.rule, finding.title, finding.evidence, finding.remedy]);
    return [["run", "strategy", "step", "until step", "severity", "rule", "title", "evidence", "remedy"], rows];
  }

  function go(finding, row) {
    const s = state.get();
    const frame = nearestFrame(s.runs[s.run], finding.step);
    actions.goTo(frame);
    const flag = element.getRootNode().querySelector?.(`.ts-flag[data-frame="${frame}"]`);
    for (const lit of [row, flag].filter(Boolean)) {
      lit.setAttribute("data-flash", "");
      setTimeout(() => lit.removeAttribute("data-flash"), FLASH);
    }
  }

  function rowOf(finding, run) {
    const frame = nearestFrame(run, finding.step);
    const row = h("button", { type: "button", class: "ts-finding", "data-severity": finding.severity, "data-frame": frame, "data-rule": finding.rule },
      h("span", { class: "ts-finding-severity" }, severityIcon(finding.severity), finding.severity),
      h("span", { class: "ts-finding-step" }, stepsOfFinding(finding)),
      h("span", { class: "ts-finding-text" }, h("b", {}, finding.title), " ", finding.evidence),
      h("span", { class: "ts-finding-remedy" }, finding.remedy));
    row.addEventListener("click", () => go(finding, row));
    row.addEventListener("pointerenter", () => state.set({ hoverFrame: frame }));
    row.addEventListener("pointerleave", () => state.set({ hoverFrame: null }));
    row.addEventListener("focus", () => state.set({ hoverFrame: frame }));
    row.addEventListener("blur", () => state.set({ hoverFrame: null }));
    return h("li", {}, row);
  }

  function draw(s, run) {
    const findings = findingsOf(s);
    const waiting = waitingText(s);
    element.toggleAttribute("data-empty", !findings && !waiting.failed);
    list.hidden = !findings?.length;
    list.replaceChildren(...(findings ?? []).map((finding) => rowOf(finding, run)));
    const alarming = (findings ?? []).some((finding) => finding.severity !== "note");
    const { calm, missed } = checkedWords(s.asides[s.run] ?? {});
    setText(summary, findings?.length ? `${summaryOf(findings)}; a row goes to its step` : "");
    quiet.hidden = alarming && !missed;
    setText(quiet, findings ? (alarming ? missed : calm) : waiting.text);
  }

  function drawOthers(s) {
    others.replaceChildren(...s.race.filter((entry) => entry.digest !== s.run && s.runs[entry.digest]).flatMap((entry) => {
      const findings = findingsOf(s, entry.digest);
      if (!findings) return [];
      const words = `${entry.title}: ${summaryOf(findings) || "nothing found"}`;
      const badge = h("button", { type: "button", class: "ts-events-other", "data-digest": entry.digest, title: `${words}; watch this run`, "aria-label": `${words}; watch this run` },
        markIcon(entry.mark, s.theme.dark, 12), h("span", { class: "ts-ellipsis" }, entry.title), h("span", { class: "ts-events-count" }, String(findings.length)));
      badge.addEventListener("click", () => actions.selectRun(entry.digest));
      return [badge];
    }));
  }

  state.subscribe((s, changed) => {
    const run = s.runs[s.run];
    if (!run) return;
    if (touches(changed, "run", "runs", "asides", "news")) draw(s, run);
    if (touches(changed, "run", "runs", "asides", "race", "theme")) drawOthers(s);
    if (touches(changed, "frame", "hoverFrame", "run", "runs", "asides")) {
      for (const row of list.querySelectorAll(".ts-finding")) {
        row.toggleAttribute("data-now", Number(row.dataset.frame) === s.frame);
        row.toggleAttribute("data-lit", Number(row.dataset.frame) === s.hoverFrame);
      }
    }
  });
  return { element, resize() {}, stop() {} };
}
