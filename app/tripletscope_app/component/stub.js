// A component as Streamlit knows it: as little as can be, because it travels with every message. The code came before,
// once, and takes what is given here; or it is still to come, and will look here for what it should take.
export default function passOn(given) {
  const waiting = (globalThis.__tripletscope_given ??= new Map());
  waiting.set(given.parentElement, ["KIND", given]);
  globalThis.__tripletscope_take?.("KIND", given);
  return () => {
    waiting.delete(given.parentElement);
    globalThis.__tripletscope_leave?.(given.parentElement);
  };
}
