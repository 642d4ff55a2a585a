// Where the map looks. A camera is counted in half-sides of its space's own square, so that {0, 0, 1} is the whole run in
// every space, and the same at every frame: motion is change in the data, never in the scale.
import { clamp, easeInOut, reducedMotion } from "./dom.js";

const ZOOM_LIMITS = [0.5, 5000];

export function homeCamera() {
  return { x: 0, y: 0, zoom: 1 };
}

/** The camera over the middle of several clouds, {x, y, radius} each, in half-sides: as near as `zoom`, which fits the
 * widest of them, or as far away as all of them together ask for. */
export function cameraOver(clouds, zoom) {
  const widest = Math.max(...clouds.map(({ radius }) => radius));
  const [x, y] = ["x", "y"].map((axis) => {
    const low = Math.min(...clouds.map((cloud) => cloud[axis] - cloud.radius));
    const high = Math.max(...clouds.map((cloud) => cloud[axis] + cloud.radius));
    return { middle: (low + high) / 2, half: (high - low) / 2 };
  });
  const half = Math.max(x.half, y.half);
  return { x: x.middle, y: y.middle, zoom: half > 0 ? Math.max(1, (zoom * widest) / half) : zoom };
}

/** {scale (px per unit of the space), unit (px per unit of the camera), x, y (middle), toX, toY, unX, unY} of a camera
 * over a panel of width x height CSS pixels. `sheet` has the centre and extent of the space. */
export function projection(camera, sheet, width, height) {
  const unit = (camera.zoom * Math.min(width, height)) / 2;
  const scale = unit / sheet.extent;
  const x = sheet.centre[0] + camera.x * sheet.extent;
  const y = sheet.centre[1] + camera.y * sheet.extent;
  return {
    scale, unit, x, y, width, height,
    toX: (value) => width / 2 + (value - x) * scale,
    toY: (value) => height / 2 - (value - y) * scale,
    unX: (px) => x + (px - width / 2) / scale,
    unY: (py) => y + (height / 2 - py) / scale,
  };
}

/** The camera after zooming by `factor` with what is under (px, py) held still. */
export function zoomAt(camera, view, px, py, factor) {
  const zoom = clamp(camera.zoom * factor, ...ZOOM_LIMITS);
  const gained = 1 - camera.zoom / zoom;
  return {
    x: camera.x + ((px - view.width / 2) / view.unit) * gained,
    y: camera.y + ((view.height / 2 - py) / view.unit) * gained,
    zoom,
  };
}

const gliding = new WeakMap(); // state -> its glide: a later one takes over

/** Moves the camera over `milliseconds`; resolves when it is there, or another glide has begun. Zoom runs on a log
 * scale, as eyes read it. */
export function glideCamera(state, target, milliseconds) {
  const start = state.get().camera;
  const same = start.zoom === target.zoom && start.x === target.x && start.y === target.y;
  const own = {};
  gliding.set(state, own);
  if (same || reducedMotion()) {
    state.set({ camera: target });
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    const began = performance.now();
    function move(now) {
      if (gliding.get(state) !== own) return resolve();
      const t = clamp((now - began) / milliseconds, 0, 1);
      if (t === 1) {
        state.set({ camera: target }); // to the last digit: sums come only near it
        return resolve();
      }
      const zoom = start.zoom * (target.zoom / start.zoom) ** easeInOut(t);
      // Position follows the zoom, so that the point of departure and the target stay on straight screen paths.
      const share =
        Math.abs(target.zoom - start.zoom) > 1e-9
          ? (1 / zoom - 1 / start.zoom) / (1 / target.zoom - 1 / start.zoom)
          : easeInOut(t);
      state.set({
        camera: { x: start.x + (target.x - start.x) * share, y: start.y + (target.y - start.y) * share, zoom },
      });
      if (state.get().gone) resolve();
      else requestAnimationFrame(move);
    }
    requestAnimationFrame(move);
  });
}
