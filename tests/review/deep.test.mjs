import assert from "node:assert/strict";
import test from "node:test";
import { deflateSync } from "node:zlib";

import { bulk, decodeDeep, drawDeep, greys, isDeep } from "../../cleaner/review/static/deep.mjs";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

function chunk(kind, data) {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(kind, 4, "latin1");
  Buffer.from(data).copy(out, 8);
  return out; // nobody here reads the checksum
}

function header(width, height, depth = 16, colour = 0) {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  [data[8], data[9]] = [depth, colour];
  return chunk("IHDR", data);
}

/** Encode rows as the standard says, each with one filter, so that decoding must take it back. */
function png(rows, filters) {
  const stride = 2 * rows[0].length;
  const bytes = rows.map((row) => row.flatMap((value) => [value >> 8, value & 255]));
  const lines = bytes.map((line, y) => {
    const above = y ? bytes[y - 1] : Array(stride).fill(0);
    const encoded = line.map((byte, at) => {
      const [a, b, c] = [line[at - 2] ?? 0, above[at], at < 2 ? 0 : above[at - 2]];
      const p = a + b - c;
      const nearest = [a, b, c].reduce((best, each) => (Math.abs(p - each) < Math.abs(p - best) ? each : best));
      return (byte - [0, a, b, Math.floor((a + b) / 2), nearest][filters[y]]) & 255;
    });
    return [filters[y], ...encoded];
  });
  const packed = deflateSync(Buffer.from(lines.flat()));
  const parts = [chunk("IDAT", packed.subarray(0, 7)), chunk("tEXt", Buffer.from("x")), chunk("IDAT", packed.subarray(7)), chunk("IEND", Buffer.alloc(0))];
  return new Uint8Array(Buffer.concat([Buffer.from(SIGNATURE), header(rows[0].length, rows.length), ...parts]));
}

const ROWS = Array.from({ length: 5 }, (_, y) => Array.from({ length: 6 }, (_, x) => (x * 9001 + y * 4999 + x * y * 777) % 65536));

test("every filter of the format is taken back exactly", async () => {
  const { width, height, values } = await decodeDeep(png(ROWS, [0, 1, 2, 3, 4]));
  assert.deepEqual([width, height], [6, 5]);
  assert.deepEqual([...values], ROWS.flat());
});

test("the range is that of the values", async () => {
  const { low, high } = await decodeDeep(png([[300, 40000], [7, 12]], [4, 4]));
  assert.deepEqual([low, high], [7, 40000]);
});

test("only grey of 16 bits is taken for that", () => {
  const starting = (depth, colour) => new Uint8Array(Buffer.concat([Buffer.from(SIGNATURE), header(1, 1, depth, colour)]));
  assert.ok(isDeep(starting(16, 0)));
  assert.ok(!isDeep(starting(8, 0)));
  assert.ok(!isDeep(starting(16, 2)));
  assert.ok(!isDeep(new Uint8Array([0xff, 0xd8, 0xff])));
});

test("a picture that is cut short is refused", async () => {
  await assert.rejects(decodeDeep(png(ROWS, [0, 0, 0, 0, 0]).subarray(0, 60)));
});

test("a window shows differences that eight bits would lose", () => {
  const deep = { width: 3, height: 1, values: Uint16Array.from([1000, 1040, 1200]), low: 1000, high: 1200 };
  const pixels = new Uint8ClampedArray(12);
  drawDeep(deep, 1000, 1200, pixels);
  assert.deepEqual([...pixels], [0, 0, 0, 255, 51, 51, 51, 255, 255, 255, 255, 255]);
  drawDeep(deep, 0, 65535, pixels);
  assert.equal(pixels[0], pixels[4]); // seen through 8 bits, the first two are the same grey
});

test("what lies outside of the window is black or white", () => {
  const table = greys(100, 200);
  assert.deepEqual([table[0], table[100], table[140], table[200], table[65535]], [0, 0, 102, 255, 255]);
});

test("the bulk leaves out a few extreme values", () => {
  const values = Uint16Array.from({ length: 1000 }, (_, at) => (at < 3 ? 0 : at > 996 ? 65535 : 1000 + at));
  const [low, high] = bulk({ width: 1000, height: 1, values, low: 0, high: 65535 });
  assert.ok(low >= 1000 && high <= 2000, `${low} ${high}`);
});
