// Invisible: takes what a list of cards shows, pictures and all, once; the list itself then needs only to hear what is
// chosen.

/** The page-wide shelf of decks. */
function deckShelf() {
  return (globalThis.__tripletscope_decks ??= new Map());
}

/** The deck of that key, or undefined before it has come. */
export function deckOf(key) {
  return deckShelf().get(key);
}

export default function shelveDeck({ data }) {
  if (!data?.key || deckShelf().get(data.key) === data) return undefined;
  deckShelf().delete(data.key);
  deckShelf().set(data.key, data);
  for (const old of [...deckShelf().keys()].slice(0, -4)) deckShelf().delete(old);
  document.dispatchEvent(new CustomEvent("tripletscope:deck", { detail: data.key }));
  return undefined;
}
