// Thumbnails: one sheet per run, drawn as CSS backgrounds (ruler, cards) and onto canvases (map).
import { h } from "./dom.js";
import { className } from "./store.js";
import { parseColour } from "./theme.js";

// Line art (white ink on black, as MNIST and its kin store it) would be a heap of black tiles on a light page.
const INK_SHARE = 0.35;

/** True for grey pictures whose ground is mostly black: these are strokes, and may take the page's ink colour. */
function isInk(pixels) {
  let ground = 0;
  let looked = 0;
  // Every 7th pixel is plenty, and keeps a sheet of 2,000 photographs under a few milliseconds.
  for (let i = 0; i < pixels.length; i += 28) {
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return false;
    if (pixels[i] < 24) ground++;
    looked++;
  }
  return looked > 0 && ground / looked > INK_SHARE;
}

function sameBytes(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Decoded sheets: `sheet(run)` gives {url, canvas, width} or null until it is ready; `onready` fires then.
 *
 * Runs of a race show the same samples, so they share one sheet, and switching runs shows pictures at once. */
export function createSprites(onready) {
  let entries = []; // {bytes, sheet}
  let entryOf = new Map(); // run digest -> entry
  let ink = "#000000";
  let generation = 0;

  async function decode(entry, mine) {
    const bitmap = await createImageBitmap(new Blob([entry.bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    if (isInk(image.data)) {
      const [r, g, b] = parseColour(ink);
      for (let i = 0; i < image.data.length; i += 4) {
        image.data[i + 3] = image.data[i]; // the stroke becomes the opacity of the ink
        image.data[i] = r; // one by one: an array for each of 100,000 pixels took a tenth of a second
        image.data[i + 1] = g;
        image.data[i + 2] = b;
      }
      context.putImageData(image, 0, 0);
    }
    const url = URL.createObjectURL(await canvas.convertToBlob());
    const loaded = new Image();
    loaded.src = url;
    await loaded.decode(); // CSS backgrounds would show an empty box until then
    if (mine !== generation) {
      URL.revokeObjectURL(url); // the theme changed meanwhile, or the view is gone
      return;
    }
    entry.sheet = { url, canvas, width: canvas.width };
    onready();
  }

  function forget() {
    generation++;
    for (const { sheet } of entries) if (sheet) URL.revokeObjectURL(sheet.url);
    entries = [];
    entryOf = new Map();
  }

  return {
    sheet(run) {
      if (!run.thumb || !run.sprite) return null;
      if (!entryOf.has(run.digest)) {
        let entry = entries.find(({ bytes }) => sameBytes(bytes, run.sprite));
        if (!entry) {
          entry = { bytes: run.sprite, sheet: null };
          entries.push(entry);
          decode(entry, generation).catch(() => {}); // a broken sheet leaves the initials, which are readable
        }
        entryOf.set(run.digest, entry);
      }
      return entryOf.get(run.digest).sheet;
    },
    setInk(colour) {
      if (colour === ink) return;
      ink = colour;
      forget();
    },
    stop: forget,
  };
}

/** Up to three characters that stand for a sample without a picture: "class 87" -> 87, "red fox" -> rf, "cat" -> ca. */
export function initialsOf(run, index) {
  return initialsOfName(className(run, index));
}

/** The same for the name of a class. */
export function initialsOfName(text) {
  const name = String(text).trim();
  const number = name.match(/\d{1,3}$/);
  if (number) return number[0];
  const words = name.split(/\s+/);
  const letters = words.length > 1 ? words.slice(0, 2).map((word) => Array.from(word)[0]) : Array.from(name).slice(0, 2);
  return letters.join("") || "?";
}

/** A thumbnail element; `paintThumb` fills it. */
export function thumbElement(tag, attributes) {
  return h(tag, attributes, h("span", { class: "ts-thumb-picture", "aria-hidden": "true" }));
}

/** Shows one sample in a thumbnail element of `size` CSS pixels. */
export function paintThumb(element, run, index, size, sprites) {
  const picture = element.firstElementChild;
  const sheet = sprites.sheet(run);
  const stamp = `${run.digest}/${index}/${size}/${sheet?.url ?? ""}`;
  if (element.dataset.stamp === stamp) return;
  element.dataset.stamp = stamp;
  element.style.setProperty("--size", `${size}px`);
  picture.textContent = sheet ? "" : initialsOf(run, index);
  if (!sheet) {
    picture.style.backgroundImage = "none";
    return;
  }
  const { width, height, columns, pixelated } = run.thumb;
  // The longer side fills the square; the other keeps its proportion.
  const zoom = size / Math.max(width, height);
  const [column, row] = [index % columns, Math.floor(index / columns)];
  Object.assign(picture.style, {
    backgroundImage: `url(${sheet.url})`,
    backgroundSize: `${sheet.width * zoom}px auto`,
    backgroundPosition: `${-column * width * zoom}px ${-row * height * zoom}px`,
    width: `${width * zoom}px`,
    height: `${height * zoom}px`,
    imageRendering: pixelated ? "pixelated" : "auto",
  });
}
