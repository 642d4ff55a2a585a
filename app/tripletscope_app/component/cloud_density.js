// Very many rows as a density: each little square has the mean colour of the rows in it, and is the stronger the more
// there are. Points would lie on each other, and what is drawn last would pass for what is there.

export const DENSE = 120_000; // rows in view; beyond, squares instead of points
const SQUARE = 2; // px

/** A drawer of densities: draw(pen, {pos, view, ink, n, width, height}) and the number of rows in view. */
export function createDensity() {
  let sums = new Float32Array(0);
  let sheet = null;

  return {
    draw(pen, { pos, view, ink, n, width, height }) {
      const [across, down] = [Math.ceil(width / SQUARE), Math.ceil(height / SQUARE)];
      if (sums.length !== 4 * across * down) sums = new Float32Array(4 * across * down);
      else sums.fill(0);
      const [left, top] = [view.toX(0), view.toY(0)];
      const { scale } = view;
      const { of } = ink;
      const inks = Float32Array.from(ink.inks.flat()); // one flat array: this loop goes over every row
      let most = 0;
      for (let i = 0; i < n; i++) {
        const x = ((left + pos[2 * i] * scale) / SQUARE) | 0;
        const y = ((top - pos[2 * i + 1] * scale) / SQUARE) | 0;
        if (!(x > 0 && y > 0 && x < across && y < down)) continue;
        const from = 4 * of[i];
        const at = 4 * (y * across + x);
        const a = inks[from + 3];
        sums[at] += inks[from] * a;
        sums[at + 1] += inks[from + 1] * a;
        sums[at + 2] += inks[from + 2] * a;
        const weight = (sums[at + 3] += a);
        if (weight > most) most = weight;
      }
      if (!sheet || sheet.width !== across || sheet.height !== down) sheet = new OffscreenCanvas(across, down);
      const brush = sheet.getContext("2d");
      const image = brush.createImageData(across, down);
      const pixels = image.data;
      const full = Math.log1p(most / 255);
      for (let at = 0; at < sums.length; at += 4) {
        const weight = sums[at + 3];
        if (!weight) continue;
        pixels[at] = sums[at] / weight;
        pixels[at + 1] = sums[at + 1] / weight;
        pixels[at + 2] = sums[at + 2] / weight;
        pixels[at + 3] = 255 * Math.min(1, 0.14 + (0.86 * Math.log1p(weight / 255)) / full);
      }
      brush.putImageData(image, 0, 0);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(sheet, 0, 0, across * SQUARE, down * SQUARE);
    },
  };
}

/** How many points are in view. */
export function countInView(pos, n, view) {
  const [low, high] = [view.unX(0), view.unX(view.width)];
  const [floor, ceiling] = [view.unY(view.height), view.unY(0)];
  let count = 0;
  for (let i = 0; i < n; i++) {
    const [x, y] = [pos[2 * i], pos[2 * i + 1]];
    count += x >= low && x <= high && y >= floor && y <= ceiling;
  }
  return count;
}
