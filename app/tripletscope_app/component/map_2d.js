// The same points without WebGL: remote desktops and locked-down browsers still see the map.
import { rgba } from "./theme.js";

export const MOST_DISCS = 20_000; // in a file; more points are one picture in it, painted at the file's own size
const DISC_GRAIN = 3; // pixels of that picture for each of the page

/** The points for a pen that writes: discs as the canvas shows them, or one picture where they are too many. */
export function writeDiscs(pen, { sheet, spots, ink, ground, size, width, height }) {
  const places = spots();
  if (sheet.n > MOST_DISCS) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(width * DISC_GRAIN), Math.round(height * DISC_GRAIN)];
    createFlatPoints(canvas).draw({ sheet, spots, ink, ground, size, ratio: DISC_GRAIN });
    pen.drawImage(canvas, 0, 0, canvas.width, canvas.height, 0, 0, width, height);
    return;
  }
  const discs = [];
  for (let k = 0; k < sheet.n; k++) {
    const i = ink.order ? ink.order[k] : k;
    const [x, y] = [places[2 * i], places[2 * i + 1]];
    const colour = ink.inks[ink.of[i]];
    const radius = ((colour[3] === 255 ? 1.4 : 1) * size) / 2 - 0.3;
    if (x > -radius && y > -radius && x < width + radius && y < height + radius) discs.push({ x, y, radius, colour });
  }
  pen.discs(discs, rgba(ground));
}

/** A drawer of points on a plain canvas, with the interface of the WebGL one. */
export function createFlatPoints(canvas) {
  const context = canvas.getContext("2d");
  let stamps = new Map();
  let stampKey = "";

  // One little picture per colour: drawImage of a ready disc is several times cheaper than an arc per point.
  function stampOf([r, g, b, a], ground, side, radius) {
    const word = (r | (g << 8) | (b << 16) | (a << 24)) >>> 0;
    if (!stamps.has(word)) {
      const stamp = new OffscreenCanvas(side, side);
      const pen = stamp.getContext("2d");
      pen.globalAlpha = a / 255;
      pen.beginPath();
      pen.arc(side / 2, side / 2, radius, 0, 2 * Math.PI);
      pen.fillStyle = rgba([r, g, b]);
      pen.fill();
      pen.strokeStyle = rgba(ground, 0.7);
      pen.stroke();
      stamps.set(word, stamp);
    }
    return stamps.get(word);
  }

  return {
    kind: "canvas2d",
    draw({ sheet, spots, ink, ground, size, ratio }) {
      const side = Math.ceil(size * ratio) + 2;
      const key = `${ground}/${size}/${ratio}`;
      if (key !== stampKey || stamps.size > 600) stamps = new Map();
      stampKey = key;
      // Opaque = in front of others: larger too, or a small class is lost.
      const discs = ink.inks.map((colour) => {
        const grown = colour[3] === 255 ? 1.4 : 1;
        return stampOf(colour, ground, Math.ceil(side * grown), (grown * size * ratio) / 2 - 0.4);
      });
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      const places = spots();
      for (let k = 0; k < sheet.n; k++) {
        const i = ink.order ? ink.order[k] : k;
        const [x, y] = [places[2 * i] * ratio, places[2 * i + 1] * ratio];
        // Not a number is no place, and is left out.
        if (x > -side && y > -side && x < canvas.width + side && y < canvas.height + side) {
          const disc = discs[ink.of[i]];
          context.drawImage(disc, x - disc.width / 2, y - disc.width / 2);
        }
      }
    },
    stop() {},
  };
}
