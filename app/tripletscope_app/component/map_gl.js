// Points in WebGL 2: all frames of a run lie in one GPU buffer, a frame is two attribute offsets and a mix() in the
// shader, so scrubbing uploads nothing.

const POINT_VERTEX = `#version 300 es
in vec2 from_position;
in vec2 to_position;
in vec3 colour;
uniform float blend;
uniform vec2 centre;
uniform vec2 scale;
uniform float size;
out vec3 fill;
void main() {
  gl_Position = vec4((mix(from_position, to_position, blend) - centre) * scale, 0.0, 1.0);
  gl_PointSize = size;
  fill = colour;
}`;

const POINT_FRAGMENT = `#version 300 es
precision highp float;
in vec3 fill;
uniform vec3 ground;
uniform float size;
out vec4 result;
void main() {
  float radius = length(gl_PointCoord - 0.5) * size;  // in device pixels
  float edge = 0.5 * size;
  float cover = clamp(edge - radius, 0.0, 1.0);
  // A thin rim in the background colour keeps neighbours apart where points crowd.
  vec3 shade = mix(fill, ground, 0.75 * clamp(radius - edge + 1.6, 0.0, 1.0));
  float alpha = 0.92 * cover;
  result = vec4(shade * alpha, alpha);
}`;

function compileProgram(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, POINT_VERTEX], [gl.FRAGMENT_SHADER, POINT_FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  const at = (name) => gl.getAttribLocation(program, name);
  const uniform = (name) => gl.getUniformLocation(program, name);
  return {
    program,
    from: at("from_position"),
    to: at("to_position"),
    colour: at("colour"),
    uniforms: Object.fromEntries(["blend", "centre", "scale", "size", "ground"].map((n) => [n, uniform(n)])),
  };
}

/** A drawer of points, or null where WebGL 2 is not to be had. `onrestore` is called when a lost context is back. */
export function createGlPoints(canvas, onrestore) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, powerPreference: "low-power" });
  if (!gl) return null;
  let parts = compileProgram(gl);
  let buffers = new Map();

  function onLost(event) {
    event.preventDefault(); // without this the browser never restores it
    parts = null;
  }
  function onRestored() {
    parts = compileProgram(gl);
    buffers = new Map();
    onrestore();
  }
  canvas.addEventListener("webglcontextlost", onLost);
  canvas.addEventListener("webglcontextrestored", onRestored);

  function buffersOf(run, colours, key) {
    let entry = buffers.get(run.digest);
    if (!entry) {
      entry = { pos: gl.createBuffer(), colour: gl.createBuffer(), key: null };
      gl.bindBuffer(gl.ARRAY_BUFFER, entry.pos);
      gl.bufferData(gl.ARRAY_BUFFER, run.pos, gl.STATIC_DRAW);
      buffers.set(run.digest, entry);
    }
    if (entry.key !== key) {
      const bytes = new Uint8Array(run.n * 3);
      for (let i = 0; i < run.n; i++) bytes.set(colours[run.label[i]], 3 * i);
      gl.bindBuffer(gl.ARRAY_BUFFER, entry.colour);
      gl.bufferData(gl.ARRAY_BUFFER, bytes, gl.STATIC_DRAW);
      entry.key = key;
    }
    return entry;
  }

  function attribute(location, buffer, size, type, normalise, offset) {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, type, normalise, 0, offset);
  }

  return {
    kind: "webgl2",
    /** Draws frame `at` blended with the next by `blend`; sizes in CSS pixels, `ratio` = device pixels per CSS pixel. */
    draw({ run, at, next, blend, camera, view, colours, paletteKey, ground, size, ratio }) {
      if (!parts || gl.isContextLost()) return;
      const entry = buffersOf(run, colours, paletteKey);
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.useProgram(parts.program);
      const stride = run.n * 2 * 4;
      attribute(parts.from, entry.pos, 2, gl.FLOAT, false, at * stride);
      attribute(parts.to, entry.pos, 2, gl.FLOAT, false, next * stride);
      attribute(parts.colour, entry.colour, 3, gl.UNSIGNED_BYTE, true, 0);
      const { uniforms } = parts;
      gl.uniform1f(uniforms.blend, blend);
      gl.uniform2f(uniforms.centre, camera.x, camera.y);
      gl.uniform2f(uniforms.scale, (2 * view.scale * ratio) / canvas.width, (2 * view.scale * ratio) / canvas.height);
      gl.uniform1f(uniforms.size, size * ratio);
      gl.uniform3f(uniforms.ground, ground[0] / 255, ground[1] / 255, ground[2] / 255);
      gl.drawArrays(gl.POINTS, 0, run.n);
    },
    stop() {
      canvas.removeEventListener("webglcontextlost", onLost);
      canvas.removeEventListener("webglcontextrestored", onRestored);
      // Browsers allow about sixteen live contexts; waiting for the garbage collector is not enough.
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}
