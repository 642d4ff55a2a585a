// How wide words are in the page's font: measured once a word, because asking the layout costs every time.

const wordWidths = new Map();
let wordRuler;
let wordFont = "";
let wordStatus = "";

/** Width of one line of text in CSS pixels; `font` is the family, `look` what comes before the size ("italic 600"). */
export function textWidth(text, size, font, look = "") {
  const { status } = document.fonts; // widths change when the page's font arrives
  if (font !== wordFont || status !== wordStatus || wordWidths.size > 500) {
    wordWidths.clear();
    [wordFont, wordStatus] = [font, status];
  }
  const key = `${look}/${size}/${text}`;
  if (!wordWidths.has(key)) {
    wordRuler ??= new OffscreenCanvas(1, 1).getContext("2d");
    wordRuler.font = `${look} ${size}px ${font}`;
    wordWidths.set(key, wordRuler.measureText(text).width);
  }
  return wordWidths.get(key);
}
