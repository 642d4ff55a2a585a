// Plays the server for a shared page: hands the instrument its runs, and answers a click with what the file brought along.
const waiting = document.getElementById("waiting");

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Points whose bits were written as steps in time, the bytes sorted by weight (share/coding.py). */
function unplaited(bytes, [frames, points]) {
  const count = bytes.length / 4;
  const out = new Float32Array(count);
  const bits = new Int32Array(out.buffer);
  for (let i = 0, line = 0; line < 2 * points; line++) {
    let value = 0;
    for (let frame = 0; frame < frames; frame++, i++) {
      const unsigned = (bytes[i] | (bytes[count + i] << 8) | (bytes[2 * count + i] << 16) | (bytes[3 * count + i] << 24)) >>> 0;
      value = (value + ((unsigned >>> 1) ^ -(unsigned & 1))) | 0;
      bits[frame * 2 * points + line] = value;
    }
  }
  return out;
}

/** A packed run again: header, then its sections with the points and thumbnails that travelled apart. */
function whole(rest, points, shape, sprite) {
  const length = new DataView(rest.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(rest.subarray(4, 4 + length)));
  const body = rest.subarray(4 + length);
  const more = [["pos", "f32", new Uint8Array(points.buffer), shape]];
  if (sprite) more.push(["sprite", "u8", sprite, [sprite.length]]);
  let offset = body.length;
  for (const [name, dtype, bytes, dimensions] of more) {
    header.sections[name] = { offset, dtype, shape: dimensions };
    offset += Math.ceil(bytes.length / 4) * 4;
  }
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil((4 + text.length) / 4) * 4 - 4).fill(32);
  padded.set(text);
  const blob = new Uint8Array(4 + padded.length + offset);
  new DataView(blob.buffer).setUint32(0, padded.length, true);
  blob.set(padded, 4);
  blob.set(body, 4 + padded.length);
  for (const [name, , bytes] of more) blob.set(bytes, 4 + padded.length + header.sections[name].offset);
  return blob;
}

async function open() {
  const shared = JSON.parse(document.getElementById("shared").textContent);
  const code = await inflated(shared.code);
  const place = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  (await import(place)).default();
  URL.revokeObjectURL(place);
  const take = globalThis.__tripletscope_take;
  const aside = () => ({ parentElement: document.createElement("div"), setStateValue() {}, setTriggerValue() {} });

  const sprites = await Promise.all(shared.runs.map((run) => (run.sprite ? inflated(run.sprite) : null)));
  for (const run of shared.runs) {
    const points = unplaited(await inflated(run.pos), run.shape);
    const sprite = sprites[run.sprite_of ?? shared.runs.indexOf(run)];
    take("loader", { ...aside(), data: whole(await inflated(run.rest), points, run.shape, sprite) });
  }
  take("news", { ...aside(), data: [{ casts: { [shared.cast.name]: shared.cast } }] });

  const host = document.getElementById("host");
  const shadow = host.attachShadow({ mode: "open" });
  const known = new Set(shared.anchors);
  let view = withAddress(shared);
  let message = null;

  function answersFor({ run, anchor }) {
    const found = {};
    for (const [digest, byAnchor] of Object.entries(shared.answers)) {
      const z = byAnchor[anchor];
      const margin = globalThis.__tripletscope.runs[digest]?.margin;
      if (z && (digest === run || shared.runs.length < 7)) found[digest] = { anchor, margin, z };
    }
    return found;
  }

  function draw() {
    take("view", {
      parentElement: shadow, data: [{ ...view, answers: answersFor(view.selection), message }],
      setStateValue: (name, value) => name === "selection" && value && hear(value),
      setTriggerValue: (name) => {
        if (name !== "request") return;
        message = "This needs the engine, which a shared page does not have: open the run in tripletscope.";
        draw();
      },
    });
  }

  /** What is looked at now; for an anchor that the file knows nothing about, the nearest that it knows. */
  function hear(said) {
    const { rev, ...selection } = said;
    message = null;
    if (known.has(selection.anchor)) {
      view = { ...view, selection: { ...selection, rev: view.selection.rev } };
    } else {
      const near = nearest(selection);
      message = "This file brings what strategies pick for some anchors only; this is the nearest of them.";
      view = { ...view, selection: { ...selection, anchor: near, positive: null, rev: view.selection.rev + 1 } };
    }
    if (selection.margin !== null && selection.margin !== undefined) {
      message = "The zones follow the margin; the picks are those of the recorded one, because there is no engine here.";
    }
    draw();
  }

  /** The known anchor that lies nearest on the map at that step, of the same class where there is one. */
  function nearest({ run: digest, step, anchor }) {
    const run = globalThis.__tripletscope.runs[digest];
    const frame = Math.max(0, run.frames.indexOf(step));
    const at = (i) => [run.pos[2 * (frame * run.n + i)], run.pos[2 * (frame * run.n + i) + 1]];
    const [x, y] = at(anchor);
    const kin = shared.anchors.filter((i) => run.label[i] === run.label[anchor]);
    const far = (i) => Math.hypot(at(i)[0] - x, at(i)[1] - y);
    return (kin.length ? kin : shared.anchors).reduce((best, i) => (far(i) < far(best) ? i : best));
  }

  function theme(dark) {
    document.documentElement.classList.toggle("dark", dark);
    document.getElementById("theme").textContent = dark ? "Light" : "Dark";
  }
  theme(matchMedia("(prefers-color-scheme: dark)").matches);
  document.getElementById("theme").addEventListener("click", () => {
    theme(!document.documentElement.classList.contains("dark"));
    draw();
  });

  draw();
  waiting.remove();
  for (const packed of shared.asides) take("loader", { ...aside(), data: await inflated(packed) });
  document.body.dataset.shared = "ready";
}

/** The view that the address asks for: a copied link of a shared page leads back to what was on the screen. */
function withAddress(shared) {
  const asked = new URLSearchParams(location.search);
  const view = shared.view;
  const selection = { ...view.selection };
  const digest = shared.cast.runs.find((run) => run.link === asked.get("run"))?.digest;
  if (digest) selection.run = digest;
  const rows = globalThis.__tripletscope.runs[selection.run].row;
  const whole = (name) => (/^\d{1,9}$/.test(asked.get(name) ?? "") ? Number(asked.get(name)) : null);
  if (whole("step") !== null) selection.step = whole("step");
  const anchor = whole("anchor") === null ? -1 : rows.indexOf(whole("anchor"));
  if (shared.anchors.includes(anchor)) {
    selection.anchor = anchor;
    selection.positive = whole("positive") === null ? null : rows.indexOf(whole("positive"));
    if (selection.positive < 0) selection.positive = null;
  }
  const lane = asked.get("lane");
  if (shared.cast.strategies.some((strategy) => strategy.name === lane)) selection.lane = lane;
  return { ...view, selection };
}

open().catch((problem) => {
  waiting.textContent = `This page could not be drawn: ${problem.message ?? problem}. A newer browser may do it.`;
});
