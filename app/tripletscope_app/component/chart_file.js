// A chart as a file: the picture as SVG or PNG, its numbers as CSV. Made here, from what is on the screen.
import { h, svg } from "./dom.js";
import { drawingOf, picturesReady } from "./snapshot.js";
import { svgEscaped, svgTag } from "./svg_pen.js";
import { textWidth } from "./text_width.js";

const PNG_SCALE = 3; // of a picture in a slide
const MOST_PIXELS = 60e6; // a browser refuses to make larger canvases
const [CAPTION_SIZE, CAPTION_LINE, FILE_PAD] = [12, 17, 12];

function giveFile(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A name that every file system takes: "semi-hard run, step 30" -> "semi-hard-run-step-30". */
export function fileName(...parts) {
  const words = parts.filter((part) => part !== null && part !== undefined && part !== "").map(String);
  return words.join("-").normalize("NFKD").replace(/[^A-Za-z0-9.]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 120) || "chart";
}

/** A sentence in lines that fit. */
function captionLines(text, room, font) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && textWidth(longer, CAPTION_SIZE, font) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** The drawing as a document of its own, on the page's ground, with its title above and its caption below. */
function svgDocument({ inside, width, height }, { title = "", caption = "", theme }) {
  const { background, text, font } = theme;
  const lines = caption ? captionLines(caption, width, font) : [];
  const head = title ? 24 : 0;
  const [wide, tall] = [Math.ceil(width + 2 * FILE_PAD), Math.ceil(height + 2 * FILE_PAD + head + (lines.length ? 6 + lines.length * CAPTION_LINE : 0))];
  const words = (line, i) => svgTag("text", { x: FILE_PAD, y: FILE_PAD + head + height + 6 + (i + 0.75) * CAPTION_LINE, "font-size": CAPTION_SIZE, fill: text, "fill-opacity": 0.75, "data-part": "caption" }, svgEscaped(line));
  const parts = [
    svgTag("title", {}, svgEscaped([title, caption].filter(Boolean).join(". "))),
    svgTag("rect", { width: wide, height: tall, fill: background }),
    title ? svgTag("text", { x: FILE_PAD, y: FILE_PAD + 14, "font-size": 15, "font-weight": 650, fill: text }, svgEscaped(title)) : "",
    svgTag("g", { transform: `translate(${FILE_PAD},${FILE_PAD + head})` }, inside),
    ...lines.map(words),
  ];
  const family = svgEscaped(font);
  const whole = `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${tall}" viewBox="0 0 ${wide} ${tall}" font-family="${family}">${parts.join("")}</svg>`;
  return { text: whole, width: wide, height: tall };
}

async function pngOf({ text, width, height }) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const scale = Math.min(PNG_SCALE, Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = h("canvas", { width: Math.round(scale * width), height: Math.round(scale * height) });
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

/** A chart's three files. `chart` = {name(), title, caption(), element() (what is drawn), table() ([columns, rows]),
 * theme(), without (selector of what is no part of the picture), titled (the picture has no title of its own)}. */
const SAVE_AS = {
  async png(chart) {
    giveFile(`${chart.name()}.png`, await pngOf(await pictureOf(chart)));
  },
  async svg(chart) {
    giveFile(`${chart.name()}.svg`, new Blob([(await pictureOf(chart)).text], { type: "image/svg+xml" }));
  },
  csv: (chart) => giveFile(`${chart.name()}.csv`, new Blob([csvText(...chart.table())], { type: "text/csv" })),
};

async function pictureOf(chart) {
  const element = chart.element();
  await picturesReady(element);
  await chart.ready?.();
  const theme = chart.theme();
  const drawing = drawingOf(element, { ground: theme.background, without: chart.without });
  return svgDocument(drawing, { title: chart.titled ? chart.title : "", caption: chart.caption?.() ?? "", theme });
}

function kindButtons(chart, kinds, after = () => {}) {
  return kinds.map((kind) => {
    const word = kind.toUpperCase();
    const meaning = { png: "as a picture (PNG)", svg: "as a drawing (SVG)", csv: "its numbers as a table (CSV)" }[kind];
    const save = async () => {
      after();
      await SAVE_AS[kind](chart);
    };
    return h("button", { type: "button", class: "ts-file", "data-file": kind, "aria-label": `${chart.title} ${meaning}`, title: `Download ${meaning}`, onclick: save }, word);
  });
}

/** The three buttons of a chart, side by side. */
export function fileButtons({ drawing, name, ...chart }) {
  const whole = { titled: true, ...chart, element: drawing, name: typeof name === "function" ? name : () => name };
  return h("span", { class: "ts-files", role: "group", "aria-label": `Download: ${chart.title}` }, kindButtons(whole, ["svg", "png", "csv"]));
}

const openMenus = new Set();

/** One small button that opens the three: for panels that have no room for more. It shows on hover and on focus. */
export function saveMenu({ kinds = ["png", "svg", "csv"], ...chart }) {
  const arrow = svg("svg", { width: 13, height: 13, viewBox: "0 0 13 13", "aria-hidden": "true" },
    svg("path", { d: "M6.5 1v7M3.4 5.2l3.1 3.1 3.1-3.1M1.5 11.8h10", fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  const opener = h("button", { type: "button", class: "ts-save-button", "aria-expanded": "false", "aria-label": `Save: ${chart.title}`, title: `Save: ${chart.title}` }, arrow);
  const buttons = kindButtons(chart, kinds, () => open(false));
  const menu = h("span", { class: "ts-save-menu", role: "group", "aria-label": `Save: ${chart.title}`, hidden: true }, buttons);
  const element = h("span", { class: "ts-save" }, opener, menu);
  function open(yes) {
    menu.hidden = !yes;
    opener.setAttribute("aria-expanded", String(yes));
    element.toggleAttribute("data-open", yes);
    if (yes) openMenus.add(open);
    else openMenus.delete(open);
  }
  opener.addEventListener("click", () => {
    const opens = menu.hidden;
    for (const other of [...openMenus]) other(false);
    open(opens);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !menu.hidden) {
      open(false);
      opener.focus();
    } else if ((event.key === "ArrowRight" || event.key === "ArrowLeft") && !menu.hidden) {
      const row = [opener, ...buttons];
      const at = row.indexOf(event.target.closest("button"));
      row[(at + (event.key === "ArrowRight" ? 1 : row.length - 1)) % row.length].focus();
    } else return;
    event.preventDefault();
    event.stopPropagation(); // the page's arrows move time
  });
  element.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !element.contains(event.relatedTarget)) open(false);
  });
  // Who goes elsewhere with the pointer is done with it.
  element.addEventListener("pointerleave", () => !element.contains(element.getRootNode().activeElement) && open(false));
  for (const kind of ["pointerdown", "pointermove", "click"]) element.addEventListener(kind, (event) => event.stopPropagation());
  return element;
}

