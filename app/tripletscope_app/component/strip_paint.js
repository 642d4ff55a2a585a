// Drawing the film strip. Neighbouring frames with the same negative are one shot with one picture; a single frame shows
// its picture where the column has room, else its class as colour and short name. The border is always the zone.
import { initialsOf, initialsOfName } from "./sprite.js";
import { paintCentre } from "./centres.js";
import { rgba } from "./theme.js";
import { stripSpans } from "./strip_cells.js";
import { pathOf } from "./svg_pen.js";

const STRIP_PICTURE = 14; // px: anything narrower has no room for a picture
const STRIP_BOXES = 27; // px: in columns as wide as this every frame is a box of its own
const STRIP_CELL_GAP = 1.5;
const STRIP_CLASS_TINT = 0.2;
const STRIP_REPEAT = 110; // px after which a long shot shows its picture again
const STRIP_DASHES = { hard: [], "semi-hard": [4, 2.5], easy: [1.4, 2.6] };
const STRIP_ZONE_LIST = ["hard", "semi-hard", "easy"];

/** Widths, heights and the way between pixels and cells. */
export function stripLayout({ width, rows, frames, rowHeight, gutter }) {
  const right = width - gutter;
  const column = (right - gutter) / Math.max(1, frames);
  return {
    width, rows, frames, rowHeight, gutter, right, column, height: rows * rowHeight,
    left: (frame) => gutter + frame * column,
    middle: (t) => gutter + (t + 0.5) * column,
    frameAt: (x) => Math.min(frames - 1, Math.max(0, Math.floor((x - gutter) / column))),
    rowAt: (y) => Math.min(rows - 1, Math.max(0, Math.floor(y / rowHeight))),
  };
}

/** One thumbnail, or its short name, in a box. */
function paintStripFace(pen, look, negative, x, y, width, height) {
  const { run, sheet } = look;
  if (!sheet) {
    const text = initialsOf(run, negative);
    const size = Math.min(14, height * 0.62, (1.5 * width) / Math.max(1, text.length));
    if (size < 7) return;
    pen.font = `650 ${size.toFixed(1)}px ${look.theme.font}`;
    pen.fillStyle = look.theme.text;
    pen.fillText(text, x + width / 2, y + height / 2 + 0.5);
    return;
  }
  const { width: w, height: h, columns } = run.thumb;
  const zoom = Math.min(width / w, height / h);
  pen.drawImage(
    sheet.canvas, (negative % columns) * w, Math.floor(negative / columns) * h, w, h,
    x + (width - w * zoom) / 2, y + (height - h * zoom) / 2, w * zoom, h * zoom,
  );
}

/** The centre of a class in a box: its mark, and beside it the short name of the class where there is room. */
function paintStripCentre(pen, look, rival, x, y, width, height) {
  const size = Math.min(8, width / 2 - 1, height / 2 - 1);
  if (size < 2.5) return;
  const text = initialsOfName(look.run.class_names[rival] ?? rival);
  pen.font = `650 13px ${look.theme.font}`;
  const wide = width > 2 * size + 12 + 8 * text.length;
  const middle = x + width / 2 - (wide ? 4 + 4 * text.length : 0);
  paintCentre(pen, { x: middle, y: y + height / 2, colour: look.palette[rival], ground: look.theme.background, size });
  if (!wide) return;
  pen.textAlign = "left";
  pen.fillStyle = look.theme.text;
  pen.fillText(text, middle + size + 5, y + height / 2 + 0.5);
  pen.textAlign = "center";
}

/** A cell of batch-all: the shares of the three zones, hard at the bottom. */
function paintStripShares(pen, look, cell, x, y, width, height) {
  let bottom = y + height;
  for (const zone of STRIP_ZONE_LIST) {
    const tall = (height * cell.counts[zone]) / Math.max(1, cell.total);
    pen.fillStyle = look.zone[zone];
    pen.globalAlpha = zone === "easy" ? 0.3 : 0.85;
    pen.fillRect(x, bottom - tall, width, tall);
    bottom -= tall;
  }
  pen.globalAlpha = 1;
}

function paintStripNobody(pen, look, x, y, width, height) {
  pen.fillStyle = look.muted;
  pen.fillRect(x + width / 2 - Math.min(4, width * 0.3), y + height / 2 - 0.75, Math.min(8, width * 0.6), 1.5);
}

/** A strategy that has no single pick here, in the words of its lane. */
function paintStripReason(pen, look, reason, row, box) {
  pen.font = `italic 13px ${look.theme.font}`;
  pen.fillStyle = look.muted;
  pen.textAlign = "left";
  pen.fillText(reason, box.gutter, (row + 0.5) * box.rowHeight);
  pen.textAlign = "center";
}

/** Slanted lines over a box: "nothing here" also without colour. */
function stripHatch(path, x, y, width, height) {
  const step = 6;
  for (let offset = -height; offset < width; offset += step) {
    const from = Math.max(0, offset);
    const to = Math.min(width, offset + height);
    if (to <= from) continue;
    path.moveTo(x + from, y + height - (from - offset));
    path.lineTo(x + to, y + height - (to - offset));
  }
}

/** Every cell of the strip. `look` = {run, sheet, theme, zone, muted, palette, faded(cell)}. */
export function paintStrip(pen, rows, box, look) {
  const wide = box.column >= STRIP_BOXES;
  const borders = Object.fromEntries(STRIP_ZONE_LIST.map((zone) => [zone, pathOf(pen)]));
  const hatching = pathOf(pen);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.imageSmoothingEnabled = !look.run.thumb?.pixelated;
  const gap = box.column > 6 ? STRIP_CELL_GAP : 0.5;
  rows.forEach(({ cells, reason }, row) => {
    if (cells.every((cell) => cell.kind === "missing")) return paintStripReason(pen, look, reason, row, box);
    const top = row * box.rowHeight + 3;
    const height = box.rowHeight - 6;
    const width = wide ? Math.min(box.column - gap, box.rowHeight + 4) : box.column - gap;
    cells.forEach((cell, frame) => {
      const x = box.middle(frame) - width / 2;
      if (cell.kind === "abstains") {
        stripHatch(hatching, x, top, width, height);
        paintStripNobody(pen, look, x, top, width, height);
      } else if (cell.kind === "all") paintStripShares(pen, look, cell, x, top, width, height);
      else if (cell.kind === "pick" || cell.kind === "centre") {
        if (!wide) {
          pen.globalAlpha = STRIP_CLASS_TINT;
          pen.fillStyle = look.palette[cell.rival ?? look.run.label[cell.negative]];
          pen.fillRect(x, top, width, height);
          pen.globalAlpha = 1;
          // Above and below only: left and right the same film goes on.
          borders[cell.zone].rect(x, top + 1, width, 0);
          borders[cell.zone].rect(x, top + height - 1, width, 0);
        } else {
          borders[cell.zone].rect(x + 1, top + 1, width - 2, height - 2);
          if (cell.kind === "centre") paintStripCentre(pen, look, cell.rival, x + 3, top + 3, width - 6, height - 6);
          else paintStripFace(pen, look, cell.negative, x + 3, top + 3, width - 6, height - 6);
        }
      }
    });
    if (!wide) paintStripSpans(pen, cells, box, look, top + 3, height - 6);
    return undefined;
  });
  pen.strokeStyle = look.muted;
  pen.lineWidth = 0.8;
  pen.globalAlpha = 0.35;
  pen.stroke(hatching);
  pen.globalAlpha = 1;
  pen.lineWidth = 2.6;
  for (const zone of STRIP_ZONE_LIST) {
    pen.strokeStyle = look.zone[zone];
    pen.setLineDash(STRIP_DASHES[zone]);
    pen.stroke(borders[zone]);
  }
  pen.setLineDash([]);
  paintStripFading(pen, rows, box, look);
}

/** In narrow columns: a picture wherever a shot has room for it, else the short name. */
function paintStripSpans(pen, cells, box, look, top, height) {
  const { run, sheet } = look;
  for (const { from, to, negative, rival } of stripSpans(cells)) {
    const width = (to - from + 1) * box.column - STRIP_CELL_GAP;
    const x = box.left(from) + STRIP_CELL_GAP / 2;
    if (from < to) {
      // The seams inside a span close: it reads as one long shot.
      pen.globalAlpha = STRIP_CLASS_TINT;
      pen.fillStyle = look.palette[rival ?? run.label[negative]];
      for (let i = from + 1; i <= to; i++) pen.fillRect(box.left(i) - STRIP_CELL_GAP / 2, top - 3, STRIP_CELL_GAP, height + 6);
      pen.globalAlpha = 1;
    }
    if (rival !== undefined) paintStripCentre(pen, look, rival, x, top + 2, width, height - 4);
    else if (sheet && width >= STRIP_PICTURE) {
      const size = Math.min(width - 2, height);
      const times = Math.max(1, Math.floor(width / STRIP_REPEAT));
      for (let i = 0; i < times; i++) {
        const left = x + ((i + 0.5) * width) / times - size / 2;
        pen.fillStyle = look.theme.background;
        pen.fillRect(left, top + (height - size) / 2, size, size);
        paintStripFace(pen, look, negative, left, top + (height - size) / 2, size, size);
      }
    } else paintStripFace(pen, { ...look, sheet: null }, negative, x, top, width, height);
  }
}

/** What the class filter leaves out steps back under a veil of the ground colour; it is never removed. */
function paintStripFading(pen, rows, box, look) {
  if (!look.faded) return;
  pen.fillStyle = look.theme.background;
  pen.globalAlpha = 0.72;
  rows.forEach(({ cells }, row) => cells.forEach((cell, frame) => {
    if (look.faded(cell)) pen.fillRect(box.left(frame), row * box.rowHeight + 1, box.column, box.rowHeight - 2);
  }));
  pen.globalAlpha = 1;
}

/** One column, large: what stands under the magnifier. The pen's origin is the column's top left. */
export function paintStripColumn(pen, rows, frame, { width, rowHeight }, look) {
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.imageSmoothingEnabled = !look.run.thumb?.pixelated;
  rows.forEach(({ cells }, row) => {
    const cell = cells[frame];
    const size = Math.min(width, rowHeight) - 4;
    const [x, y] = [(width - size) / 2, row * rowHeight + (rowHeight - size) / 2];
    if (cell.kind === "abstains") paintStripNobody(pen, look, x, y, size, size);
    else if (cell.kind === "all") paintStripShares(pen, look, cell, x + 3, y + 1, size - 6, size - 2);
    else if (cell.kind === "pick" || cell.kind === "centre") {
      if (cell.kind === "centre") paintStripCentre(pen, look, cell.rival, x + 3, y + 3, size - 6, size - 6);
      else paintStripFace(pen, look, cell.negative, x + 3, y + 3, size - 6, size - 6);
      pen.strokeStyle = look.zone[cell.zone];
      pen.lineWidth = 2.4;
      pen.setLineDash(STRIP_DASHES[cell.zone]);
      pen.strokeRect(x + 1.2, y + 1.2, size - 2.4, size - 2.4);
      pen.setLineDash([]);
    }
  });
}

/** Outlines of the cells that `holds(cell)`: the same negative, or the same classes, as under the pointer elsewhere. */
export function paintStripHolding(pen, rows, box, look, holds) {
  pen.strokeStyle = look.theme.text;
  pen.lineWidth = 2;
  rows.forEach(({ cells }, row) => {
    let from = -1;
    for (let frame = 0; frame <= cells.length; frame++) {
      const inside = frame < cells.length && holds(cells[frame]);
      if (inside && from < 0) from = frame;
      if (inside || from < 0) continue;
      pen.strokeRect(box.left(from) + 0.5, row * box.rowHeight + 1.5, (frame - from) * box.column - 1, box.rowHeight - 3);
      from = -1;
    }
  });
}

/** The look of the moment: colours by zone and class, the sheet of pictures, and who steps back. */
export function stripLook(s, run, { sheet, palette, easy }) {
  const { focus, anchor, theme, zoneColours } = s;
  const filtered = focus && focus[1] !== null && focus[1] !== undefined && run.label[anchor] === focus[0];
  return {
    run, sheet, theme, palette: palette.map((colour) => rgba(colour)),
    zone: { hard: zoneColours.hard, "semi-hard": zoneColours.semi, easy },
    muted: theme.dark ? "#a6adba" : "#5f6776",
    faded: filtered ? (cell) => cell.kind === "pick" && run.label[cell.negative] !== focus[1] : null,
  };
}
