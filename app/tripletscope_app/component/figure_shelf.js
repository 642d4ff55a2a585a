// Blocks of the Compare page by their keys: curves, agreement, differences.

/** key -> block, for the whole page. */
export function figureShelf() {
  return (globalThis.__tripletscope_figures ??= new Map());
}
