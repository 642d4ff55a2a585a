// Colours: Streamlit's theme as it is right now, and a palette for classes.

let colourProbe;

/** Any CSS colour as [r, g, b] in 0..255. */
export function parseColour(text) {
  const hex = text.match(/^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i);
  if (hex) return hex.slice(1).map((pair) => parseInt(pair, 16));
  // A canvas knows every notation that the browser knows, but reading it back costs milliseconds.
  colourProbe ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  colourProbe.clearRect(0, 0, 1, 1);
  colourProbe.fillStyle = "#000";
  colourProbe.fillStyle = text;
  colourProbe.fillRect(0, 0, 1, 1);
  return [...colourProbe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

function luminance([r, g, b]) {
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}

/** {dark, text, background, key}: read again at every call, because Streamlit changes variables, not elements. */
export function readTheme(element) {
  const style = getComputedStyle(element);
  const background = style.getPropertyValue("--st-background-color").trim() || "#ffffff";
  const text = style.getPropertyValue("--st-text-color").trim() || "#1f2430";
  const font = style.fontFamily;
  const dark = luminance(parseColour(background)) < 0.5;
  return { dark, text, background, font, key: [dark, text, background, font].join("|") };
}

// Up to ten classes: after Paul Tol's "muted" scheme, which was tested with colour-blind readers; lighter on dark ground.
const FEW_LIGHT = [
  "#4453b8", "#2f9bd6", "#2aa08f", "#2f7d3b", "#8f8a22", "#c99a2e", "#cf5f6f", "#8a2859", "#a84fb0", "#7b8087",
];
const FEW_DARK = [
  "#8d9bff", "#7cc8f2", "#56cfbb", "#63c071", "#cfc85a", "#f0cd74", "#f2909c", "#d46fa3", "#d58ede", "#b4bac4",
];

/** [r, g, b] of a colour by lightness 0..1, chroma and hue in radians: equal steps look equal. */
export function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos(hue);
  const b = chroma * Math.sin(hue);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((value) => {
    const v = Math.min(1, Math.max(0, value));
    return Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
  });
}

/** [[r, g, b], …] for `count` classes. Beyond ten, neighbours in the list differ in hue and in lightness, because
 * lightness is what every kind of colour blindness leaves; the labels on the map carry the names. */
export function classColours(count, dark) {
  if (count <= 10) return (dark ? FEW_DARK : FEW_LIGHT).slice(0, count).map(parseColour);
  const steps = dark ? [0.82, 0.68, 0.75] : [0.42, 0.64, 0.54];
  const goldenAngle = Math.PI * (3 - Math.sqrt(5));
  return Array.from({ length: count }, (_, i) => oklch(steps[i % 3], 0.13, 0.6 + i * goldenAngle));
}

const palettes = new Map();

/** One of these colours in CSS. */
export function classColour(label, count, dark) {
  const key = `${count}/${dark}`;
  if (!palettes.has(key)) palettes.clear(), palettes.set(key, classColours(count, dark));
  return rgba(palettes.get(key)[label]);
}

export function rgba([r, g, b], alpha = 1) {
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}
