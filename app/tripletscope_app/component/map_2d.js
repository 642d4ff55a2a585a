// The same points without WebGL: remote desktops and locked-down browsers still see the map.
import { rgba } from "./theme.js";

/** A drawer of points on a plain canvas, with the interface of the WebGL one. */
export function createFlatPoints(canvas) {
  const context = canvas.getContext("2d");
  let stamps = [];
  let stampKey = "";

  // One little picture per class: drawImage of a ready disc is several times cheaper than an arc per point.
  function stampsFor(colours, ground, size, ratio, key) {
    const wanted = `${key}/${size}/${ratio}`;
    if (wanted === stampKey) return stamps;
    stampKey = wanted;
    const side = Math.ceil(size * ratio) + 2;
    stamps = colours.map((colour) => {
      const stamp = new OffscreenCanvas(side, side);
      const pen = stamp.getContext("2d");
      pen.beginPath();
      pen.arc(side / 2, side / 2, (size * ratio) / 2 - 0.4, 0, 2 * Math.PI);
      pen.fillStyle = rgba(colour, 0.92);
      pen.fill();
      pen.strokeStyle = rgba(ground, 0.7);
      pen.stroke();
      return stamp;
    });
    return stamps;
  }

  return {
    kind: "canvas2d",
    draw({ run, at, next, blend, view, colours, paletteKey, ground, size, ratio }) {
      const discs = stampsFor(colours, ground, size, ratio, paletteKey);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      const [a, b] = [at * run.n * 2, next * run.n * 2];
      for (let i = 0; i < run.n; i++) {
        const disc = discs[run.label[i]];
        const [j, k] = [a + 2 * i, b + 2 * i];
        const x = view.toX(run.pos[j] + (run.pos[k] - run.pos[j]) * blend) * ratio;
        const y = view.toY(run.pos[j + 1] + (run.pos[k + 1] - run.pos[j + 1]) * blend) * ratio;
        context.drawImage(disc, x - disc.width / 2, y - disc.width / 2);
      }
    },
    stop() {},
  };
}
