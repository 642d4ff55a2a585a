// A pen with the strokes of a canvas's, which writes SVG: what a panel paints on its canvas, it can write to a file as
// lines and letters. It knows what the panels use: paths, boxes, words, pictures, clips, shifts.
import { textWidth } from "./text_width.js";

const PEN_DEFAULTS = {
  fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, lineCap: "butt", lineJoin: "miter", globalAlpha: 1, font: "10px sans-serif",
  textAlign: "start", textBaseline: "alphabetic", globalCompositeOperation: "source-over", imageSmoothingEnabled: true,
};
const WHOLE_TURN = 2 * Math.PI - 1e-6;

export const svgNumber = (value) => String(Number(value.toFixed(2)));

/** Text that is safe between tags and in quotes; what XML does not know, control characters, goes. */
export function svgEscaped(text) {
  const known = String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").toWellFormed();
  return known.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** One element as text; attributes that are null are left out. */
export function svgTag(name, attributes, inside = null) {
  const told = Object.entries(attributes).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const opening = `<${name}${told.map(([key, value]) => ` ${key}="${svgEscaped(typeof value === "number" ? svgNumber(value) : value)}"`).join("")}`;
  return inside === null ? `${opening}/>` : `${opening}>${inside}</${name}>`;
}

/** [colour, opacity] in words that every SVG program reads: a browser answers with color(srgb …) and rgb(… / …). */
export function plainColour(text) {
  const parts = String(text).match(/^(rgba?|color)\((?:srgb )?([^)]+)\)$/);
  if (!parts) return [String(text), 1];
  const [r, g, b, alpha = 1] = parts[2].split(/[\s,/]+/).filter(Boolean).map((part) => (part.endsWith("%") ? parseFloat(part) / 100 : Number(part)));
  const scale = parts[1] === "color" ? 255 : 1;
  const hex = [r, g, b].map((value) => Math.round(Math.min(255, Math.max(0, value * scale))).toString(16).padStart(2, "0"));
  return [`#${hex.join("")}`, alpha];
}

/** {size, look, family} of a canvas font such as "650 13px Inter, sans-serif". */
function fontParts(font) {
  const [, look, size, family] = font.match(/^(.*?)([\d.]+)px\s+(.*)$/) ?? [null, "", "10", "sans-serif"];
  return { look: look.trim(), size: Number(size), family };
}

let baselineProbe;

/** How far below the height that a canvas means by "middle" the letters stand. */
function baselineDrop(font, baseline) {
  if (baseline === "alphabetic") return 0;
  baselineProbe ??= new OffscreenCanvas(1, 1).getContext("2d");
  baselineProbe.font = font;
  const rise = ["alphabetic", baseline].map((name) => {
    baselineProbe.textBaseline = name;
    return baselineProbe.measureText("x").actualBoundingBoxAscent;
  });
  return rise[0] - rise[1];
}

/** A path to be filled or stroked later, in the place of the browser's Path2D, which cannot be read. */
function createSvgPath(d = "") {
  const path = { d, full: null };
  const add = (text) => {
    path.full = null;
    path.d += text;
  };
  const n = svgNumber;
  return Object.assign(path, {
    moveTo: (x, y) => add(`M${n(x)},${n(y)}`),
    lineTo: (x, y) => add(`${path.d ? "L" : "M"}${n(x)},${n(y)}`),
    closePath: () => path.d && add("Z"),
    rect: (x, y, w, h) => add(`M${n(x)},${n(y)}h${n(w)}v${n(h)}h${n(-w)}Z`),
    roundRect(x, y, w, h, r) {
      const k = Math.max(0, Math.min(r, w / 2, h / 2));
      const turn = (dx, dy) => `a${n(k)},${n(k)} 0 0 1 ${n(dx)},${n(dy)}`;
      add(`M${n(x + k)},${n(y)}h${n(w - 2 * k)}${turn(k, k)}v${n(h - 2 * k)}${turn(-k, k)}h${n(2 * k - w)}${turn(-k, -k)}v${n(2 * k - h)}${turn(k, -k)}Z`);
    },
    arc(x, y, r, from, to) {
      const alone = !path.d;
      if (Math.abs(to - from) >= WHOLE_TURN) {
        add(`M${n(x - r)},${n(y)}a${n(r)},${n(r)} 0 1 0 ${n(2 * r)},0a${n(r)},${n(r)} 0 1 0 ${n(-2 * r)},0Z`);
        if (alone) path.full = { cx: x, cy: y, r };
        return;
      }
      const [x0, y0, x1, y1] = [x + r * Math.cos(from), y + r * Math.sin(from), x + r * Math.cos(to), y + r * Math.sin(to)];
      add(`${path.d ? "L" : "M"}${n(x0)},${n(y0)}A${n(r)},${n(r)} 0 ${Math.abs(to - from) > Math.PI ? 1 : 0} ${to > from ? 1 : 0} ${n(x1)},${n(y1)}`);
    },
  });
}

/** A path that this pen can draw: of its own kind for a pen that writes, the browser's for a canvas. */
export function pathOf(pen, d) {
  return pen.writes ? createSvgPath(d) : new Path2D(d);
}

const pieces = new WeakMap(); // picture -> Map of "x/y/w/h" -> data URL

/** A piece of a picture as a data URL. */
function pieceOf(picture, [x, y, w, h]) {
  if (!pieces.has(picture)) pieces.set(picture, new Map());
  const known = pieces.get(picture);
  const key = [x, y, w, h].join("/");
  if (!known.has(key)) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.max(1, Math.round(w)), Math.max(1, Math.round(h))];
    canvas.getContext("2d").drawImage(picture, x, y, w, h, 0, 0, canvas.width, canvas.height);
    known.set(key, canvas.toDataURL());
  }
  return known.get(key);
}

export function svgPicture(picture, from, [x, y, width, height], { pixelated = false, opacity = null } = {}) {
  return svgTag("image", { href: pieceOf(picture, from), x, y, width, height, preserveAspectRatio: "none", opacity, style: pixelated ? "image-rendering:pixelated" : null });
}

let clips = 0; // their names differ in all pictures of a page

/** `ground` stands in for what is rubbed out. `text()` is what was drawn, and `family` what fonts a file may count on. */
export function createSvgPen({ ground = "#fff" } = {}) {
  const parts = [];
  const kept = [];
  let path = createSvgPath();
  let [dash, shift, clip] = [[], [0, 0], null];
  const put = (name, attributes, inside) => parts.push(svgTag(name, { ...attributes, "clip-path": clip && `url(#${clip})` }, inside));
  const seen = (share) => (share < 1 ? Number(share.toFixed(3)) : null);
  const place = () => (shift[0] || shift[1] ? `translate(${svgNumber(shift[0])},${svgNumber(shift[1])})` : null);

  const inkOf = () => {
    const rubs = pen.globalCompositeOperation === "destination-out";
    const [fill, alpha] = plainColour(rubs ? ground : pen.fillStyle);
    return { fill, "fill-opacity": seen(rubs ? 1 : alpha * pen.globalAlpha) };
  };
  const lineOf = () => {
    const [stroke, alpha] = plainColour(pen.strokeStyle);
    return {
      fill: "none", stroke, "stroke-opacity": seen(alpha * pen.globalAlpha), "stroke-width": pen.lineWidth, "stroke-dasharray": dash.join(" ") || null,
      "stroke-linecap": pen.lineCap === "butt" ? null : pen.lineCap, "stroke-linejoin": pen.lineJoin === "miter" ? null : pen.lineJoin,
    };
  };
  const draw = (some, look) => {
    if (!some.d) return;
    if (some.full) put("circle", { ...some.full, transform: place(), ...look });
    else put("path", { d: some.d, transform: place(), ...look });
  };
  const write = (text, x, y, look) => {
    const { look: style, size, family } = fontParts(pen.font);
    const weight = style.match(/\b(\d{3}|bold)\b/)?.[1] ?? null;
    const anchor = { center: "middle", right: "end", end: "end" }[pen.textAlign] ?? null;
    put("text", {
      x, y: y + baselineDrop(pen.font, pen.textBaseline), transform: place(), "font-size": size, "font-weight": weight, "font-style": /italic/.test(style) ? "italic" : null,
      "text-anchor": anchor, textLength: textWidth(text, size, family, style), lengthAdjust: "spacingAndGlyphs", ...look,
    }, svgEscaped(text));
  };

  const pen = {
    ...PEN_DEFAULTS,
    writes: true,
    beginPath: () => (path = createSvgPath()),
    moveTo: (...at) => path.moveTo(...at),
    lineTo: (...at) => path.lineTo(...at),
    closePath: () => path.closePath(),
    rect: (...box) => path.rect(...box),
    roundRect: (...box) => path.roundRect(...box),
    arc: (...turn) => path.arc(...turn),
    fill: (some = path) => draw(some, inkOf()),
    stroke: (some = path) => draw(some, lineOf()),
    fillRect: (x, y, width, height) => put("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), transform: place(), ...inkOf() }),
    strokeRect: (x, y, width, height) => put("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), transform: place(), ...lineOf() }),
    fillText: (text, x, y) => write(text, x, y, inkOf()),
    strokeText: (text, x, y) => write(text, x, y, lineOf()),
    measureText(text) {
      const { look, size, family } = fontParts(pen.font);
      return { width: textWidth(text, size, family, look) };
    },
    drawImage(picture, ...box) {
      const from = box.length > 4 ? box.slice(0, 4) : [0, 0, picture.width, picture.height];
      const [x, y, width = picture.width, height = picture.height] = box.length > 4 ? box.slice(4) : box;
      const piece = svgPicture(picture, from, [x + shift[0], y + shift[1], width, height], { pixelated: !pen.imageSmoothingEnabled, opacity: seen(pen.globalAlpha) });
      parts.push(clip ? `<g clip-path="url(#${clip})">${piece}</g>` : piece);
    },
    translate: (x, y) => (shift = [shift[0] + x, shift[1] + y]),
    setLineDash: (list) => (dash = [...list]),
    clip() {
      const name = `ts-clip-${++clips}`;
      parts.push(svgTag("clipPath", { id: name, "clip-path": clip && `url(#${clip})` }, svgTag("path", { d: path.d || "M0,0", transform: place() })));
      clip = name;
    },
    save() {
      kept.push({ dash, shift, clip, look: Object.fromEntries(Object.keys(PEN_DEFAULTS).map((name) => [name, pen[name]])) });
    },
    restore() {
      const before = kept.pop();
      if (!before) return;
      ({ dash, shift, clip } = before);
      Object.assign(pen, before.look);
    },
    /** A run of discs: {x, y, radius, colour: [r, g, b, a]}, each with a seam of the ground, as points have on the map. */
    discs(list, seam) {
      const [stroke] = plainColour(seam);
      const one = ({ x, y, radius, colour: [r, g, b, a = 255] }) =>
        svgTag("circle", { cx: x, cy: y, r: radius, fill: plainColour(`rgb(${r}, ${g}, ${b})`)[0], "fill-opacity": seen(a / 255) });
      parts.push(svgTag("g", { "data-part": "points", stroke, "stroke-opacity": 0.7, "stroke-width": 0.8, "clip-path": clip && `url(#${clip})` }, list.map(one).join("")));
    },
    text: () => parts.join(""),
  };
  return pen;
}
