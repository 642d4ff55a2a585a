// Inflates zlib bytes at once (RFC 1950 and 1951). The browser's own DecompressionStream does it piecemeal, between other
// tasks, and an answer of two thousand bytes would be drawn forty milliseconds later.

const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LONGEST_CODE = 15;

// Distances double every two codes: 1, 2, 3, 4, 5, 7, 9, 13, …
const distanceExtra = (code) => Math.max(0, (code >> 1) - 1);
const distanceBase = (code) => (code < 4 ? code + 1 : ((2 + (code & 1)) << distanceExtra(code)) + 1);

/** A canonical Huffman code from the lengths of its words: how many there are of each length, and symbols in order. */
function huffman(lengths) {
  const counts = new Uint16Array(LONGEST_CODE + 1);
  for (const length of lengths) counts[length]++;
  counts[0] = 0;
  const next = new Uint16Array(LONGEST_CODE + 2);
  for (let length = 1; length <= LONGEST_CODE; length++) next[length + 1] = next[length] + counts[length];
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length) symbols[next[length]++] = symbol;
  });
  return { counts, symbols };
}

const fixedLengths = [[144, 8], [112, 9], [24, 7], [8, 8]].flatMap(([count, length]) => new Array(count).fill(length));

/** The bytes that were deflated. Throws on anything that is not whole. */
export function inflate(packed) {
  let out = new Uint8Array(8 * packed.length + 256);
  let [size, at, held, bits] = [0, 2, 0, 0]; // two bytes of zlib's header come first

  function take(count) {
    while (bits < count) {
      if (at >= packed.length) throw new Error("The packed bytes end too early.");
      held |= packed[at++] << bits;
      bits += 8;
    }
    const value = held & ((1 << count) - 1);
    held >>>= count;
    bits -= count;
    return value;
  }

  function symbol({ counts, symbols }) {
    // Words of one length are consecutive numbers, and the shorter ones come first.
    let [word, first, index] = [0, 0, 0];
    for (let length = 1; length <= LONGEST_CODE; length++) {
      word |= take(1);
      const count = counts[length];
      if (word - first < count) return symbols[index + word - first];
      index += count;
      first = (first + count) << 1;
      word <<= 1;
    }
    throw new Error("The packed bytes are damaged.");
  }

  function room(more) {
    if (size + more <= out.length) return;
    const larger = new Uint8Array(2 * (size + more));
    larger.set(out.subarray(0, size));
    out = larger;
  }

  function dynamicCodes() {
    const [literals, distances, used] = [take(5) + 257, take(5) + 1, take(4) + 4];
    const short = new Array(19).fill(0);
    for (let i = 0; i < used; i++) short[CODE_ORDER[i]] = take(3);
    const code = huffman(short);
    const lengths = [];
    while (lengths.length < literals + distances) {
      const word = symbol(code);
      if (word < 16) lengths.push(word);
      else if (word === 16) lengths.push(...new Array(3 + take(2)).fill(lengths.at(-1)));
      else lengths.push(...new Array(word === 17 ? 3 + take(3) : 11 + take(7)).fill(0));
    }
    return [huffman(lengths.slice(0, literals)), huffman(lengths.slice(literals))];
  }

  function block([literals, distances]) {
    for (;;) {
      const word = symbol(literals);
      if (word === 256) return;
      room(258);
      if (word < 256) {
        out[size++] = word;
        continue;
      }
      const length = LENGTH_BASE[word - 257] + take(LENGTH_EXTRA[word - 257]);
      const code = symbol(distances);
      const back = distanceBase(code) + take(distanceExtra(code));
      if (back > size) throw new Error("The packed bytes are damaged.");
      for (let i = 0; i < length; i++, size++) out[size] = out[size - back]; // it may copy what it has just written
    }
  }

  for (let last = 0; !last; ) {
    last = take(1);
    const kind = take(2);
    if (kind === 0) {
      bits = held = 0; // stored: what is left of the byte is padding
      const length = packed[at] | (packed[at + 1] << 8);
      if (at + 4 + length > packed.length) throw new Error("The packed bytes end too early.");
      room(length);
      out.set(packed.subarray(at + 4, at + 4 + length), size);
      at += 4 + length;
      size += length;
    } else if (kind === 1) block([huffman(fixedLengths), huffman(new Array(30).fill(5))]);
    else if (kind === 2) block(dynamicCodes());
    else throw new Error("The packed bytes are damaged.");
  }
  return out.slice(0, size);
}
