// What is known of a single row: its card when somebody points at it, its picture on the map.
import { clamp, h, setText, wholeNumber } from "./dom.js";

/** The pictures of all rows, once they are decoded: {ready, paint(pen, row, x, y, size)}. */
export function createPictures(onready) {
  let [source, sheet] = [null, null];
  return {
    follow(cards) {
      if (cards === source) return;
      [source, sheet] = [cards, null];
      if (!cards?.sheet?.length) return;
      createImageBitmap(new Blob([cards.sheet], { type: "image/webp" })).then(
        (bitmap) => {
          if (source !== cards) return;
          sheet = bitmap;
          onready();
        },
        () => {},
      );
    },
    get ready() {
      return Boolean(sheet);
    },
    paint(pen, row, x, y, size) {
      if (!sheet) return;
      const { cell, across } = source;
      pen.imageSmoothingEnabled = !source.pixelated;
      pen.drawImage(sheet, (row % across) * cell, Math.floor(row / across) * cell, cell, cell, x - size / 2, y - size / 2, size, size);
    },
  };
}

/** {id, label, text} of a row, as far as it is known here. */
export function knownOf(row, cards, card) {
  if (card?.row === row) return { id: card.id, label: card.class, text: card.text, picture: card.picture };
  if (!cards?.ids) return null;
  const label = cards.labels[row];
  return { id: cards.ids[row], label: label < 0 ? null : (cards.class_names[label] ?? null), text: cards.texts?.[row] ?? "" };
}

/** {element, show, hide}. */
export function createRowCard(pictures) {
  const canvas = h("canvas", { class: "ts-cloud-card-picture", width: 112, height: 112, "aria-hidden": "true" });
  const image = h("img", { class: "ts-cloud-card-picture", alt: "" });
  const lines = ["label", "id", "value", "text"].map((name) => h("div", { class: `ts-cloud-card-${name}` }));
  const [label, id, value, text] = lines;
  const element = h("div", { class: "ts-card ts-cloud-card", hidden: true }, canvas, image, h("div", {}, ...lines));
  let shown = null;
  return {
    element,
    get row() {
      return shown;
    },
    words: () => lines.map((line) => line.textContent).filter(Boolean).join(", "),
    hide() {
      shown = null;
      element.hidden = true;
    },
    /** Beside (x, y) in a panel of that size. `known` = of knownOf; `coloured` = what the colour says, in words. */
    show(row, known, coloured, { x, y, width, height, labelled }) {
      shown = row;
      element.hidden = false;
      canvas.hidden = !pictures.ready || Boolean(known?.picture);
      if (!canvas.hidden) {
        const pen = canvas.getContext("2d");
        pen.clearRect(0, 0, 112, 112);
        pictures.paint(pen, row, 56, 56, 112);
      }
      image.hidden = !known?.picture;
      if (known?.picture && image.getAttribute("src") !== known.picture) image.setAttribute("src", known.picture);
      setText(label, known ? (known.label ?? (labelled ? "no label" : "")) : "");
      label.hidden = !label.textContent;
      setText(id, known ? `id ${known.id}` : `row ${wholeNumber(row)}`);
      setText(value, coloured);
      value.hidden = !coloured;
      setText(text, known?.text ?? "");
      text.hidden = !text.textContent;
      const box = element.getBoundingClientRect();
      const above = y - box.height - 14;
      element.style.left = `${clamp(x + 16, 6, Math.max(6, width - box.width - 6))}px`;
      element.style.top = `${above > 4 ? above : clamp(y + 18, 6, Math.max(6, height - box.height - 6))}px`;
    },
  };
}
