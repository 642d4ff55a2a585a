// Invisible: small JSON that changes while Python computes, such as the progress of a map. It redraws no other component.
import { newsBoard } from "./store.js";

export default function pinNews({ data }) {
  if (!data?.[0]) return undefined;
  Object.assign(newsBoard(), data[0]);
  document.dispatchEvent(new CustomEvent("tripletscope:news"));
  return undefined;
}
