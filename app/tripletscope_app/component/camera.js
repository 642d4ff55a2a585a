// Where the map looks. At zoom 1 it shows the whole run's extent, the same at every frame: motion is change in the data.
import { clamp, easeInOut, reducedMotion } from "./dom.js";

const ZOOM_LIMITS = [0.5, 5000];

export function homeCamera(run) {
  return { x: run.centre[0], y: run.centre[1], zoom: 1 };
}

/** {scale (px per unit), toX, toY, unX, unY} of a camera over a panel of width x height CSS pixels. */
export function projection(camera, run, width, height) {
  const scale = (camera.zoom * Math.min(width, height)) / 2 / run.extent;
  return {
    scale,
    toX: (x) => width / 2 + (x - camera.x) * scale,
    toY: (y) => height / 2 - (y - camera.y) * scale,
    unX: (px) => camera.x + (px - width / 2) / scale,
    unY: (py) => camera.y - (py - height / 2) / scale,
  };
}

/** The camera after zooming by `factor` with the point under (px, py) held still. */
export function zoomAt(camera, view, px, py, factor) {
  const zoom = clamp(camera.zoom * factor, ...ZOOM_LIMITS);
  const held = camera.zoom / zoom;
  const [x, y] = [view.unX(px), view.unY(py)];
  return { x: x + (camera.x - x) * held, y: y + (camera.y - y) * held, zoom };
}

/** Moves the camera over `milliseconds`; resolves when it is there. Zoom runs on a log scale, as eyes read it. */
export function glideCamera(state, target, milliseconds) {
  const start = state.get().camera;
  const same = start.zoom === target.zoom && start.x === target.x && start.y === target.y;
  if (same || reducedMotion()) {
    state.set({ camera: target });
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    const began = performance.now();
    function move(now) {
      const t = clamp((now - began) / milliseconds, 0, 1);
      const zoom = start.zoom * (target.zoom / start.zoom) ** easeInOut(t);
      // Position follows the zoom, so that the point of departure and the target stay on straight screen paths.
      const share =
        Math.abs(target.zoom - start.zoom) > 1e-9
          ? (1 / zoom - 1 / start.zoom) / (1 / target.zoom - 1 / start.zoom)
          : easeInOut(t);
      state.set({
        camera: { x: start.x + (target.x - start.x) * share, y: start.y + (target.y - start.y) * share, zoom },
      });
      if (t < 1 && !state.get().gone) requestAnimationFrame(move);
      else resolve();
    }
    requestAnimationFrame(move);
  });
}
