// Invisible: asks Python to look again in a while. A fragment that mounts it runs once more, and one that has all it
// waited for leaves it out: so no timer outlives what it was for.
const tickers = new WeakMap();

export default function tickLater({ data, parentElement, setTriggerValue }) {
  clearTimeout(tickers.get(parentElement));
  const { turn, seconds } = data[0];
  tickers.set(parentElement, setTimeout(() => setTriggerValue("tick", turn), 1000 * seconds));
  return () => clearTimeout(tickers.get(parentElement));
}
