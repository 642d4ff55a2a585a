// The choice of the space, on the map: the run's own space at once, the UMAP as soon as somebody has computed it.
import { clamp, h, setText } from "./dom.js";
import { secondsInWords, spacesOf, umapJob } from "./space.js";

const LINK_PATIENCE = 800; // ms that a link waits for Python's word before it asks for the map itself

/** {choice, status, update, stop}: the segmented control, and the line about a map that is being computed. */
export function createSpaceControl({ state, actions }) {
  const choice = h("div", { class: "ts-segments", role: "group", "aria-label": "space of the map" });
  const words = h("span", { class: "ts-map-job-words" });
  const bar = h("span", { class: "ts-map-job-done" });
  const track = h("span", { class: "ts-map-job-track", "aria-hidden": "true" }, bar);
  const act = h("button", { type: "button", class: "ts-map-small-button" });
  const status = h("div", { class: "ts-map-job", role: "status", hidden: true }, words, track, act);
  const asked = new Map(); // digest -> the news when we asked: until it changes, our question is on its way
  const askedAlone = new Set(); // digests that nobody pressed the button for: once is enough
  let timer = 0;
  let segments = [];
  let segmentsKey = "";

  const newsOf = (s) => JSON.stringify(s.news?.projection?.[s.run] ?? null);

  /** Asks once; what is told along is the wish for the space, so that one message is enough. */
  function ask() {
    const s = state.get();
    asked.set(s.run, newsOf(s));
    state.set({ space: "umap" });
    actions.request({ kind: "umap" });
    state.touch("news");
  }

  function askAlone() {
    timer = 0;
    const s = state.get();
    if (s.gone || s.space !== "umap" || jobNow(s).state !== "none") return;
    askedAlone.add(s.run);
    ask();
  }

  function cancel() {
    const s = state.get();
    asked.delete(s.run);
    state.set({ space: null });
    actions.request({ kind: "cancel-umap" });
  }

  function jobNow(s) {
    const job = umapJob(s);
    if (asked.has(s.run) && asked.get(s.run) !== newsOf(s)) asked.delete(s.run);
    return job.state !== "ready" && asked.has(s.run) ? { state: "asked" } : job;
  }

  function choose(name) {
    const s = state.get();
    if (name !== "umap") actions.setSpace(null);
    else if (["none", "failed", "cancelled"].includes(jobNow(s).state)) ask();
    else actions.setSpace("umap");
  }

  function sentenceOf(job) {
    if (job.state === "running" && job.total > 0) {
      const left = Number.isFinite(job.seconds_left) ? `, ${secondsInWords(job.seconds_left)} left` : "";
      return `UMAP: frame ${job.done} of ${job.total}${left}`;
    }
    if (job.state === "running") return "UMAP: starting";
    if (job.state === "failed") return `UMAP: ${job.message || "it could not be computed."}`;
    if (job.state === "cancelled") return "UMAP was stopped.";
    if (job.state === "ready") return "UMAP: loading";
    return job.state === "none" && askedAlone.has(state.get().run) ? "UMAP: not computed yet." : "UMAP: asking for it";
  }

  act.addEventListener("click", () => (act.dataset.what === "cancel" ? cancel() : ask()));

  return {
    choice,
    status,
    update(s, sheet) {
      const run = s.runs[s.run];
      const key = spacesOf(run).map(({ name }) => name).join();
      if (key !== segmentsKey) {
        segmentsKey = key;
        segments = spacesOf(run).map(({ name, title }) => [
          name, h("button", { type: "button", class: "ts-segment", "data-space": name, onclick: () => choose(name) }, title),
        ]);
        choice.replaceChildren(...segments.map(([, button]) => button));
      }
      const job = jobNow(s);
      const busy = ["asked", "running"].includes(job.state);
      for (const [name, button] of segments) {
        button.setAttribute("aria-pressed", String(name === sheet.name));
        const waits = name === "umap" && busy;
        if (waits) button.setAttribute("aria-busy", "true");
        else button.removeAttribute("aria-busy");
        button.title =
          name !== "umap" ? "the space that came with the run"
          : job.state === "ready" ? "neighbours kept as well as two dimensions can; distances are not"
          : "a second look: neighbours kept as well as two dimensions can. It is computed once, in a few seconds to minutes";
      }
      const wanted = s.space === "umap" && sheet.name !== "umap";
      status.hidden = !wanted;
      if (!wanted) clearTimeout(timer), (timer = 0);
      else {
        setText(words, sentenceOf(job));
        track.hidden = !busy;
        bar.style.width = `${100 * clamp((job.done ?? 0) / (job.total || 1), 0.03, 1)}%`;
        const idle = ["failed", "cancelled", "none"].includes(job.state);
        act.dataset.what = idle ? "again" : "cancel";
        act.hidden = job.state === "ready";
        setText(act, { failed: "try again", cancelled: "start again", none: "compute it" }[job.state] ?? "cancel");
        // A link, or another run of the race: nobody has pressed the button here, and the wish is the same.
        if (job.state === "none" && !timer && !askedAlone.has(s.run)) timer = setTimeout(askAlone, LINK_PATIENCE);
      }
    },
    stop: () => clearTimeout(timer),
  };
}
