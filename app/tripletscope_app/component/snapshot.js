// A panel as a drawing: what the page shows in it, written as SVG. Drawings stay drawings, canvases are painted again by
// whoever painted them, with a pen that writes, and words, boxes and pictures of the page around them follow.
import { createSvgPen, plainColour, svgEscaped, svgNumber, svgPicture, svgTag } from "./svg_pen.js";

const NEVER_IN_PICTURES = ".ts-sr, .ts-save, [data-off-picture]";
const SVG_LOOKS = {
  fill: "rgb(0, 0, 0)", "fill-opacity": "1", stroke: "none", "stroke-width": "1px", "stroke-dasharray": "none", "stroke-opacity": "1",
  "stroke-linecap": "butt", "stroke-linejoin": "miter", opacity: "1", "paint-order": "normal",
};
const SVG_TEXT_LOOKS = { "font-size": "", "font-weight": "400", "font-style": "normal", "text-anchor": "start" };
const FEW_PIXELS = 40_000; // of a canvas whose pixels are cells

const painters = new WeakMap();

/** Says who paints a canvas: `paint(pen)`, in the CSS pixels of the canvas. Nothing that is not on the screen is told. */
export function paintedBy(canvas, paint) {
  painters.set(canvas, paint);
}

/** The element as {inside (SVG text), width, height}. `ground` is the page's colour; `without` selects what is left out. */
export function drawingOf(element, { ground, without = "" }) {
  const frame = element.getBoundingClientRect();
  const leave = without ? `${NEVER_IN_PICTURES}, ${without}` : NEVER_IN_PICTURES;
  const sheet = { parts: [], clips: 0, name: `ts-box-${Math.random().toString(36).slice(2, 8)}`, origin: [frame.left, frame.top], ground, leave };
  drawElement(sheet, element, true);
  return { inside: sheet.parts.join(""), width: frame.width, height: frame.height };
}

function boxOf(sheet, rect) {
  return { x: rect.left - sheet.origin[0], y: rect.top - sheet.origin[1], width: rect.width, height: rect.height };
}

function clipTo(sheet, box, radius = 0) {
  const id = `${sheet.name}-${++sheet.clips}`;
  sheet.parts.push(svgTag("clipPath", { id }, svgTag("rect", { ...box, rx: radius || null })));
  return `url(#${id})`;
}

function drawElement(sheet, element, whole = false) {
  if (element.matches(sheet.leave)) return;
  const style = getComputedStyle(element);
  const rect = element.getBoundingClientRect();
  if (style.display === "none" || (!rect.width && !rect.height && style.display !== "contents" && !element.children.length)) return;
  if (element instanceof SVGSVGElement) {
    if (style.visibility !== "hidden") drawSvg(sheet, element, style);
    return;
  }
  const box = boxOf(sheet, rect);
  const shown = style.visibility !== "hidden";
  const group = { opacity: style.opacity === "1" ? null : style.opacity };
  if (shown && !whole) drawBox(sheet, style, box, group.opacity);
  if (element instanceof HTMLCanvasElement) {
    if (shown) drawCanvas(sheet, element, style, box);
    return;
  }
  if (shown) drawPicture(sheet, element, style, box);
  const cuts = style.overflowX !== "visible" || style.overflowY !== "visible";
  if (cuts && !whole) group["clip-path"] = clipTo(sheet, box, parseFloat(style.borderTopLeftRadius) || 0);
  const opened = group.opacity || group["clip-path"];
  if (opened) sheet.parts.push(svgTag("g", group, "").replace(/<\/g>$/, ""));
  for (const child of inPaintOrder(element)) {
    if (child.nodeType === Node.TEXT_NODE) shown && drawText(sheet, child, style, element);
    else drawElement(sheet, child);
  }
  if (opened) sheet.parts.push("</g>");
}

/** Children from back to front: what is placed by hand lies over what flows, and by its depth. */
function inPaintOrder(element) {
  const depth = (node) => {
    if (node.nodeType !== Node.ELEMENT_NODE) return 0;
    const { position, zIndex } = getComputedStyle(node);
    if (position === "static") return 0;
    return zIndex === "auto" || zIndex === "0" ? 0.5 : Number(zIndex) > 0 ? Number(zIndex) + 0.5 : Number(zIndex) - 0.5;
  };
  const nodes = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE || nodeType === Node.ELEMENT_NODE);
  return nodes.map((node) => [node, depth(node)]).sort((a, b) => a[1] - b[1]).map(([node]) => node);
}

const solid = (colour) => plainColour(colour)[1] > 0 && colour !== "transparent";

/** Ground, border and the rings that shadows without blur are. */
function drawBox(sheet, style, box, opacity) {
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) * (style.borderTopLeftRadius.endsWith("%") ? Math.min(box.width, box.height) / 100 : 1) || 0, box.width / 2, box.height / 2);
  const put = (colour, attributes) => {
    const [ink, alpha] = plainColour(colour);
    const name = attributes["stroke-width"] ? "stroke" : "fill";
    sheet.parts.push(svgTag("rect", { rx: radius || null, fill: "none", ...attributes, [name]: ink, [`${name}-opacity`]: alpha * (opacity ?? 1) < 1 ? alpha * (opacity ?? 1) : null }));
  };
  for (const [, colour, spread] of [...style.boxShadow.matchAll(/((?:rgba?|color)\([^)]*\)) 0px 0px 0px ([\d.]+)px(?! inset)/g)].reverse()) {
    const by = Number(spread);
    put(colour, { x: box.x - by, y: box.y - by, width: box.width + 2 * by, height: box.height + 2 * by, rx: radius ? radius + by : null });
  }
  if (solid(style.backgroundColor)) put(style.backgroundColor, box);
  drawGradient(sheet, style, box, radius);
  const inset = style.boxShadow.match(/((?:rgba?|color)\([^)]*\)) 0px 0px 0px ([\d.]+)px inset/);
  const ring = (colour, by, dashes) => put(colour, { x: box.x + by / 2, y: box.y + by / 2, width: Math.max(0, box.width - by), height: Math.max(0, box.height - by), "stroke-width": by, "stroke-dasharray": dashes });
  if (inset) ring(inset[1], Number(inset[2]), null);
  const sides = ["Top", "Right", "Bottom", "Left"].map((side) => ({ width: parseFloat(style[`border${side}Width`]) || 0, colour: style[`border${side}Color`], kind: style[`border${side}Style`] }));
  const visible = sides.map(({ width, colour, kind }) => width > 0 && kind !== "none" && solid(colour));
  const dashes = ({ width, kind }) => ({ dashed: `${svgNumber(3 * width)} ${svgNumber(2 * width)}`, dotted: `${svgNumber(width)} ${svgNumber(width)}` })[kind] ?? null;
  if (visible.every(Boolean) && sides.every(({ width, colour }) => width === sides[0].width && colour === sides[0].colour)) ring(sides[0].colour, sides[0].width, dashes(sides[0]));
  else {
    const [x0, y0, x1, y1] = [box.x, box.y, box.x + box.width, box.y + box.height];
    const ends = [[x0, y0, x1, y0, 0, 0.5], [x1, y0, x1, y1, -0.5, 0], [x0, y1, x1, y1, 0, -0.5], [x0, y0, x0, y1, 0.5, 0]];
    sides.forEach((side, k) => {
      if (!visible[k]) return;
      const [stroke, alpha] = plainColour(side.colour);
      const [ax, ay, bx, by, dx, dy] = ends[k];
      sheet.parts.push(svgTag("line", { x1: ax + dx * side.width, x2: bx + dx * side.width, y1: ay + dy * side.width, y2: by + dy * side.width, stroke, "stroke-opacity": alpha * (opacity ?? 1) < 1 ? alpha * (opacity ?? 1) : null, "stroke-width": side.width, "stroke-dasharray": dashes(side) }));
    });
  }
}

/** The colour scales of legends, from left to right, and the hatching of "easy". */
function drawGradient(sheet, style, box, radius) {
  const told = style.backgroundImage;
  if (!told.includes("gradient(") || box.width < 1 || box.height < 1) return;
  const colours = [...told.matchAll(/((?:rgba?|color)\([^)]*\))/g)].map(([colour]) => plainColour(colour));
  const [ink, alpha] = colours.find(([, share]) => share > 0) ?? [];
  if (/^repeating-linear-gradient\((45|135)deg/.test(told)) {
    if (!ink) return;
    const clip = clipTo(sheet, box, radius);
    let d = "";
    for (let x = -box.height; x < box.width; x += 5) d += `M${svgNumber(box.x + x)},${svgNumber(box.y + box.height)}l${svgNumber(box.height)},${svgNumber(-box.height)}`;
    sheet.parts.push(svgTag("path", { d, stroke: ink, "stroke-opacity": alpha < 1 ? alpha : null, "stroke-width": 1.6, fill: "none", "clip-path": clip }));
  } else if (/^linear-gradient\(to (top right|right top)/.test(told) && ink) {
    // Cells that hold nothing are crossed out.
    sheet.parts.push(svgTag("line", { x1: box.x, y1: box.y, x2: box.x + box.width, y2: box.y + box.height, stroke: ink, "stroke-opacity": alpha < 1 ? alpha : null, "stroke-width": 1 }));
  } else if (/^linear-gradient\((90deg|to right),/.test(told) && colours.length > 1) {
    const id = `${sheet.name}-${++sheet.clips}`;
    const stops = colours.map(([colour, alpha], i) => svgTag("stop", { offset: i / (colours.length - 1), "stop-color": colour, "stop-opacity": alpha < 1 ? alpha : null }));
    const turned = /matrix\(-1, 0/.test(style.transform) ? { x1: 1, x2: 0 } : {};
    sheet.parts.push(svgTag("linearGradient", { id, ...turned }, stops.join("")), svgTag("rect", { ...box, rx: radius || null, fill: `url(#${id})` }));
  }
}

const sheetPictures = new Map(); // address -> Image, for pieces of a sheet that CSS shows

/** Sheets of thumbnails that the drawing needs, decoded: to be awaited before `drawingOf`. */
export async function picturesReady(element) {
  const wanted = new Set();
  for (const part of element.querySelectorAll(".ts-thumb-picture")) {
    const address = part.style.backgroundImage.match(/^url\("(blob:[^"]+)"\)$/)?.[1];
    if (address && !sheetPictures.has(address)) wanted.add(address);
  }
  for (const address of wanted) {
    const picture = new Image();
    picture.src = address;
    await picture.decode().then(() => sheetPictures.set(address, picture), () => {});
  }
  for (const old of [...sheetPictures.keys()].slice(0, -8)) sheetPictures.delete(old);
}

/** A thumbnail: a piece of its sheet. */
function drawPicture(sheet, element, style, box) {
  const address = style.backgroundImage.match(/^url\("(blob:[^"]+)"\)$/)?.[1];
  const picture = address && sheetPictures.get(address);
  if (!picture || !box.width) return;
  const width = element.offsetWidth || box.width;
  const zoom = parseFloat(style.backgroundSize) / picture.naturalWidth; // CSS pixels for each of the sheet's
  const [left, top] = style.backgroundPosition.split(" ").map((part) => -parseFloat(part) / zoom);
  const from = [left, top, width / zoom, (element.offsetHeight || box.height) / zoom];
  sheet.parts.push(svgPicture(picture, from.map((value) => Math.round(value)), [box.x, box.y, box.width, box.height], { pixelated: style.imageRendering === "pixelated" }));
}

function drawCanvas(sheet, canvas, style, box) {
  const paint = painters.get(canvas);
  if (!canvas.width || !canvas.height || !box.width) return;
  if (paint) {
    const pen = createSvgPen({ ground: sheet.ground });
    paint(pen);
    const clip = clipTo(sheet, { x: 0, y: 0, width: box.width, height: box.height });
    sheet.parts.push(svgTag("g", { transform: `translate(${svgNumber(box.x)},${svgNumber(box.y)})`, "clip-path": clip }, pen.text()));
  } else if (style.imageRendering === "pixelated" && canvas.width * canvas.height <= FEW_PIXELS) drawCells(sheet, canvas, box);
  else sheet.parts.push(svgPicture(canvas, [0, 0, canvas.width, canvas.height], [box.x, box.y, box.width, box.height]));
}

/** A canvas whose pixels are the cells of a table: boxes, neighbours of one colour in a row as one. */
function drawCells(sheet, canvas, box) {
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const [w, h] = [box.width / width, box.height / height];
  const words = new Uint32Array(data.buffer);
  const cells = [];
  for (let row = 0; row < height; row++) {
    for (let from = 0; from < width; ) {
      const at = row * width + from;
      let to = from + 1;
      while (to < width && words[row * width + to] === words[at]) to++;
      const [r, g, b, a] = data.subarray(4 * at, 4 * at + 4);
      if (a) cells.push(svgTag("rect", { x: box.x + from * w, y: box.y + row * h, width: (to - from) * w, height: h, fill: plainColour(`rgb(${r}, ${g}, ${b})`)[0], "fill-opacity": a < 255 ? a / 255 : null }));
      from = to;
    }
  }
  sheet.parts.push(svgTag("g", { "shape-rendering": "crispEdges", "data-part": "cells" }, cells.join("")));
}

/** A drawing of the page with its looks written into it: a file has no style sheet. */
function drawSvg(sheet, drawing, style) {
  const matrix = drawing.getScreenCTM();
  if (!matrix) return;
  const copy = drawing.cloneNode(true);
  const [originals, copies] = [drawing.querySelectorAll("*"), copy.querySelectorAll("*")];
  const gone = [];
  originals.forEach((original, i) => {
    const mine = copies[i];
    const look = getComputedStyle(original);
    if (look.display === "none" || look.visibility === "hidden" || original.nodeName === "title") return gone.push(mine);
    mine.removeAttribute("class");
    mine.removeAttribute("style");
    const container = ["g", "defs", "pattern", "clipPath"].includes(original.nodeName);
    for (const [name, usual] of Object.entries(SVG_LOOKS)) {
      let value = look.getPropertyValue(name);
      if (name === "fill" || name === "stroke") {
        if (value.startsWith("url(")) value = value.replaceAll('"', "");
        else if (value !== "none") {
          const [colour, alpha] = plainColour(value);
          value = colour;
          if (alpha < 1) mine.setAttribute(`${name}-opacity`, svgNumber(alpha * Number(look.getPropertyValue(`${name}-opacity`))));
        }
      }
      if (container && name !== "opacity") continue; // children say it themselves
      if (name.endsWith("-opacity") && mine.hasAttribute(name) && value === "1") continue;
      if (value && value !== usual && !(value === "#000000" && name === "fill")) mine.setAttribute(name, value.replace(/px/g, ""));
    }
    if (original.nodeName === "text" || original.nodeName === "tspan") {
      for (const [name, usual] of Object.entries(SVG_TEXT_LOOKS)) {
        const value = look.getPropertyValue(name);
        if (value && value !== usual) mine.setAttribute(name, value.replace(/px/g, ""));
      }
      mine.removeAttribute("font-family");
      if (original.nodeName === "text" && original.textContent && !original.children.length) {
        mine.setAttribute("textLength", svgNumber(original.getComputedTextLength()));
        mine.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
    }
  });
  for (const element of gone) element.remove();
  const inside = [...copy.childNodes].map((node) => new XMLSerializer().serializeToString(node)).join("").replaceAll(' xmlns="http://www.w3.org/2000/svg"', "");
  const { a, b, c, d, e, f } = matrix;
  const [x, y] = [e - sheet.origin[0], f - sheet.origin[1]];
  const plain = a === 1 && d === 1 && !b && !c;
  const transform = plain ? `translate(${svgNumber(x)},${svgNumber(y)})` : `matrix(${[a, b, c, d, x, y].map((value) => Number(value.toFixed(4))).join(",")})`;
  sheet.parts.push(svgTag("g", { transform, opacity: style.opacity === "1" ? null : style.opacity }, inside));
}

let textProbe;

/** One text node, line by line as the page broke it. */
function drawText(sheet, node, style, element) {
  if (!node.data.trim()) return;
  const range = document.createRange();
  const lines = [];
  // Without the spaces at its ends, which separate it from its neighbours.
  const [first, last] = [node.data.search(/\S/), node.data.trimEnd().length];
  range.setStart(node, first);
  range.setEnd(node, last);
  const boxes = [...range.getClientRects()].filter((rect) => rect.width);
  if (!boxes.length) return;
  if (boxes.length === 1) lines.push({ text: node.data.slice(first, last).replace(/\s+/g, " "), rect: boxes[0] });
  else {
    let gap = "";
    let at = first;
    for (const letter of node.data.slice(first, last)) {
      range.setStart(node, at);
      range.setEnd(node, (at += letter.length));
      const rect = range.getClientRects()[0];
      if (!letter.trim()) gap = " ";
      if (!rect?.width || !letter.trim()) continue;
      const line = lines.at(-1);
      if (line && Math.abs(line.rect.top - rect.top) < 2) {
        line.text += gap + letter;
        line.rect = { left: Math.min(line.rect.left, rect.left), right: Math.max(line.rect.right, rect.right), top: line.rect.top, height: rect.height };
      } else lines.push({ text: letter, rect: { left: rect.left, right: rect.right, top: rect.top, height: rect.height } });
      gap = "";
    }
  }
  const [fill, alpha] = plainColour(style.color);
  textProbe ??= new OffscreenCanvas(1, 1).getContext("2d");
  textProbe.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = textProbe.measureText("x");
  const halo = style.textShadow !== "none" ? { stroke: sheet.ground, "stroke-width": 3, "stroke-linejoin": "round", "paint-order": "stroke" } : {};
  const upright = style.writingMode !== "horizontal-tb";
  for (const { text, rect } of lines) {
    const { text: kept, width } = fitted(text, rect, style, element);
    const look = { "font-size": parseFloat(style.fontSize), "font-weight": style.fontWeight === "400" ? null : style.fontWeight, "font-style": style.fontStyle === "italic" ? "italic" : null, fill, "fill-opacity": alpha < 1 ? alpha : null, ...halo };
    if (upright) {
      // Names of columns that stand on end read from below.
      const [x, y] = [rect.left - sheet.origin[0] + ((rect.right - rect.left) + up - down) / 2, (rect.top + rect.height) - sheet.origin[1]];
      sheet.parts.push(svgTag("text", { x, y, transform: `rotate(-90 ${svgNumber(x)} ${svgNumber(y)})`, ...look }, svgEscaped(kept)));
      continue;
    }
    const baseline = rect.top - sheet.origin[1] + (rect.height - up - down) / 2 + up;
    sheet.parts.push(svgTag("text", { x: rect.left - sheet.origin[0], y: baseline, textLength: width, lengthAdjust: "spacingAndGlyphs", ...look }, svgEscaped(kept)));
  }
}

/** A line that the page ends with an ellipsis ends with one here, too. */
function fitted(text, rect, style, element) {
  const [whole, room] = [rect.right - rect.left, element.getBoundingClientRect().right - rect.left];
  if (style.textOverflow !== "ellipsis" || whole <= room + 1) return { text, width: whole };
  const letters = Array.from(text);
  while (letters.length && textProbe.measureText(`${letters.join("")}…`).width > room) letters.pop();
  const kept = `${letters.join("").trimEnd()}…`;
  return { text: kept, width: textProbe.measureText(kept).width };
}
