// The notes a newcomer reads: what hard, semi-hard and easy mean, each pointing at its zone, and which negative was picked.
import { clamp, h, svg } from "./dom.js";
import { ZONE_ORDER } from "./zone_counts.js";

const NOTE_WORDS = { hard: "closer than the positive", "semi-hard": "within the margin", easy: "farther" };
const NOTE_GAP = 20; // px between two notes
const NOTE_LINE = 19; // px: where the row of notes ends and their arrows begin

export function notesArrowHead() {
  return svg(
    "defs", {},
    svg("marker", { id: "ts-arrow", viewBox: "0 0 8 8", refX: 6.5, refY: 4, markerWidth: 6.5, markerHeight: 6.5, orient: "auto-start-reverse" },
      svg("path", { class: "ts-arrow-head", d: "M0.5,0.5L7.5,4L0.5,7.5" })),
  );
}

function noteArrow([x1, y1], [x2, y2], [cx, cy]) {
  const d = `M${x1.toFixed(1)},${y1.toFixed(1)}Q${cx.toFixed(1)},${cy.toFixed(1)} ${x2.toFixed(1)},${y2.toFixed(1)}`;
  // A seam in the background colour keeps the line readable where it crosses something.
  return svg("g", {}, svg("path", { class: "ts-arrow-seam", d }), svg("path", { class: "ts-arrow", d, "marker-end": "url(#ts-arrow)" }));
}

/** Left ends of texts in a row, each as near to its target as the others allow; `widths` and `targets` rise in x.
 * Null where they do not fit between 0 and `room`. */
export function noteRow(targets, widths, room) {
  const total = widths.reduce((sum, width) => sum + width, 0) + NOTE_GAP * (widths.length - 1);
  if (total > room) return null;
  const xs = targets.map((target, i) => target - widths[i] / 2);
  let free = 0;
  xs.forEach((x, i) => {
    xs[i] = Math.max(x, free);
    free = xs[i] + widths[i] + NOTE_GAP;
  });
  let end = room;
  for (let i = xs.length - 1; i >= 0; i--) {
    xs[i] = Math.min(xs[i], end - widths[i]);
    end = xs[i] - NOTE_GAP;
  }
  return xs;
}

/** The three notes and the one at the pick; `draw` places them and returns their arrows. */
export function createRulerNotes({ state }) {
  const notes = Object.fromEntries(ZONE_ORDER.map((zone) => [
    zone, h("div", { class: "ts-note", "data-zone": zone }, `${NOTE_WORDS[zone]} = `, h("strong", {}, zone)),
  ]));
  const pickNote = h("div", { class: "ts-note ts-note-pick" }, "this negative was picked");
  const tag = h("div", { class: "ts-pick-tag", "aria-hidden": "true" }, "picked");
  const elements = [...Object.values(notes), pickNote, tag];
  let measured = null;

  function sizes() {
    const font = `${state.get().theme.font}/${document.fonts.status}`; // widths change when the page's font arrives
    if (measured?.font === font && measured.one.width) return measured;
    for (const element of elements) element.hidden = false;
    const shapeOf = (two) => {
      pickNote.toggleAttribute("data-two", two);
      return { width: pickNote.offsetWidth, height: pickNote.offsetHeight, two };
    };
    const widths = Object.fromEntries(ZONE_ORDER.map((zone) => [zone, notes[zone].offsetWidth]));
    measured = { font, one: shapeOf(false), two: shapeOf(true), widths, tag: { width: tag.offsetWidth, height: tag.offsetHeight } };
    return measured;
  }

  function drawZoneNotes(edges, box, keepOff) {
    const { widths } = sizes();
    // An arrow to "easy" must not run through the words beside the bracket.
    const easy = Math.max((edges[2] + edges[3]) / 2, Math.min(keepOff + 8, edges[3] - 6));
    const targets = { hard: (edges[0] + edges[1]) / 2, "semi-hard": (edges[1] + edges[2]) / 2, easy };
    let shown = ZONE_ORDER.filter((zone, i) => edges[i + 1] - edges[i] >= 3);
    let xs = null;
    for (;;) {
      xs = noteRow(shown.map((zone) => targets[zone]), shown.map((zone) => widths[zone]), box.width);
      if (xs || !shown.length) break;
      shown = shown.slice(0, -1); // the zones that are mined come first
    }
    for (const zone of ZONE_ORDER) notes[zone].hidden = !shown.includes(zone);
    return shown.map((zone, i) => {
      notes[zone].style.transform = `translate(${xs[i].toFixed(1)}px, 0px)`;
      const at = ZONE_ORDER.indexOf(zone);
      const [low, high] = [zone === "easy" ? Math.min(easy, keepOff + 8) : edges[at], edges[at + 1]];
      const inset = Math.min(10, (high - low) / 2);
      // Straight down where the words stand over their zone, else the shortest way to it.
      const target = clamp(clamp((low + high) / 2, xs[i] + 12, xs[i] + widths[zone] - 12), low + inset, high - inset);
      const start = clamp(target, xs[i] + 12, xs[i] + widths[zone] - 12);
      const end = zone === "semi-hard" ? box.bracketY - 2 : box.notes - 1;
      return noteArrow([start, NOTE_LINE], [target, end], [target, NOTE_LINE + 2]);
    });
  }

  function drawPickNote(pick, boxes, box) {
    const picked = boxes.find((b) => b.role === "negative" && b.sample === pick?.negative);
    pickNote.hidden = tag.hidden = true;
    if (!picked || pick.kind !== "pick") return [];
    const { one, two, tag: small } = sizes();
    const spot = freeSpot(boxes, picked, box, [one, two]);
    pickNote.hidden = !spot;
    tag.hidden = Boolean(spot);
    if (!spot) {
      // No way that crosses nobody: a tag on the picture itself.
      const x = clamp(picked.x - small.width / 2, 0, box.width - small.width);
      tag.style.transform = `translate(${x.toFixed(1)}px, ${(picked.y + picked.half - 3).toFixed(1)}px)`;
      return [];
    }
    pickNote.toggleAttribute("data-two", spot.two);
    pickNote.style.transform = `translate(${spot.x.toFixed(1)}px, ${spot.y.toFixed(1)}px)`;
    const fromLeft = spot.x > picked.x;
    const start = [fromLeft ? spot.x - 3 : spot.x + spot.width + 3, spot.y + spot.height / 2];
    const end = [picked.x + (fromLeft ? 1 : -1) * (picked.half + 5), picked.y];
    return [noteArrow(start, end, [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 3])];
  }

  return {
    elements,
    hide() {
      for (const element of elements) element.hidden = true;
    },
    /** `zones` false leaves the row above the bracket to others; `keepOff` is where the words beside the bracket end. */
    draw({ pick, ring, boxes, edges, box, zones, keepOff }) {
      tag.style.setProperty("--ring", ring);
      if (!zones) for (const zone of ZONE_ORDER) notes[zone].hidden = true;
      return [...(zones ? drawZoneNotes(edges, box, keepOff) : []), ...drawPickNote(pick, boxes, box)];
    },
  };
}

/** How many thumbnails an arrow from (x, y) to the pick would run over. */
function crossed(boxes, picked, x, y) {
  const over = new Set();
  const [dx, dy] = [x - picked.x, y - picked.y];
  for (let along = picked.half + 6; along < Math.abs(dx); along += 6) {
    const [px, py] = [picked.x + Math.sign(dx) * along, picked.y + (dy * along) / Math.abs(dx)];
    for (const b of boxes) {
      if (b !== picked && Math.abs(b.x - px) < (b.halfX ?? b.half) && Math.abs(b.y - py) < (b.halfY ?? b.half)) over.add(b);
    }
  }
  return over.size;
}

/** Where among the negatives a note covers nothing and its arrow crosses nothing, near the pick; null if all is full.
 *
 * `sizes` = the shapes the note can take, the preferred one first. */
function freeSpot(boxes, picked, box, sizes) {
  let best = null;
  sizes.forEach(({ width, height, two }, rank) => {
    for (let y = box.negativeTop + 2; y <= box.ghostTop - height + 2; y += 8) {
      for (let x = box.left + 4; x <= box.right - width; x += 12) {
        const gap = x > picked.x ? x - picked.x : picked.x - x - width;
        if (gap < picked.half + 18) continue; // the arrow needs a way
        const cost = 120 * rank + gap + 2 * Math.abs(y + height / 2 - picked.y);
        if (gap > 170 || (best && cost >= best.cost)) continue; // from far away one does not see what it points at
        const covers = boxes.some((b) => {
          const [halfX, halfY] = [b.halfX ?? b.half, b.halfY ?? b.half];
          return b.x + halfX > x - 2 && b.x - halfX < x + width + 2 && b.y + halfY > y + 3 && b.y - halfY < y + height - 3;
        });
        if (covers || crossed(boxes, picked, x > picked.x ? x : x + width, y + height / 2)) continue;
        best = { x, y, width, height, two, cost };
      }
    }
  });
  return best;
}
