// A chart as a file: the picture as SVG or PNG, its numbers as CSV. Made here, from what is on the screen.
import { h } from "./dom.js";

const PNG_SCALE = 3; // of a picture in a slide

function giveFile(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The drawing as a document of its own, on the page's ground. */
function svgDocument(drawing, ground, font) {
  const { width, height } = drawing.viewBox.baseVal;
  const copy = drawing.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("font-family", font);
  copy.removeAttribute("class");
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of Object.entries({ width, height, fill: ground })) paper.setAttribute(key, value);
  copy.prepend(paper);
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

async function pngOf({ text, width, height }) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = h("canvas", { width: PNG_SCALE * width, height: PNG_SCALE * height });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/** One cell: quoted where it must be; a text that a spreadsheet would run gets an apostrophe in front. */
function csvCell(value) {
  if (value === null || value === undefined || (typeof value === "number" && !Number.isFinite(value))) return "";
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvText(columns, rows) {
  return [columns, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

/** The three buttons of a chart. `drawing()` = its SVG element, `table()` = [columns, rows], `theme()` = the page's. */
export function fileButtons({ name, title, drawing, table, theme }) {
  const button = (kind, save) =>
    h("button", { type: "button", class: "ts-file", "data-file": kind, "aria-label": `${title} as ${kind.toUpperCase()}`, title: `Download as ${kind.toUpperCase()}`, onclick: save }, kind.toUpperCase());
  const picture = () => svgDocument(drawing(), theme().background, theme().font);
  const buttons = [
    button("svg", () => giveFile(`${name}.svg`, new Blob([picture().text], { type: "image/svg+xml" }))),
    button("png", async () => giveFile(`${name}.png`, await pngOf(picture()))),
    button("csv", () => giveFile(`${name}.csv`, new Blob([csvText(...table())], { type: "text/csv" }))),
  ];
  return h("span", { class: "ts-files", role: "group", "aria-label": `Download: ${title}` }, buttons);
}
