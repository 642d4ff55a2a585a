// What Python sends once for the map of a set: places, colours, marked rows, cards. Each has a name that says its content.

const POINTS_KEPT = 24;

/** Map(key -> parsed bytes), the same for every component of the page. */
export function pointShelf() {
  return (globalThis.__tripletscope_points ??= new Map());
}

/** Puts parsed bytes on the shelf and tells every map. */
export function shelvePoints(parsed) {
  const shelf = pointShelf();
  const known = shelf.get(parsed.key) ?? parsed; // a name says its content: what is here already stays
  shelf.delete(parsed.key); // re-inserting makes it the youngest
  shelf.set(parsed.key, known);
  for (const key of [...shelf.keys()].slice(0, -POINTS_KEPT)) shelf.delete(key);
  document.dispatchEvent(new CustomEvent("tripletscope:points", { detail: parsed.key }));
}
