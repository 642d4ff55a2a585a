// Points in WebGL 2: all frames of a space lie in one GPU buffer, a frame is two attribute offsets and a mix() in the
// shader, so scrubbing uploads nothing. While one space turns into another, both are bound, and mixed on the screen.

const NOWHERE = 1e30; // stands for NaN, which shaders need not know
const BUFFERS_KEPT = 6; // spaces; a race of three with its maps

const POINT_VERTEX = `#version 300 es
in vec2 from_position;
in vec2 to_position;
in vec2 left_from;
in vec2 left_to;
in vec4 colour;
uniform float blend;
uniform vec2 centre;
uniform vec2 scale;
uniform vec2 left_centre;
uniform vec2 left_scale;
uniform float behind;  // share of the way that still lies before us: 1 in the space that is left, 0 at rest
uniform float size;
out vec4 fill;
out float width;
bool nowhere(vec2 a, vec2 b) {
  return max(abs(a.x), abs(a.y)) > 1e29 || (blend > 0.0 && max(abs(b.x), abs(b.y)) > 1e29);
}
void main() {
  vec2 spot = (mix(from_position, to_position, blend) - centre) * scale;
  bool lost = nowhere(from_position, to_position);
  if (behind > 0.0) {
    spot = mix(spot, (mix(left_from, left_to, blend) - left_centre) * left_scale, behind);
    lost = lost || nowhere(left_from, left_to);
  }
  gl_Position = lost ? vec4(0.0, 0.0, 2.0, 1.0) : vec4(spot, 0.0, 1.0);
  width = size * (colour.a > 0.99 ? 1.4 : 1.0);  // opaque = in front of others: larger too, or a small class is lost
  gl_PointSize = width;
  fill = colour;
}`;

const POINT_FRAGMENT = `#version 300 es
precision highp float;
in vec4 fill;
in float width;
uniform vec3 ground;
out vec4 result;
void main() {
  float radius = length(gl_PointCoord - 0.5) * width;  // in device pixels
  float edge = 0.5 * width;
  float cover = clamp(edge - radius, 0.0, 1.0);
  // A thin rim in the background colour keeps neighbours apart where points crowd.
  vec3 shade = mix(fill.rgb, ground, 0.75 * clamp(radius - edge + 1.6, 0.0, 1.0));
  float alpha = fill.a * cover;
  result = vec4(shade * alpha, alpha);
}`;

const POINT_ATTRIBUTES = ["from_position", "to_position", "left_from", "left_to", "colour"];
const POINT_UNIFORMS = ["blend", "centre", "scale", "left_centre", "left_scale", "behind", "size", "ground"];

function compileProgram(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, POINT_VERTEX], [gl.FRAGMENT_SHADER, POINT_FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, POINT_ATTRIBUTES[0]); // location 0 must always be an array, or drivers emulate it
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return {
    program,
    at: Object.fromEntries(POINT_ATTRIBUTES.map((name) => [name, gl.getAttribLocation(program, name)])),
    uniforms: Object.fromEntries(POINT_UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)])),
  };
}

/** The positions with NaN replaced; a copy only where there is one. */
function drawablePositions(pos) {
  let copy = null;
  for (let i = 0; i < pos.length; i++) {
    if (Math.abs(pos[i]) < NOWHERE) continue;
    copy ??= pos.slice();
    copy[i] = NOWHERE;
  }
  return copy ?? pos;
}

/** A drawer of points, or null where WebGL 2 is not to be had. `onrestore` is called when a lost context is back. */
export function createGlPoints(canvas, onrestore) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, powerPreference: "low-power" });
  if (!gl) return null;
  let parts = compileProgram(gl);
  let places = new Map(); // key of a sheet -> GPU buffer of its positions
  let painted = null; // {colour, order, key}: how the points look
  let bytes = new Uint32Array(0);

  function onLost(event) {
    event.preventDefault(); // without this the browser never restores it
    parts = null;
  }
  function onRestored() {
    parts = compileProgram(gl);
    places = new Map();
    painted = null;
    onrestore();
  }
  canvas.addEventListener("webglcontextlost", onLost);
  canvas.addEventListener("webglcontextrestored", onRestored);

  function placesOf(sheet) {
    const known = places.get(sheet.key);
    places.delete(sheet.key); // re-inserting makes it the youngest
    if (known?.pos === sheet.pos) {
      places.set(sheet.key, known);
      return known.buffer;
    }
    if (known) gl.deleteBuffer(known.buffer);
    for (const key of [...places.keys()].slice(0, -(BUFFERS_KEPT - 1))) {
      gl.deleteBuffer(places.get(key).buffer);
      places.delete(key);
    }
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, drawablePositions(sheet.pos), gl.STATIC_DRAW);
    places.set(sheet.key, { buffer, pos: sheet.pos });
    return buffer;
  }

  function paint(ink) {
    painted ??= { colour: gl.createBuffer(), order: gl.createBuffer(), key: null };
    if (painted.key === ink.key) return;
    painted.key = ink.key;
    const words = Uint32Array.from(ink.inks, ([r, g, b, a]) => (r | (g << 8) | (b << 16) | (a << 24)) >>> 0);
    if (bytes.length !== ink.of.length) bytes = new Uint32Array(ink.of.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = words[ink.of[i]];
    gl.bindBuffer(gl.ARRAY_BUFFER, painted.colour);
    gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.DYNAMIC_DRAW);
    if (!ink.order) return;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, painted.order);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, ink.order, gl.DYNAMIC_DRAW);
  }

  function attribute(location, buffer, size, type, normalise, offset) {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, type, normalise, 0, offset);
  }

  function bindFrames(sheet, at, next, from, to) {
    const buffer = placesOf(sheet);
    attribute(from, buffer, 2, gl.FLOAT, false, at * sheet.n * 8);
    attribute(to, buffer, 2, gl.FLOAT, false, next * sheet.n * 8);
  }

  return {
    kind: "webgl2",
    /** Draws frame `at` blended with the next by `blend`. `left` = {sheet, view, behind} of the space that is being
     * left, or null; sizes in CSS pixels, `ratio` = device pixels per CSS pixel. */
    draw({ sheet, at, next, blend, view, left, ink, ground, size, ratio }) {
      if (!parts || gl.isContextLost()) return;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.useProgram(parts.program);
      const { at: place, uniforms } = parts;
      const perPixel = (look) => [(2 * look.scale * ratio) / canvas.width, (2 * look.scale * ratio) / canvas.height];
      bindFrames(sheet, at, next, place.from_position, place.to_position);
      if (left) {
        bindFrames(left.sheet, at, next, place.left_from, place.left_to);
        gl.uniform2f(uniforms.left_centre, left.view.x, left.view.y);
        gl.uniform2f(uniforms.left_scale, ...perPixel(left.view));
      } else for (const name of ["left_from", "left_to"]) gl.disableVertexAttribArray(place[name]);
      paint(ink);
      attribute(place.colour, painted.colour, 4, gl.UNSIGNED_BYTE, true, 0);
      gl.uniform1f(uniforms.blend, blend);
      gl.uniform1f(uniforms.behind, left?.behind ?? 0);
      gl.uniform2f(uniforms.centre, view.x, view.y);
      gl.uniform2f(uniforms.scale, ...perPixel(view));
      gl.uniform1f(uniforms.size, size * ratio);
      gl.uniform3f(uniforms.ground, ground[0] / 255, ground[1] / 255, ground[2] / 255);
      if (ink.order) gl.drawElements(gl.POINTS, sheet.n, gl.UNSIGNED_INT, 0);
      else gl.drawArrays(gl.POINTS, 0, sheet.n);
    },
    stop() {
      canvas.removeEventListener("webglcontextlost", onLost);
      canvas.removeEventListener("webglcontextrestored", onRestored);
      // Browsers allow about sixteen live contexts; waiting for the garbage collector is not enough.
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}
