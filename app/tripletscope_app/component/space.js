// Which map: the exact plane or the fixed projection that came with the run, or the UMAP that was computed for it.
import { percent } from "./dom.js";

/** The spaces that the watched run can be seen in: [{name, title}], its own first. */
export function spacesOf(run) {
  if (!run) return [];
  return [ownSpace(run), { name: "umap", title: "UMAP" }];
}

function ownSpace(run) {
  return run.exact ? { name: "exact", title: "EXACT" } : { name: "pca", title: "PCA" };
}

const sheetsOf = new WeakMap(); // run or layout -> its sheet: drawers and caches know a space by this object

/** One space of a run, as everything that draws wants it: positions (F, n, 2), fixed centre and extent, and what it is.
 *
 * A layout whose positions are not those of the run's samples at the run's frames is none. */
function sheetOf(run, layout) {
  const source = layout ?? run;
  const known = sheetsOf.get(source);
  if (known?.run === run) return known;
  const name = layout ? layout.space : ownSpace(run).name;
  const sheet = {
    name, run, layout, key: `${run.digest}/${name}`, own: !layout, exact: !layout && Boolean(run.exact),
    pos: source.pos, centre: source.centre, extent: source.extent, badge: String(source.badge ?? ""),
    n: run.n, frames: run.frames, label: run.label, class_names: run.class_names,
  };
  sheetsOf.set(source, sheet);
  return sheet;
}

/** The space that a run came with. */
export function ownSheet(run) {
  return sheetOf(run, null);
}

/** The UMAP of the watched run, or null while there is none. */
export function umapOf(s) {
  const run = s.runs[s.run];
  const layout = s.layouts[`${s.run}/umap`];
  return run && layout?.pos?.length === 2 * run.frames.length * run.n ? layout : null;
}

/** The sheet on screen: the UMAP where it is wanted and there, else the run's own space; null without a run. */
export function shownSheet(s) {
  const run = s.runs[s.run];
  if (!run) return null;
  return sheetOf(run, s.space === "umap" ? umapOf(s) : null);
}

/** What came with the maps of the watched run about its own space: fidelity, movement, neighbourhoods. */
function companion(s) {
  return s.layouts[`${s.run}/pca`] ?? s.layouts[`${s.run}/exact`] ?? null;
}

/** {kept, trust} of a sheet at a frame, each a share or null: how far its neighbours can be believed. */
export function fidelityAt(s, sheet, frame) {
  if (sheet.exact) return { kept: null, trust: null };
  const source = sheet.layout ?? companion(s);
  const read = (name) => (Number.isFinite(source?.[name]?.[frame]) ? source[name][frame] : null);
  return { kept: read("kept"), trust: read("trust") };
}

/** "UMAP, aligned through time · 15-NN kept 63 % · trust .98" */
export function badgeText(s, sheet) {
  const { kept, trust } = fidelityAt(s, sheet, s.frame);
  const parts = [sheet.badge];
  if (kept !== null) parts.push(`15-NN kept ${percent(kept)}`);
  if (trust !== null && !sheet.own) parts.push(`trust ${trust >= 0.995 && trust < 1 ? ">.99" : trust.toFixed(2).replace(/^0/, "")}`);
  return parts.join(" · ");
}

/** What distances on a map mean, in one line. */
export function spaceMeaning(sheet) {
  if (sheet.exact && sheet.run.distance === "cosine")
    return "The embedding itself: nothing is projected. The mined distance is the cosine, so the angle counts here and not the length.";
  if (sheet.exact) return "The embedding itself: lengths on this map are the distances that are mined.";
  if (sheet.own)
    return "One flat view of a space with more dimensions, the same at every frame: what looks far apart is at least that far, but what looks near can be far apart too. Line colours tell the true distance.";
  return "UMAP keeps neighbours and not distances: the length of a line, the gap between two groups and how far a point travels say nothing about the embedding. Line colours tell the true distance.";
}

const ownMovement = new WeakMap();

/** Displacement of every sample since the frame before, (F, n) with NaN at the first, where the map is the space. */
function movementOf(run) {
  if (!ownMovement.has(run)) {
    const moved = new Float32Array(run.frames.length * run.n).fill(NaN);
    for (let i = run.n; i < moved.length; i++) {
      const [j, k] = [2 * i, 2 * (i - run.n)];
      moved[i] = Math.hypot(run.pos[j] - run.pos[k], run.pos[j + 1] - run.pos[k + 1]);
    }
    ownMovement.set(run, moved);
  }
  return ownMovement.get(run);
}

/** {moved, stayed}: arrays (F, n), or null where nobody has computed them. */
export function changesOf(s) {
  const run = s.runs[s.run];
  const size = run.frames.length * run.n;
  const read = (name) => [companion(s), umapOf(s)].map((layout) => layout?.[name]).find((array) => array?.length === size) ?? null;
  return { moved: read("moved") ?? (run.exact ? movementOf(run) : null), stayed: read("stayed") };
}

/** Whether movement can be shown, without computing it. */
export function knowsChange(s, name) {
  const run = s.runs[s.run];
  if (name === "moved" && run.exact) return true;
  return [companion(s), umapOf(s)].some((layout) => layout?.[name]?.length === run.frames.length * run.n);
}

/** What is known of the UMAP's computation: {state, done, total, seconds_left, message}; state "none" if nothing is. */
export function umapJob(s) {
  if (umapOf(s)) return { state: "ready" };
  return { state: "none", ...s.news?.projection?.[s.run] };
}

/** 8 -> "less than 10 seconds", 50 -> "about 50 seconds", 200 -> "about 3 minutes". */
export function secondsInWords(seconds) {
  if (seconds < 10) return "less than 10 seconds";
  if (seconds < 100) return `about ${Math.round(seconds / 10) * 10} seconds`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `about ${minutes} minutes` : `about ${Math.round(minutes / 60)} hours`;
}
