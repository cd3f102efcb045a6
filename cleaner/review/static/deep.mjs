// Reads grey pictures of 16 bits whole, which a browser would cut to 8, and draws them through a window.
// Format: PNG (ISO/IEC 15948); only what Python sends: grey, 16 bits, not interlaced.

/** @typedef {{width: number, height: number, values: Uint16Array, low: number, high: number}} Deep low and high are the least and the greatest value */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/** @param {Uint8Array} bytes */
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Say whether these bytes are a grey PNG of 16 bits. @param {Uint8Array} bytes */
export function isDeep(bytes) {
  const [depth, colour, interlaced] = [bytes[24], bytes[25], bytes[28]];
  return SIGNATURE.every((byte, at) => bytes[at] === byte) && depth === 16 && colour === 0 && interlaced === 0;
}

/** Decode a grey PNG of 16 bits. @param {Uint8Array} bytes @returns {Promise<Deep>} */
export async function decodeDeep(bytes) {
  const [width, height] = [view(bytes).getUint32(16), view(bytes).getUint32(20)];
  const packed = new Blob(imageData(bytes)).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(packed).arrayBuffer());
  if (rows.length !== height * (2 * width + 1)) throw new Error("the picture is cut short");
  const values = unfiltered(rows, width, height);
  const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [65535, 0]);
  return { width, height, values, low, high };
}

/** Collect the compressed parts of the picture. @param {Uint8Array} bytes */
function imageData(bytes) {
  const parts = [];
  for (let at = 8; at + 8 <= bytes.length;) {
    const length = view(bytes).getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return parts;
}

/** Take back the filter of each row (PNG, section 9) and join bytes to values. @param {Uint8Array} rows @param {number} width @param {number} height */
function unfiltered(rows, width, height) {
  const stride = 2 * width;
  const values = new Uint16Array(width * height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    const row = rows.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    for (let at = 0; at < stride; at++) {
      const left = at < 2 ? 0 : row[at - 2];
      const corner = at < 2 ? 0 : above[at - 2];
      row[at] += predicted(filter, left, above[at], corner);
    }
    for (let x = 0; x < width; x++) values[y * width + x] = (row[2 * x] << 8) | row[2 * x + 1];
    above = row;
  }
  return values;
}

/** @param {number} filter @param {number} left @param {number} above @param {number} corner */
function predicted(filter, left, above, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  const [byLeft, byAbove, byCorner] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  if (byLeft <= byAbove && byLeft <= byCorner) return left;
  return byAbove <= byCorner ? above : corner;
}

/** Return the values between which all but a hundredth at each end lie. @param {Deep} deep @returns {[number, number]} */
export function bulk({ values }) {
  const counts = new Uint32Array(65536);
  for (const value of values) counts[value]++;
  /** @param {number} share */
  const at = (share) => {
    let [seen, value] = [0, -1];
    while (seen <= share * values.length && value < 65535) seen += counts[++value];
    return value;
  };
  const low = at(0.01);
  return [low, Math.max(low + 1, at(0.99))];
}

/** Map every value to a grey from black at `low` to white at `high`. @param {number} low @param {number} high */
export function greys(low, high) {
  const scale = 255 / Math.max(1, high - low);
  return Uint8ClampedArray.from({ length: 65536 }, (_, value) => (value - low) * scale);
}

/** Fill RGBA pixels with the picture as seen through a window. @param {Deep} deep @param {number} low @param {number} high @param {Uint8ClampedArray} pixels */
export function drawDeep({ values }, low, high, pixels) {
  const table = greys(low, high);
  const words = new Uint32Array(pixels.buffer, pixels.byteOffset, values.length);
  for (let at = 0; at < values.length; at++) words[at] = 0xff000000 | (table[values[at]] * 0x010101);
}
