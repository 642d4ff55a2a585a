// Invisible: takes bytes once and puts what they hold on its shelf, so that a click never sends them again.
import { parseBlob, shelve } from "./store.js";

const loadedBlobs = new WeakMap();

export default function loadBytes({ data, parentElement }) {
  const blob = data instanceof Uint8Array ? data : data?.blob;
  if (!blob?.length || loadedBlobs.get(parentElement) === blob) return undefined;
  loadedBlobs.set(parentElement, blob);
  shelve(parseBlob(blob));
  return undefined;
}
