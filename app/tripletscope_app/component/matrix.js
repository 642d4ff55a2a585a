// Who is picked for whom: anchor class by class of the picked negative, counted over the span.
import { clamp, h, setText, wholeNumber } from "./dom.js";
import { rgba } from "./theme.js";
import { touches } from "./state.js";
import { finePercent, inkOn, nameElement, shareColour, shortClass, wholeClass } from "./population.js";

import { panelFiles } from "./watch_files.js";

const MATRIX_MOST = 24; // classes with a row of their own; beyond, the most picked ones and "others"
const MATRIX_TOP = 17;
const MATRIX_HEIGHT = 282;
const OTHERS = -1;

/** 1234 -> 1.2k */
function shortCount(count) {
  if (count < 1000) return String(count);
  return count < 9950 ? `${(count / 1000).toFixed(1)}k` : `${Math.round(count / 1000)}k`;
}

/** Classes that get a row and a column; OTHERS stands for the rest. */
function classesShown(aside, by) {
  const all = Array.from({ length: aside.classes }, (_, c) => c);
  if (aside.classes <= MATRIX_MOST) return { rows: all, columns: all };
  const sums = [new Map(), new Map()];
  for (const [code, count] of by) {
    [Math.floor(code / aside.classes), code % aside.classes].forEach((c, side) => sums[side].set(c, (sums[side].get(c) ?? 0) + count));
  }
  const [rows, columns] = sums.map((sum) => [...all.sort((a, b) => (sum.get(b) ?? 0) - (sum.get(a) ?? 0) || a - b).slice(0, MATRIX_TOP), OTHERS]);
  return { rows, columns };
}

/** Counts as rows x columns, and each row's sum. */
function tableOf(aside, by, rows, columns) {
  const placeOf = (list) => {
    const places = new Map(list.map((c, i) => [c, i]));
    return (c) => places.get(c) ?? places.get(OTHERS);
  };
  const [rowOf, columnOf] = [placeOf(rows), placeOf(columns)];
  const table = rows.map(() => new Float64Array(columns.length));
  for (const [code, count] of by) table[rowOf(Math.floor(code / aside.classes))][columnOf(code % aside.classes)] += count;
  return { table, sums: table.map((row) => row.reduce((sum, count) => sum + count, 0)) };
}

export function createMatrix({ state, actions }) {
  const normalise = h("button", { type: "button", class: "ts-small-toggle", "aria-pressed": "false", title: "each row as shares of its own picks" }, "share of row");
  const note = h("span", { class: "ts-ellipsis" });
  const grid = h("div", { class: "ts-matrix", role: "grid", "aria-label": "Picks by class of the anchor (rows) and class of the negative (columns)" });
  const light = h("div", { class: "ts-matrix-light", hidden: true });
  const chosen = h("div", { class: "ts-matrix-light ts-matrix-chosen", hidden: true });
  const readout = h("p", { class: "ts-readout" });
  const picture = h("div", { class: "ts-matrix-box", style: { height: `${MATRIX_HEIGHT}px` } }, grid, light, chosen);
  const files = panelFiles({ state, name: "who-for-whom", title: "who is picked for whom", element: picture, table: pickTable, titled: true, without: ".ts-matrix-light", about: () => `${note.textContent}; picks by ${shown.chosen} in ${shown.where}` });
  const element = h("div", { class: "ts-part ts-matrix-part" },
    h("div", { class: "ts-part-head" }, h("h4", { class: "ts-part-title" }, "Who is picked for whom"), normalise, files),
    h("div", { class: "ts-part-note" }, note),
    picture, readout);

  let byRow = false;
  let shown = { rows: [], columns: [], table: [], sums: [], total: 0, where: "" };
  let cells = []; // rows of elements
  let built = "";
  let sizes = { gutter: 0, top: 0, width: 0, height: 0 };
  let stop = [0, 0]; // the cell that the Tab key comes to
  let asideNow = null;

  /** Every pair of classes that was picked, also those that the grid lumps together. */
  function pickTable(s) {
    const run = s.runs[s.run];
    const [first, last] = [shown.span[0], shown.span[1]].map((f) => asideNow.frames[f]);
    const rows = [...shown.by].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([code, count]) => [run.name, shown.chosen, first, last, asideNow.class_names[Math.floor(code / asideNow.classes)], asideNow.class_names[code % asideNow.classes], count]);
    return [["run", "picked by", "from step", "to step", "class of anchor", "class of negative", "picks"], rows];
  }

  const nameOf = (c, most = 11) => (c === OTHERS ? "others" : shortClass(asideNow, c, most));

  function words(r, k) {
    const { rows, columns, table, sums, where } = shown;
    const [a, n, count] = [rows[r], columns[k], table[r][k]];
    const whose = a === OTHERS ? "other classes" : `class ${nameOf(a, 28)}`;
    if (a === n && a !== OTHERS) return `${whose}: a sample of one's own class is no negative`;
    const whom = n === OTHERS ? "other classes" : `class ${nameOf(n, 28)}`;
    return `anchors of ${whose} got negatives of ${whom} ${wholeNumber(count)} times in ${where}${sums[r] ? `: ${finePercent(count / sums[r])} of their ${wholeNumber(sums[r])} picks` : ""}`;
  }

  const classesAt = (r, k) => {
    const [a, n] = [shown.rows[r], shown.columns[k]];
    return a === OTHERS ? null : [a, n === OTHERS ? null : n];
  };

  function build(aside) {
    const { rows, columns } = shown;
    const longest = Math.max(...rows.map((c) => (c === OTHERS ? 6 : Array.from(wholeClass(aside, c)).length)));
    const gutter = Math.min(104, Math.max(24, Math.round(7 * longest) + 10));
    const width = (element.clientWidth - gutter) / columns.length;
    const widest = Math.max(...columns.map((c) => Array.from(nameOf(c)).length));
    const upright = 7 * widest > width - 2;
    const top = upright ? Math.min(78, Math.round(6.6 * widest) + 8) : 18;
    const height = Math.min(88, (MATRIX_HEIGHT - top) / rows.length);
    sizes = { gutter, top, width, height };
    const stamp = JSON.stringify([aside.digest, rows, columns, sizes]);
    if (stamp === built) return;
    built = stamp;
    stop = [0, 0];
    for (const [name, value] of Object.entries({ "--cell-width": width, "--cell-height": height, "--matrix-gutter": gutter, "--matrix-top": top })) {
      element.style.setProperty(name, `${value.toFixed(2)}px`);
    }
    element.toggleAttribute("data-upright", upright);
    const head = h("div", { class: "ts-matrix-row", role: "row" }, h("span", { class: "ts-matrix-corner", role: "columnheader" }, h("span", { class: "ts-sr" }, "class of the anchor")),
      columns.map((c) => h("span", { class: "ts-matrix-top", role: "columnheader", title: c === OTHERS ? "all other classes" : String(aside.class_names[c]) }, h("span", { class: "ts-ellipsis" }, nameOf(c)))));
    cells = rows.map((a, r) => columns.map((n, k) => h("span", { class: "ts-matrix-cell", role: "gridcell", tabindex: r + k ? -1 : 0, "data-row": r, "data-column": k, "data-own": a === n && a !== OTHERS })));
    grid.replaceChildren(head, ...rows.map((a, r) =>
      h("div", { class: "ts-matrix-row", role: "row" }, h("span", { class: "ts-matrix-side", role: "rowheader", title: a === OTHERS ? "all other classes" : String(aside.class_names[a]) }, nameElement(a === OTHERS ? "others" : wholeClass(aside, a))), cells[r])));
  }

  function paint(s) {
    const { rows, columns, table, sums } = shown;
    // "others" may hold more than all the rest: they are left grey, and the scale is that of single classes.
    const most = byRow ? 1 : Math.max(1, ...rows.flatMap((a, r) => columns.map((n, k) => (a === OTHERS || n === OTHERS ? 0 : table[r][k]))));
    const roomy = sizes.width >= 27 && sizes.height >= 13.5;
    rows.forEach((a, r) => columns.forEach((n, k) => {
      const cell = cells[r][k];
      const count = table[r][k];
      const value = byRow ? (sums[r] ? count / sums[r] : 0) : count;
      const own = a === n && a !== OTHERS;
      const colour = shareColour(value / most, s.theme.dark);
      const lumped = a === OTHERS || n === OTHERS;
      cell.toggleAttribute("data-lumped", lumped);
      cell.style.backgroundColor = own || lumped ? "" : rgba(colour);
      cell.style.color = lumped ? "" : inkOn(colour);
      setText(cell, own || !count || !roomy ? "" : byRow ? String(Math.round(100 * value)) : shortCount(count));
      cell.setAttribute("aria-label", own ? "own class" : `${wholeNumber(count)}${sums[r] ? `, ${finePercent(count / sums[r])} of the row` : ""}`);
    }));
    const those = asideNow.classes > MATRIX_MOST ? `; the top ${MATRIX_TOP} of ${asideNow.classes} classes, and others` : "";
    setText(note, `rows: anchors, columns: negatives; ${byRow ? "% of the row" : "picks"}${those}`);
    note.title = `${note.textContent}. A click filters every panel by the pair.`;
  }

  function outline(box, classes) {
    const r = classes ? shown.rows.indexOf(classes[0]) : -1;
    const k = classes && classes[1] !== null ? shown.columns.indexOf(classes[1]) : -1;
    box.hidden = r < 0 || (classes[1] !== null && k < 0);
    if (box.hidden) return;
    const { gutter, top, width, height } = sizes;
    box.style.transform = `translate(${(k < 0 ? gutter : gutter + k * width).toFixed(1)}px, ${(top + r * height).toFixed(1)}px)`;
    box.style.width = `${(k < 0 ? width * shown.columns.length : width).toFixed(1)}px`;
    box.style.height = `${height.toFixed(1)}px`;
  }

  function mark(s) {
    outline(light, s.hoverClasses);
    outline(chosen, s.focus);
    [...grid.children].slice(1).forEach((row, r) => row.toggleAttribute("data-dimmed", Boolean(s.focus) && shown.rows[r] !== s.focus[0]));
    const at = s.hoverClasses?.[1] !== null && s.hoverClasses ? [shown.rows.indexOf(s.hoverClasses[0]), shown.columns.indexOf(s.hoverClasses[1])] : [-1, -1];
    if (at[0] >= 0 && at[1] >= 0) setText(readout, words(...at));
    else setText(readout, shown.total ? `${wholeNumber(shown.total)} picks in ${shown.where}` : `no picks were recorded in ${shown.where}`);
  }

  const cellOf = (event) => event.target.closest?.(".ts-matrix-cell");
  const placeOfCell = (cell) => [Number(cell.dataset.row), Number(cell.dataset.column)];
  function point(event) {
    const cell = cellOf(event);
    const classes = cell && classesAt(...placeOfCell(cell));
    const now = state.get().hoverClasses;
    if (JSON.stringify(now) !== JSON.stringify(classes ?? null)) state.set({ hoverClasses: classes ?? null });
    if (cell && !classes?.[1] && classes?.[1] !== 0) setText(readout, words(...placeOfCell(cell)));
  }
  function choose(cell) {
    const classes = cell && classesAt(...placeOfCell(cell));
    if (!classes || classes[0] === classes[1]) return;
    const { focus } = state.get();
    actions.setFocus(focus?.[0] === classes[0] && focus[1] === classes[1] ? null : classes);
  }
  grid.addEventListener("pointerover", point);
  grid.addEventListener("pointerleave", () => state.set({ hoverClasses: null }));
  grid.addEventListener("focusin", point);
  grid.addEventListener("focusout", () => state.set({ hoverClasses: null }));
  grid.addEventListener("mousedown", (event) => event.preventDefault()); // Space goes on meaning "play"
  grid.addEventListener("click", (event) => choose(cellOf(event)));
  grid.addEventListener("keydown", (event) => {
    const cell = cellOf(event);
    if (!cell) return;
    const by = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1], Home: [0, -Infinity], End: [0, Infinity] }[event.key];
    if (!by && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (!by) return choose(cell);
    cells[stop[0]]?.[stop[1]]?.setAttribute("tabindex", "-1");
    const [r, k] = placeOfCell(cell);
    stop = [clamp(r + by[0], 0, shown.rows.length - 1), clamp(k + by[1], 0, shown.columns.length - 1)];
    const next = cells[stop[0]][stop[1]];
    next.setAttribute("tabindex", "0");
    next.focus();
  });
  normalise.addEventListener("click", () => {
    byRow = !byRow;
    normalise.setAttribute("aria-pressed", String(byRow));
    if (asideNow) paint(state.get());
  });

  return {
    element,
    /** `picks` = picksByClass(…) of the strategy and span on screen, `where` the span in words. */
    update(s, changed, aside, { picks, where, fresh, chosen: whose, span }) {
      asideNow = aside;
      if (fresh || touches(changed, "theme", "size")) {
        const { rows, columns } = classesShown(aside, picks.by);
        shown = { rows, columns, ...tableOf(aside, picks.by, rows, columns), total: picks.total, by: picks.by, where, chosen: whose, span };
        build(aside);
        paint(s);
        mark(s);
      } else if (touches(changed, "hoverClasses", "focus")) mark(s);
    },
  };
}
