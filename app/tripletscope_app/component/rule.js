// The ruler of a row.
export default function showRule({ data, parentElement }) {
  return undefined;
}
