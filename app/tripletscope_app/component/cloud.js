// The map of a set.
export default function showCloud({ data, parentElement }) {
  return undefined;
}
