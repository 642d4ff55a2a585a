// Points painted by the page itself, pixel by pixel. Without a graphics card WebGL is an emulation in which a point costs
// some two microseconds, whatever its size; a ready disc of twelve pixels copied into a picture costs a twentieth of it.
// So several maps can move at once on a remote desktop or in a virtual machine.

const PHASES = 4; // places of a disc within a pixel, along each axis: points move smoothly
const NO_CARD = /swiftshader|llvmpipe|softpipe|software|basic render/i;
let emulated; // asked once: it makes a context, and browsers allow about sixteen

/** Whether there is no WebGL 2, or one without a graphics card behind it. */
export function paintsInSoftware() {
  if (emulated !== undefined) return emulated;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl) return (emulated = true);
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  emulated = NO_CARD.test(String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER)));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return emulated;
}

/** A drawer of points with the interface of the WebGL one, on an opaque ground. `pen` paints over them on the same canvas:
 * each `draw` and each `show` puts the bare points back first. */
export function createPixelPoints(canvas) {
  const pen = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  let [image, words] = [null, null];
  let [discs, discKey] = [[], ""];

  /** The pixels of a disc: [dx, dy, colour times cover, what is left of what lies under it (of 256)] one after another. */
  function discOf([r, g, b, a], ground, size, phase) {
    const width = size * (a === 255 ? 1.4 : 1); // opaque = in front of others: larger too, or a small class is lost
    const [x, y] = [((phase % PHASES) + 0.5) / PHASES, (Math.floor(phase / PHASES) + 0.5) / PHASES];
    const [edge, reach] = [width / 2, Math.ceil(width / 2) + 1];
    const found = [];
    for (let dy = -reach; dy <= reach; dy++)
      for (let dx = -reach; dx <= reach; dx++) {
        const radius = Math.hypot(dx + 0.5 - x, dy + 0.5 - y);
        const cover = (a / 255) * Math.min(1, Math.max(0, edge - radius));
        if (cover < 1 / 256) continue;
        // A thin rim in the background colour keeps neighbours apart where points crowd.
        const rim = 0.75 * Math.min(1, Math.max(0, radius - edge + 1.6));
        const [red, green, blue] = [r, g, b].map((own, i) => Math.floor(cover * (own + (ground[i] - own) * rim)));
        found.push(dx, dy, red | (green << 8) | (blue << 16), 256 - Math.ceil(256 * cover));
      }
    return Int32Array.from(found);
  }

  return {
    kind: "pixels",
    pen,
    draw({ sheet, at, next, blend, view, ink, ground, size, ratio }) {
      const { width, height } = canvas;
      if (image?.width !== width || image.height !== height) {
        image = pen.createImageData(width, height);
        words = new Uint32Array(image.data.buffer);
      }
      const key = `${ink.key}|${ground}|${size * ratio}`;
      if (key !== discKey) [discs, discKey] = [[], key];
      words.fill((255 << 24) | (ground[2] << 16) | (ground[1] << 8) | ground[0]);
      const { pos, n } = sheet;
      const scale = view.scale * ratio;
      const [from, to] = [2 * at * n, 2 * next * n];
      for (let k = 0; k < n; k++) {
        const i = ink.order ? ink.order[k] : k;
        let x = pos[from + 2 * i];
        let y = pos[from + 2 * i + 1];
        if (blend) {
          x += (pos[to + 2 * i] - x) * blend;
          y += (pos[to + 2 * i + 1] - y) * blend;
        }
        x = width / 2 + (x - view.x) * scale;
        y = height / 2 - (y - view.y) * scale;
        // Not a number is no place, and is left out.
        if (!(x > -32 && y > -32 && x < width + 32 && y < height + 32)) continue;
        const column = Math.floor(x);
        const row = Math.floor(y);
        const phase = Math.floor((x - column) * PHASES) + PHASES * Math.floor((y - row) * PHASES);
        const place = ink.of[i] * PHASES * PHASES + phase;
        const disc = (discs[place] ??= discOf(ink.inks[ink.of[i]], ground, size * ratio, phase));
        for (let p = 0; p < disc.length; p += 4) {
          const px = column + disc[p];
          const py = row + disc[p + 1];
          if (px < 0 || py < 0 || px >= width || py >= height) continue;
          const spot = py * width + px;
          const under = words[spot];
          const rest = disc[p + 3];
          // Red and blue in one multiplication, green in another.
          const mixed = (Math.imul(under & 0xff00ff, rest) >>> 8) & 0xff00ff;
          const green = (Math.imul(under & 0x00ff00, rest) >>> 8) & 0x00ff00;
          words[spot] = 0xff000000 | (disc[p + 2] + mixed + green);
        }
      }
      this.show();
    },
    /** The points as they were drawn last, with nothing over them. */
    show() {
      pen.setTransform(1, 0, 0, 1, 0, 0);
      if (image) pen.putImageData(image, 0, 0);
    },
    stop() {},
  };
}
