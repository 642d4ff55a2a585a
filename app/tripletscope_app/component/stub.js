// The view as Streamlit knows it: as little as can be, because it travels with every message. The code came before, once,
// and shows what is here; or it is still to come, and will look here for what it should show.
export default function showWhenReady(given) {
  const views = (globalThis.__tripletscope_views ??= new Map());
  views.set(given.parentElement, given);
  globalThis.__tripletscope_show?.(given);
  return () => {
    views.delete(given.parentElement);
    globalThis.__tripletscope_hide?.(given.parentElement);
  };
}
