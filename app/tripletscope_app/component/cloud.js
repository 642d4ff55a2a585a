// The map of a set: where its rows lie, by what they are coloured, and which are chosen, found, flagged or encircled.
// Python sends places and colours once, as bytes, and hears of a click, a lasso, a search; pointing and moving are here.
import { clamp, easeInOut, h, reducedMotion, setText, wholeNumber } from "./dom.js";
import { parseColour, readTheme, rgba } from "./theme.js";
import { createState } from "./state.js";
import { glideCamera, homeCamera, projection } from "./camera.js";
import { createGlPoints } from "./map_gl.js";
import { createFlatPoints, writeDiscs } from "./map_2d.js";
import { fileName, saveMenu } from "./chart_file.js";
import { paintedBy } from "./snapshot.js";
import { handleMap } from "./map_hands.js";
import { tickText } from "./scale.js";
import { pointShelf } from "./cloud_shelf.js";
import { cloudGradient, createCloudInk, namedCount, shadesOf } from "./cloud_ink.js";
import { countInView, createDensity, DENSE } from "./cloud_density.js";
import { createPictures, createRowCard, knownOf } from "./cloud_cards.js";
import { classMiddles, insideBox, paintChosen, paintLasso, paintNames, paintNeighbours, paintPictures, paintRings } from "./cloud_paint.js";
import { colourValue, createCloudLegend, colourWords } from "./cloud_legend.js";
import { createCloudBar } from "./cloud_bar.js";

const PLACES = 65_534; // places are sent as 0 … 65,534; 65,535 is nowhere
const OFF_MAP = 1e30;
const UNIT_SQUARE = { centre: [0, 0], extent: 1 };
const CARD_REST = 120; // ms until the card opens
const PEEK_REST = 380; // ms until Python is asked about a row whose card nobody here knows
const SPACE_PASSAGE = 300; // ms from one map to another
const MOST_PICTURES = 110; // rows in view that are drawn as their pictures
const LASSO_CORNERS = 200;
const WISHES_KEPT = 4;
const instances = new WeakMap();

const noWebgl = () => Boolean(globalThis.__tripletscope_no_webgl) || /[?&]renderer=canvas\b/.test(location.search);

export default function showCloud({ data, parentElement, setStateValue }) {
  if (!data) return undefined;
  let cloud = instances.get(parentElement);
  if (!cloud) {
    cloud = createCloud(parentElement);
    instances.set(parentElement, cloud);
  }
  cloud.take(data, setStateValue);
  return () => {
    cloud.stop();
    instances.delete(parentElement);
  };
}

/** Where each map was looked at last: a page that is drawn anew shows what it showed. */
function cloudCameras() {
  return (globalThis.__tripletscope_cameras ??= new Map());
}

/** Places in the square from -1 to 1, decoded once. */
const decoded = new WeakMap();
function sheetOf(points) {
  if (!points) return null;
  if (!decoded.has(points)) {
    const raw = points.places;
    const pos = new Float32Array(raw.length);
    for (let i = 0; i < raw.length; i++) pos[i] = raw[i] > PLACES ? OFF_MAP : (2 * raw[i]) / PLACES - 1;
    decoded.set(points, { key: points.key, pos, n: raw.length / 2, points });
  }
  return decoded.get(points);
}

function createCloud(root) {
  const state = createState({ camera: homeCamera(), hover: null, anchor: null, tool: "pan", path: [], lit: null, hoverLit: null, at: -1, size: null, theme: null, data: null, arrived: 0, gone: false });
  const layer = () => h("canvas", { class: "ts-layer", "aria-hidden": "true" });
  const [under, points, over] = [layer(), layer(), layer()];
  const picture = h("div", { class: "ts-layer", role: "img", "aria-label": "Map of the set" }, under, points, over);
  const keys = "Arrow keys go from row to row, Enter chooses one, plus and minus zoom, 0 shows all, Escape lets go.";
  const surface = h("div", { class: "ts-cloud-surface", tabindex: "0", role: "application", "aria-label": `Map. ${keys}` }, picture);
  const badge = h("div", { class: "ts-cloud-badge" });
  const note = h("div", { class: "ts-cloud-note", hidden: true });
  const job = h("div", { class: "ts-cloud-job", hidden: true, role: "status" });
  const marks = h("div", { class: "ts-cloud-marks" });
  const lineKey = h("div", { class: "ts-cloud-lines", hidden: true });
  const empty = h("div", { class: "ts-cloud-empty", hidden: true });
  const hint = h("div", { class: "ts-map-hint", hidden: true }, "Ctrl + wheel zooms, dragging moves");
  const told = h("div", { class: "ts-sr", role: "status" });
  const pointed = h("div", { class: "ts-sr", "aria-live": "assertive" });
  const zoomText = h("span", { class: "ts-zoom-text" });
  const button = (label, text, action) => h("button", { type: "button", class: "ts-icon-button", "aria-label": label, title: label, onclick: action }, text);
  const controls = h(
    "div", { class: "ts-map-controls" }, zoomText,
    button("zoom in", "+", () => hands.zoomMiddle(1.8)), button("zoom out", "\u2212", () => hands.zoomMiddle(1 / 1.8)), button("show all rows", "\u2922", () => goHome()), files(),
  );
  const pictures = createPictures(() => state.touch("arrived"));
  const card = createRowCard(pictures);
  const legend = createCloudLegend({ onlit: (codes, pinned) => state.set(pinned ? { lit: codes, hoverLit: null } : { hoverLit: codes }) });
  const bar = createCloudBar({ ask, onlasso: () => state.set({ tool: state.get().tool === "lasso" ? "pan" : "lasso" }), onnext: nextHit });
  const top = h("div", { class: "ts-cloud-top" }, badge, job, note);
  const foot = h("div", { class: "ts-cloud-foot" }, marks);
  const panel = h("section", { class: "ts-cloud-map", "aria-label": "Map" }, surface, top, foot, empty, hint, controls, card.element, told, pointed);
  const element = h("div", { class: "ts-instrument ts-cloud" }, bar.element, panel, legend.element, lineKey);

  const drawer = (!noWebgl() && createGlPoints(points, () => redrawAll())) || createFlatPoints(points);
  const density = createDensity();
  const inkOf = createCloudInk();
  let report = () => {};
  let wishes = [];
  let [turn, cardTimer, peekTimer, restTimer, passing] = [0, 0, 0, 0, 0];
  let [sheet, view, ink, passage, drawnPoints, inkNow] = [null, null, null, null, "", null];
  let [middles, placed, shownNames] = [{ key: null, list: [] }, { key: "", spots: new Float32Array(0) }, ""];
  let [counted, markedNow, marksStamp, peeked] = [{ key: "", count: 0 }, { name: "", of: null }, "", null];

  // --- for files ---

  function files() {
    return saveMenu({
      title: "Map of the set", element: () => panel, table, theme: () => state.get().theme,
      without: ".ts-map-controls, .ts-map-hint, .ts-cloud-job, .ts-cloud-undo, .ts-card",
      name: () => fileName("map", state.get().data.space, "by", state.get().data.legend?.title ?? "nothing"),
      caption: () => captionOf(state.get()),
    });
  }

  function captionOf({ data, anchor }) {
    const known = anchor === null || anchor === undefined ? null : knownOf(anchor, cardsNow(), data.card);
    const chosen = anchor === null || anchor === undefined ? "" : `chosen: ${known ? `${known.label ?? "row"}, id ${known.id}` : `row ${anchor}`}`;
    const marks = data.marks.map((mark) => `${mark.title} (${wholeNumber(mark.count)})`).join(", ");
    return [`space ${data.badge.text}`, `${wholeNumber(sheet.n)} rows, coloured by ${data.legend?.title ?? "nothing"}`, classWords(), chosen, marks && `ringed: ${marks}`].filter(Boolean).join("; ");
  }

  /** What the colours mean, where the names on the map do not say it. */
  function classWords() {
    const { data } = state.get();
    if (data.legend?.kind !== "number") return "";
    return `from ${tickText(data.legend.low)} (pale) to ${tickText(data.legend.high)}`;
  }

  /** Every row that has a place: the map's own unit, the colour in words, and what marks it. */
  function table() {
    const { data, anchor } = state.get();
    const [colour, { centre, extent }] = [colourNow(), sheet.points];
    const cards = cardsNow();
    const marks = data.marks.map((mark) => [mark.title, new Set(onShelf(mark.key)?.rows ?? [])]);
    const rows = [];
    for (let i = 0; i < sheet.n; i++) {
      const [x, y] = [sheet.pos[2 * i], sheet.pos[2 * i + 1]];
      if (!(Math.abs(x) < 1e29)) continue;
      rows.push([i, knownOf(i, cards, data.card)?.id ?? null, centre[0] + x * extent, centre[1] + y * extent, colourValue(data.legend, colour, i), i === anchor ? "chosen" : null, ...marks.map(([, of]) => (of.has(i) ? 1 : 0))]);
    }
    return [["row", "id", `x (${data.space})`, `y (${data.space})`, `colour: ${data.legend?.title ?? "none"}`, "chosen", ...marks.map(([title]) => `marked: ${title}`)], rows];
  }

  paintedBy(under, (pen) => {
    const s = state.get();
    if (!sheet || points.style.visibility !== "hidden") return;
    const canvas = h("canvas", { width: Math.ceil(s.size.width), height: Math.ceil(s.size.height) });
    density.draw(canvas.getContext("2d"), { pos: sheet.pos, view, ink: inkNow, n: sheet.n, width: s.size.width, height: s.size.height });
    pen.imageSmoothingEnabled = false;
    pen.drawImage(canvas, 0, 0, canvas.width, canvas.height);
  });
  paintedBy(points, (pen) => {
    const s = state.get();
    if (!sheet || points.style.visibility === "hidden") return;
    const inView = sheet.n > DENSE ? counted.count : sheet.n;
    const some = sheet.n > DENSE ? inViewOnly(inView) : { sheet, ink: inkNow, spots: spotsNow };
    writeDiscs(pen, { ...some, ground: parseColour(s.theme.background), size: dotSize(s, inView), ...s.size });
  });
  paintedBy(over, (pen) => {
    const s = state.get();
    if (sheet) paintOver(pen, { ...s, hover: null, path: [] }, { colour: colourNow(), meaning: colourNow() ? s.data.legend : null, marked: markedRows(s), dense: points.style.visibility === "hidden" });
  });

  /** What somebody wants goes as a state and with those before it: a trigger is lost while a page is being drawn. Turns
   * grow, also on a page that is drawn anew, so that Python hears each once. */
  function ask(kind, more = {}) {
    turn = Math.max(turn + 1, Date.now());
    wishes = [...wishes, { kind, ...more, turn }].slice(-WISHES_KEPT);
    report("asked", wishes);
  }

  function redrawAll() {
    drawnPoints = "";
    state.touch("theme");
  }

  function goHome() {
    glideCamera(state, homeCamera(), 220);
  }

  // --- what there is ---

  const onShelf = (key) => (key ? (pointShelf().get(key) ?? null) : null);
  const colourNow = () => onShelf(state.get().data?.legend?.key);
  const cardsNow = () => onShelf(state.get().data?.cards);

  /** Rows that are marked now: of a finding, a search, a lasso; {name, of: Uint8Array} for the ink. */
  function markedRows(s) {
    const lists = (s.data?.marks ?? []).map((mark) => [mark, onShelf(mark.key)]).filter(([, found]) => found);
    const name = lists.map(([mark]) => mark.key).join("|");
    if (!lists.length || !sheet) return null;
    if (markedNow.name === name && markedNow.n === sheet.n) return markedNow;
    const of = new Uint8Array(sheet.n);
    for (const [, { rows }] of lists) for (const row of rows) of[row] = 1;
    return (markedNow = { name, of, n: sheet.n });
  }

  function take(data, setStateValue) {
    report = setStateValue;
    const before = state.get().data;
    const search = data.search?.key;
    if (search !== before?.search?.key) state.set({ at: -1 });
    state.set({ data, anchor: data.row });
    if (!element.isConnected) root.append(element);
    lookAtTheme();
  }

  function lookAtTheme() {
    const theme = readTheme(element);
    if (state.get().theme?.key !== theme.key) {
      element.dataset.theme = theme.dark ? "dark" : "light";
      drawnPoints = "";
      state.set({ theme });
    }
  }

  const sizes = new ResizeObserver(() => {
    const { width, height } = surface.getBoundingClientRect();
    const ratio = Math.min(2, devicePixelRatio || 1);
    if (!width || !height) return;
    for (const canvas of [under, points, over]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
    drawnPoints = "";
    state.set({ size: { width, height, ratio } });
  });
  sizes.observe(surface);
  const onArrival = () => state.set({ arrived: state.get().arrived + 1 });
  document.addEventListener("tripletscope:points", onArrival);

  // --- where rows lie on the screen ---

  function screenOf(row) {
    const [x, y] = [sheet.pos[2 * row], sheet.pos[2 * row + 1]];
    if (!(Math.abs(x) < 1e29)) return [NaN, NaN];
    return [view.toX(x), view.toY(y)];
  }

  function spotsNow() {
    const { camera, size } = state.get();
    const key = [sheet.key, camera.x, camera.y, camera.zoom, size.width, size.height].join("|");
    if (placed.key === key) return placed.spots;
    const spots = placed.spots.length === 2 * sheet.n ? placed.spots : new Float32Array(2 * sheet.n);
    const [left, topmost, { scale }] = [view.toX(0), view.toY(0), view];
    for (let i = 0; i < spots.length; i += 2) {
      spots[i] = left + sheet.pos[i] * scale;
      spots[i + 1] = topmost - sheet.pos[i + 1] * scale;
    }
    placed = { key, spots };
    return spots;
  }

  // --- drawing ---

  function penOf(canvas, { width, height, ratio }) {
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
  }

  function follow(s) {
    const found = onShelf(s.data?.places);
    if (!found) return;
    const wanted = sheetOf(found);
    if (wanted === sheet) return;
    const left = sheet;
    sheet = wanted;
    if (left?.key === sheet.key) return; // the same bytes, brought again
    card.hide();
    if (left && left.n === sheet.n && sheet.n <= DENSE && !reducedMotion() && drawer.kind === "webgl2") {
      passage = { sheet: left, camera: s.camera, began: performance.now() };
      cancelAnimationFrame(passing);
      passing = requestAnimationFrame(pass);
    }
    state.set({ camera: cloudCameras().get(sheet.key) ?? homeCamera(), hover: null });
  }

  function pass() {
    if (!passage || state.get().gone) return;
    if (performance.now() - passage.began >= SPACE_PASSAGE) passage = null;
    drawnPoints = "";
    draw(state.get());
    if (passage) passing = requestAnimationFrame(pass);
  }

  function draw(s) {
    if (!s.data || !s.size || !s.theme) return;
    follow(s);
    s = state.get();
    empty.hidden = Boolean(sheet);
    setText(empty, s.data.trouble ?? "The map is being made …");
    if (!sheet) return;
    view = projection(s.camera, UNIT_SQUARE, s.size.width, s.size.height);
    const colour = colourNow();
    const meaning = colour ? s.data.legend : null;
    const marked = markedRows(s);
    inkNow = inkOf({ n: sheet.n, colour, legend: meaning, lit: s.hoverLit ?? s.lit, marked, dark: s.theme.dark, name: sheet.n });
    legend.update({ legend: meaning, shades: inkNow.shades, theme: s.theme, total: sheet.n });
    const dense = drawPoints(s);
    drawOver(s, { colour, meaning, marked, dense });
    tell(s, { dense, meaning });
  }

  /** Whether the rows in view are drawn as a density. */
  function drawPoints(s) {
    const { width, height, ratio } = s.size;
    const cameraKey = [sheet.key, s.camera.x, s.camera.y, s.camera.zoom, width, height].join("|");
    if (sheet.n > DENSE && counted.key !== cameraKey) counted = { key: cameraKey, count: countInView(sheet.pos, sheet.n, view) };
    const inView = sheet.n > DENSE ? counted.count : sheet.n;
    const dense = inView > DENSE;
    const key = `${cameraKey}|${inkNow.key}|${dense}`;
    if (key === drawnPoints) return dense;
    drawnPoints = key;
    points.style.visibility = dense ? "hidden" : "visible";
    const pen = penOf(under, s.size);
    if (dense) {
      density.draw(pen, { pos: sheet.pos, view, ink: inkNow, n: sheet.n, width, height });
      return true;
    }
    const some = sheet.n > DENSE ? inViewOnly(inView) : { sheet, ink: inkNow, spots: spotsNow };
    const dot = dotSize(s, inView);
    const left = passage && {
      sheet: passage.sheet, view: projection(passage.camera, UNIT_SQUARE, width, height),
      behind: 1 - easeInOut(clamp((performance.now() - passage.began) / SPACE_PASSAGE, 0, 1)),
    };
    drawer.draw({ ...some, at: 0, next: 0, blend: 0, view, left, ground: parseColour(s.theme.background), size: dot, ratio });
    return false;
  }

  function dotSize(s, inView) {
    const crowd = clamp((2000 / Math.max(inView, 1)) ** 0.2, 0.4, 1.5);
    return clamp(6.2 * crowd * s.camera.zoom ** 0.3 * Math.sqrt(Math.min(s.size.width, s.size.height) / 440), 2, 12);
  }

  /** The rows in view of a very large set, as a set of their own. */
  function inViewOnly(count) {
    const [pos, of, order] = [new Float32Array(2 * count), new Uint16Array(count), new Uint32Array(count)];
    const [low, high, floor, ceiling] = [view.unX(0), view.unX(view.width), view.unY(view.height), view.unY(0)];
    let k = 0;
    for (const i of inkNow.order) {
      const [x, y] = [sheet.pos[2 * i], sheet.pos[2 * i + 1]];
      if (!(x >= low && x <= high && y >= floor && y <= ceiling)) continue;
      [pos[2 * k], pos[2 * k + 1], of[k], order[k]] = [x, y, inkNow.of[i], k];
      k++;
    }
    const spots = () => Float32Array.from(pos, (value, i) => (i & 1 ? view.toY(value) : view.toX(value)));
    return { sheet: { pos, n: count, key: "in view" }, ink: { ...inkNow, of, order, key: `${drawnPoints}|part` }, spots };
  }

  function drawOver(s, what) {
    const pen = penOf(over, s.size);
    if (!passage) paintOver(pen, s, what);
  }

  function paintOver(pen, s, { colour, meaning, marked, dense }) {
    const { width, height } = s.size;
    const { theme } = s;
    const spot = (row) => screenOf(row);
    if (pictures.ready && !dense && sheet.n <= DENSE && s.camera.zoom > 1.5) {
      const rows = [];
      const spots = spotsNow();
      for (let i = 0; i < sheet.n && rows.length <= MOST_PICTURES; i++) if (spots[2 * i] > 0 && spots[2 * i] < width && spots[2 * i + 1] > 0 && spots[2 * i + 1] < height) rows.push(i);
      const front = marked || (s.hoverLit ?? s.lit);
      const few = front ? rows.filter((row) => inkNow.inks[inkNow.of[row]][3] === 255) : rows;
      if (rows.length <= MOST_PICTURES) paintPictures(pen, { rows: few, spot, pictures, colourOf: (row) => rgba(inkNow.inks[inkNow.of[row]]), theme });
    }
    const ring = 6;
    for (const mark of s.data.marks) {
      const rows = onShelf(mark.key)?.rows;
      if (rows && mark.kind !== "lasso") paintRings(pen, { rows, spot, colour: theme.text, ground: theme.background, radius: ring, width, height });
    }
    if (meaning?.kind === "class" && !meaning.palette && colour && meaning.classes > 1) {
      const key = `${sheet.key}|${meaning.key}`;
      if (middles.key !== key) middles = { key, list: classMiddles(sheet.pos, sheet.n, colour.codes, namedCount(meaning)) };
      const blocked = [[0, 0, badge.offsetWidth + 16, 36], [width - 150, height - 44, width, height], [0, height - foot.offsetHeight - 10, foot.offsetWidth + 16, height]];
      paintNames(pen, { middles: middles.list, legend: meaning, shades: inkNow.shades, view, theme, lit: s.hoverLit ?? s.lit, blocked });
    }
    if (s.anchor !== null && s.anchor !== undefined) {
      const from = screenOf(s.anchor);
      const { lines } = s.data;
      if (lines && lines.row === s.anchor) paintNeighbours(pen, { lines, from, spot, theme });
      paintChosen(pen, { row: s.anchor, at: from, pictures, theme });
    }
    if (s.hover && s.hover.index !== s.anchor) paintRings(pen, { rows: [s.hover.index], spot, colour: theme.text, ground: theme.background, radius: 8, width, height });
    paintLasso(pen, s.path, theme);
  }

  // --- words ---

  function tell(s, { dense, meaning }) {
    const { data } = s;
    setText(badge, data.badge.text);
    badge.title = data.badge.meaning;
    badge.toggleAttribute("data-exact", Boolean(data.badge.exact));
    const shown = data.there < sheet.n ? `${wholeNumber(data.there)} of ${wholeNumber(sheet.n)} rows` : `${wholeNumber(sheet.n)} rows`;
    const words = dense ? `density of ${shown}: stronger = more rows in a place; zoom in for single rows` : data.there < sheet.n ? `${shown}, drawn at random; the others are not on this map` : "";
    setText(note, words);
    note.hidden = !words;
    setText(zoomText, s.camera.zoom === 1 ? "" : `\u00d7 ${tickText(Number(s.camera.zoom.toPrecision(2)))}`);
    showJob(data.job);
    showMarks(data.marks);
    showLineKey(s);
    element.dataset.ready = String(Boolean(sheet) && (!data.legend || Boolean(meaning)));
    Object.assign(element.dataset, { rows: sheet.n, space: data.space, by: data.by, row: s.anchor ?? "", hover: s.hover?.index ?? "", dense, kind: drawer.kind, marked: data.marks.map((mark) => mark.kind).join(), tool: s.tool, coloured: meaning?.key ?? "" });
    surface.dataset.tool = s.tool;
    clearTimeout(restTimer);
    restTimer = setTimeout(() => sayAll(s, shown), 500);
  }

  function sayAll(s, shown) {
    const { data } = s;
    const say = [`${data.badge.text}. ${shown}, coloured by ${data.legend?.title ?? "nothing"}.`];
    for (const mark of data.marks) say.push(`${mark.title}: ${wholeNumber(mark.count)} rows.`);
    if (s.anchor !== null && s.anchor !== undefined) {
      const known = knownOf(s.anchor, cardsNow(), data.card);
      say.push(`Chosen: ${known ? `${known.label ?? "row"}, id ${known.id}` : `row ${s.anchor}`}.`);
    }
    picture.setAttribute("aria-label", say.join(" "));
    setText(told, say.join(" "));
  }

  function showJob(now) {
    job.hidden = !now;
    if (!now) return;
    if (!job.firstChild) {
      const done = h("span", { class: "ts-map-job-done" });
      job.append(h("span", { class: "ts-cloud-job-words" }), h("span", { class: "ts-map-job-track", "aria-hidden": "true" }, done), h("button", { type: "button", class: "ts-cloud-cancel", onclick: () => ask("cancel", { what: state.get().data.job?.what }) }, "cancel"));
    }
    const [words, track, cancel] = job.children;
    setText(words, now.words);
    track.hidden = now.share === null;
    track.firstChild.style.width = `${Math.round(100 * (now.share ?? 0))}%`;
    cancel.hidden = !now.what;
  }

  function showMarks(list) {
    const now = JSON.stringify(list);
    if (now === marksStamp) return;
    marksStamp = now;
    marks.replaceChildren(
      ...list.map((mark) =>
        h("div", { class: "ts-cloud-mark", "data-kind": mark.kind }, h("span", { class: "ts-cloud-ring", "aria-hidden": "true" }), h("span", { class: "ts-ellipsis" }, mark.title), h("span", { class: "ts-cloud-count" }, wholeNumber(mark.count)),
          h("button", { type: "button", class: "ts-cloud-undo", "aria-label": `no longer mark: ${mark.title}`, title: "no longer mark these rows", onclick: () => ask("clear", { what: mark.kind }) }, "\u2715")),
      ),
    );
  }

  function showLineKey(s) {
    const { lines } = s.data;
    const there = lines && lines.row === s.anchor && lines.rows.length;
    lineKey.hidden = !there;
    if (!there) return;
    const key = [lines.row, lines.distance, s.theme.key].join("|");
    if (lineKey.dataset.key === key) return;
    lineKey.dataset.key = key;
    const other = lines.same.filter((same) => same === false).length;
    const ramp = h("span", { class: "ts-cloud-ramp", "aria-hidden": "true", style: { background: cloudGradient(s.theme.dark), transform: "scaleX(-1)" } });
    lineKey.replaceChildren(
      h("span", {}, `lines: the ${lines.rows.length} truly nearest rows of the chosen one${other ? `, ${other} of another class (dashed)` : ""}`),
      h("span", { class: "ts-cloud-scale" }, tickText(lines.far[0]), ramp, `${tickText(lines.far.at(-1))} ${lines.distance}`),
    );
  }

  // --- pointing ---

  function showCard(index, byKey) {
    const s = state.get();
    if (!sheet || s.hover?.index !== index) return;
    const known = knownOf(index, cardsNow(), s.data.card);
    const [x, y] = screenOf(index);
    if (!Number.isFinite(x + y)) return;
    card.show(index, known, s.data.legend?.title === "label" && known ? "" : colourWords(s.data.legend, colourNow(), index), { x, y, ...s.size, labelled: s.data.labelled });
    if (byKey) setText(pointed, card.words());
    clearTimeout(peekTimer);
    if (known || peeked === index) return;
    peekTimer = setTimeout(() => {
      peeked = index;
      ask("peek", { row: index });
    }, PEEK_REST);
  }

  function hoverAt(index, byKey = false) {
    const { hover } = state.get();
    if ((hover?.index ?? null) === index) return;
    clearTimeout(cardTimer);
    clearTimeout(peekTimer);
    state.set({ hover: index === null ? null : { index, where: "map" } });
    if (index === null) setText(pointed, "");
    cardTimer = setTimeout(() => (index === null ? card.hide() : showCard(index, byKey)), index === null ? 160 : card.row === null && !byKey ? CARD_REST : 0);
  }

  function choose(row) {
    if (state.get().anchor !== row) state.set({ anchor: row });
    ask("row", { row });
  }

  async function nextHit() {
    const { data, at } = state.get();
    const rows = onShelf(data.search?.key)?.rows;
    if (!rows?.length || !sheet) return;
    const next = (at + 1) % rows.length;
    state.set({ at: next });
    const row = rows[next];
    const [x, y] = screenOf(row);
    if (Number.isFinite(x + y) && !insideBox([x, y], view.width, view.height)) {
      await glideCamera(state, { x: sheet.pos[2 * row], y: sheet.pos[2 * row + 1], zoom: state.get().camera.zoom }, 260);
    }
    choose(row);
  }

  // --- lasso; before the hands, which would take it for moving ---

  const local = (event) => {
    const box = surface.getBoundingClientRect();
    return [clamp(event.clientX - box.left, 0, box.width), clamp(event.clientY - box.top, 0, box.height)];
  };
  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !view || !(event.shiftKey || state.get().tool === "lasso")) return;
    event.stopImmediatePropagation();
    surface.setPointerCapture(event.pointerId);
    hoverAt(null);
    state.set({ path: [local(event)] });
  });
  surface.addEventListener("pointermove", (event) => {
    const { path } = state.get();
    if (!path.length) return;
    event.stopImmediatePropagation();
    const [x, y] = local(event);
    const [px, py] = path.at(-1);
    if (Math.hypot(x - px, y - py) >= 3) state.set({ path: [...path, [x, y]] });
  });
  const endLasso = (event, keep) => {
    const { path } = state.get();
    if (!path.length) return;
    event.stopImmediatePropagation();
    state.set({ path: [], tool: "pan" });
    if (!keep || path.length < 3) return;
    const stride = Math.max(1, Math.ceil(path.length / LASSO_CORNERS));
    const { centre, extent } = sheet.points;
    // In the map's own unit, whatever the zoom.
    const polygon = path.filter((_, i) => i % stride === 0).map(([x, y]) => [centre[0] + view.unX(x) * extent, centre[1] + view.unY(y) * extent]);
    ask("lasso", { polygon });
  };
  surface.addEventListener("pointerup", (event) => endLasso(event, true));
  surface.addEventListener("pointercancel", (event) => endLasso(event, false));
  surface.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const s = state.get();
    if (s.path.length || s.tool === "lasso") state.set({ path: [], tool: "pan" });
    else if (s.hover) return; // the hands let go of it
    else if (s.data.marks.length) ask("clear", { what: s.data.marks.at(-1).kind });
    event.stopImmediatePropagation();
    event.preventDefault();
  });

  const hands = handleMap({
    surface, hint, state,
    actions: { selectAnchor: choose, cameraHome: goHome },
    look: () => ({ view: sheet && view, pins: [], size: state.get().size, spots: spotsNow }),
    hoverAt,
  });

  state.subscribe((s, changed) => {
    if (s.gone) return;
    pictures.follow(cardsNow());
    if (s.data) bar.update({ data: s.data, tool: s.tool, at: s.at });
    draw(s);
    if (changed.has("camera")) {
      card.hide();
      if (sheet) cloudCameras().set(sheet.key, s.camera);
    }
    if ((changed.has("data") || changed.has("arrived")) && s.hover && card.row === s.hover.index) showCard(s.hover.index, false);
  });

  element.tripletscope = { project: (row) => { const [x, y] = screenOf(row); const box = surface.getBoundingClientRect(); return { x: box.left + x, y: box.top + y }; }, state: () => state.get(), look: (camera) => { state.set({ camera }); state.flush(); }, redraw: () => { drawnPoints = ""; draw(state.get()); } };

  return {
    take,
    stop() {
      state.set({ gone: true });
      for (const timer of [cardTimer, peekTimer, restTimer]) clearTimeout(timer);
      cancelAnimationFrame(passing);
      sizes.disconnect();
      document.removeEventListener("tripletscope:points", onArrival);
      hands.stop();
      drawer.stop();
      state.stop();
      element.remove();
    },
  };
}
