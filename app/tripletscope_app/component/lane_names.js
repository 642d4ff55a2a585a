// The lanes as a list of buttons: names, who trains, who agrees, and scrolling where there are more than fit.
import { clamp, fixed, h, setText } from "./dom.js";
import { classInWords, lossWords, shortName } from "./store.js";
import { filteredFor, learntFrom, measure, pickOf } from "./answers.js";
import { markColour, markIcon } from "./marks.js";
import { lanesInView } from "./ruler_layout.js";
import { termsOf } from "./terms.js";

/** Two decimals are enough to compare lanes; the sentence has the rest. */
export function shortLoss(loss) {
  if (loss === 0) return "0";
  return loss < 0.005 ? "<0.01" : fixed(loss, loss >= 100 ? 0 : 2);
}

/** "abstains", with what the strategy takes instead where one was set. */
export function abstainWords(answer, strategy, run) {
  const fallback = answer.fallback?.[strategy.name];
  return fallback ? `abstains; fallback: ${fallback}` : termsOf(run).abstains;
}

/** Whether the answer is older than a strategy that somebody composed: the engine is being asked. */
export function asksStill(answer, strategy) {
  return Boolean(strategy.composed) && !answer.picks[strategy.name] && !answer.not_applicable?.[strategy.name];
}

/** "not here: needs embeddings of length 1"; the way out, which the engine adds, is in the title and the sentence. */
export function notHereWords(answer, strategy) {
  const reason = answer.not_applicable?.[strategy.name] ?? strategy.unavailable ?? "no answer in this space";
  if (asksStill(answer, strategy)) return "asking the engine \u2026";
  const [first] = reason.split(";");
  return `not here: ${first.replaceAll(/['"]/g, "").replace(`${strategy.name} `, "").replace(/^is /, "").replace(/\.$/, "")}`;
}

/** What a lane says to a screen reader and in its title: [what it picks, who it agrees with, what it is]. */
function laneSays(found, strategy, trains, agrees, training) {
  const said = [];
  if (found) {
    const { run, answer, at, positive } = found;
    const pick = pickOf(answer, at, strategy, positive);
    const learnt = learntFrom(found, strategy);
    if (learnt) said.push(`learns from the centre of ${classInWords(run, learnt.own)} and that of ${classInWords(run, learnt.rival)}: ${learnt.zone}, ${lossWords(run.loss?.title ?? strategy.title)} ${shortLoss(learnt.loss)}`);
    else if (asksStill(answer, strategy)) said.push("the engine is being asked");
    else if (pick.kind === "missing") said.push(`not available here: ${answer.not_applicable?.[strategy.name] ?? strategy.unavailable ?? "no answer in this space"}`);
    else if (pick.kind === "abstains") said.push(abstainWords(answer, strategy, run));
    else if (pick.kind === "all") said.push(`uses all ${pick.negatives.length} negatives`);
    else {
      const m = measure(answer, at, pick.positive, pick.negative, run);
      said.push(`picks this ${shortName(run, pick.negative)}: ${m.zone}, ${run.loss || (strategy.name !== run.strategy && strategy.loss) ? "triplet loss" : "loss"} ${shortLoss(m.loss)}${pick.own ? ", for its own positive" : ""}`);
    }
  }
  const filtered = found && filteredFor(found.answer, found.at, strategy, found.positive);
  if (filtered) said.push(`chooses from ${filtered.left.length} of ${found.answer.negatives.length} negatives, the others are filtered`);
  if (agrees) said.push(`the same negative as ${training.title}, which trains this run`);
  if (trains) said.push("trains this run");
  return said.join("; ");
}

/** The column of lanes: buttons that choose which strategy the sentence speaks about, and light their pick.
 *
 * `view(s, box)` are the places in s.strategies that are shown; `update` puts the buttons there. */
export function createLaneNames({ layer, state, actions }) {
  const [up, down] = ["\u25b2", "\u25bc"].map((arrow, i) => {
    const button = h("button", { type: "button", class: "ts-lane-scroll", title: i ? "further strategies" : "earlier strategies", "aria-label": i ? "further strategies" : "earlier strategies" }, arrow);
    button.addEventListener("click", () => scrollBy(i ? shown.length - 2 : 2 - shown.length));
    return button;
  });
  const span = h("span", { class: "ts-lane-span" });
  const more = h("div", { class: "ts-lane-more", hidden: true }, span, up, down);
  layer.append(more);
  let rows = [];
  let key = "";
  let start = 0;
  let shown = [];
  let wheeled = 0;

  function scrollBy(count) {
    const next = clamp(start + count, 0, Math.max(0, rows.length - shown.length));
    if (next === start) return false;
    start = next;
    state.touch("lanes");
    return true;
  }

  function lit(strategy) {
    const s = state.get();
    const pick = found && pickOf(found.answer, found.at, strategy, found.positive);
    state.set({ hoverLane: strategy.name, hover: pick?.kind === "pick" ? { index: pick.negative, where: "lane" } : s.hover?.where === "lane" ? null : s.hover });
  }

  function unlit(strategy) {
    if (state.get().hoverLane !== strategy.name) return;
    state.set({ hoverLane: null, ...(state.get().hover?.where === "lane" ? { hover: null } : {}) });
  }

  let found = null;

  function rowOf(strategy, s) {
    const agrees = h("span", { class: "ts-lane-agrees", "aria-hidden": "true" }, "=");
    const element = h(
      "button",
      { type: "button", class: "ts-lane-name", tabindex: "-1", style: { "--mark": markColour(strategy.mark, s.theme.dark) } },
      markIcon(strategy.mark, s.theme.dark, 15), h("span", { class: "ts-lane-title ts-ellipsis" }, strategy.title), agrees,
    );
    element.addEventListener("click", () => actions.selectLane(strategy.name));
    element.addEventListener("pointerenter", () => lit(strategy));
    element.addEventListener("pointerleave", () => unlit(strategy));
    element.addEventListener("focus", () => lit(strategy));
    element.addEventListener("blur", () => unlit(strategy));
    element.addEventListener("keydown", (event) => {
      const at = rows.findIndex((row) => row.strategy === strategy);
      const to = { ArrowUp: at - 1, ArrowDown: at + 1 }[event.key];
      if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      if (!rows[to]) return;
      if (!shown.includes(to)) {
        start = clamp(to < shown[0] ? to : to - shown.length + 1, 0, rows.length - shown.length);
        state.touch("lanes");
        state.flush();
      }
      rows[to].element.focus();
    });
    element.addEventListener("wheel", (event) => {
      if (rows.length <= shown.length || event.ctrlKey) return;
      wheeled += event.deltaMode ? event.deltaY * 24 : event.deltaY;
      const lines = Math.trunc(wheeled / 24);
      wheeled -= 24 * lines;
      if (!lines || scrollBy(lines)) event.preventDefault(); // at either end the page scrolls on
    });
    layer.append(element);
    if (!strategy.composed || !actions.removeComposed) return { element, strategy, said: "" };
    element.toggleAttribute("data-composed", true);
    // The lane is the stop of the Tab key, and Delete on it does the same: a target this low is for the pointer.
    element.setAttribute("aria-keyshortcuts", "Delete");
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Delete") return;
      event.preventDefault();
      rows[Math.max(0, rows.findIndex((row) => row.strategy === strategy) - 1)]?.element.focus();
      actions.removeComposed(strategy.name);
    });
    const remove = h("button", { type: "button", class: "ts-lane-remove", tabindex: "-1", "aria-label": `remove ${strategy.title}`, title: "remove this strategy, which was composed here (Delete)" }, "\u00d7");
    remove.addEventListener("click", () => actions.removeComposed(strategy.name));
    layer.append(remove);
    return { element, strategy, remove, said: "" };
  }

  return {
    view(s, box) {
      const pinned = [s.lane, s.runs[s.run]?.strategy, layer.getRootNode().activeElement?.dataset?.lane]
        .map((name) => s.strategies.findIndex((strategy) => strategy.name === name)).filter((i) => i >= 0);
      shown = lanesInView(s.strategies.length, box.rows, start, pinned);
      return shown;
    },
    update(s, told, { top, height, width, gutter, moving }) {
      found = told;
      const wanted = `${s.strategies.map((strategy) => strategy.name).join()}/${s.theme.key}`;
      if (wanted !== key) {
        key = wanted;
        for (const row of rows) for (const part of [row.element, row.remove]) part?.remove();
        rows = s.strategies.map((strategy) => rowOf(strategy, s));
      }
      const training = s.strategies.find((strategy) => strategy.name === s.runs[s.run]?.strategy);
      const lesson = found && training ? pickOf(found.answer, found.at, training, found.positive) : null;
      const focused = rows.find(({ element }) => element.matches(":focus"))?.strategy.name;
      const stop = focused ?? (shown.some((i) => s.strategies[i].name === s.lane) ? s.lane : s.strategies[shown[0]]?.name);
      rows.forEach((row, i) => {
        const { element, strategy } = row;
        const place = shown.indexOf(i);
        element.hidden = place < 0;
        if (row.remove) row.remove.hidden = place < 0;
        if (place < 0) return;
        const chosen = strategy.name === s.lane;
        const trains = strategy === training;
        const geometry = `${top + place * height}/${height}/${width}/${gutter}`;
        if (element.dataset.lane !== strategy.name) element.dataset.lane = strategy.name;
        if (row.geometry !== geometry) {
          row.geometry = geometry;
          Object.assign(element.style, { top: `${top + place * height}px`, height: `${height}px`, width: `${width}px` });
          element.style.setProperty("--gutter", `${gutter}px`);
          if (row.remove) Object.assign(row.remove.style, { top: `${top + place * height}px`, height: `${height}px`, left: `${gutter - 32}px` });
        }
        const standing = `${chosen}/${strategy.name === stop}/${trains}`;
        if (row.standing !== standing) {
          row.standing = standing;
          element.setAttribute("aria-pressed", String(chosen));
          element.tabIndex = strategy.name === stop ? 0 : -1;
          element.toggleAttribute("data-trains", trains);
        }
        const pick = lesson?.kind === "pick" && !trains ? pickOf(found.answer, found.at, strategy, found.positive) : null;
        const agrees = pick?.kind === "pick" && pick.negative === lesson.negative;
        element.toggleAttribute("data-agrees", agrees);
        if (moving) return;
        const says = laneSays(found, strategy, trains, agrees, training);
        if (row.said === says && row.titled) return;
        row.said = says;
        row.titled = true;
        element.title = [strategy.summary, says].filter(Boolean).join(". ");
        element.setAttribute("aria-label", [strategy.title, says].filter(Boolean).join(": "));
      });
      more.hidden = shown.length >= s.strategies.length;
      if (more.hidden) return;
      more.style.transform = `translate(0, ${top - 19}px)`;
      more.style.width = `${gutter}px`;
      setText(span, gutter > 130 ? `${shown.length} of ${s.strategies.length}` : ""); // narrow panels keep the arrows only
      up.disabled = start <= 0;
      down.disabled = start >= s.strategies.length - shown.length;
    },
  };
}
