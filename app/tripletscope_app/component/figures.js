// Invisible: takes a block of bytes once and puts it on the shelf of figures.
import { parseBlob } from "./store.js";
import { figureShelf } from "./figure_shelf.js";

const FIGURES_KEPT = 40;
const takenFigures = new WeakMap();

export default function loadFigures({ data, parentElement }) {
  const blob = data instanceof Uint8Array ? data : data?.blob;
  if (!blob?.length || takenFigures.get(parentElement) === blob) return undefined;
  takenFigures.set(parentElement, blob);
  const block = parseBlob(blob);
  const shelf = figureShelf();
  shelf.delete(block.key); // re-inserting makes it the youngest
  shelf.set(block.key, block);
  for (const key of [...shelf.keys()].slice(0, -FIGURES_KEPT)) shelf.delete(key);
  document.dispatchEvent(new CustomEvent("tripletscope:figures"));
  return undefined;
}
