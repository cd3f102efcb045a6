// What the map knows by heart: where points are drawn, which of them lie inside a line, their colours.
// Pure functions only; places are flat arrays x, y, x, y …, NaN for a point that is nowhere.

/** @typedef {{scale: number, x: number, y: number}} Lens a place p is drawn at x + p · scale */
/** @typedef {{width: number, height: number}} Size */
/** @typedef {{x: number, y: number, width: number, height: number}} Frame in CSS pixels */

const MARGIN = 18;
const CLOSEST = 60; // times the scale at which the whole is seen

/** Show all places in the middle. @param {Float32Array} places @param {Size} size @returns {Lens} */
export function whole(places, { width, height }) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < places.length; at += 2) {
    const [x, y] = [places[at], places[at + 1]];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  if (left > right) return { scale: 1, x: width / 2, y: height / 2 };
  const scale = Math.min((width - 2 * MARGIN) / (right - left || 1), (height - 2 * MARGIN) / (bottom - top || 1));
  return { scale, x: (width - (left + right) * scale) / 2, y: (height - (top + bottom) * scale) / 2 };
}

/** Zoom by a factor; what is under the pointer stays there. @param {Lens} lens @param {number} factor @param {{x: number, y: number}} at @param {Lens} all how the whole is seen @returns {Lens} */
export function closer(lens, factor, at, all) {
  const scale = Math.min(CLOSEST * all.scale, Math.max(all.scale, lens.scale * factor));
  if (scale === all.scale) return all;
  const grown = scale / lens.scale;
  return { scale, x: at.x - (at.x - lens.x) * grown, y: at.y - (at.y - lens.y) * grown };
}

/**
 * Return the points inside a closed line, by the rule of odd crossings.
 * @param {Float32Array} places @param {number[]} line x, y, x, y … @returns {number[]} rows, ascending
 */
export function inside(places, line) {
  const [xs, ys] = [line.filter((_, at) => at % 2 === 0), line.filter((_, at) => at % 2 === 1)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const rows = [];
  for (let row = 0; row < places.length / 2; row++) {
    const [x, y] = [places[2 * row], places[2 * row + 1]];
    if (!(x >= left && x <= right && y >= top && y <= bottom)) continue;
    let odd = false;
    for (let one = 0, other = xs.length - 1; one < xs.length; other = one++) {
      const crosses = ys[one] > y !== ys[other] > y && x < ((xs[other] - xs[one]) * (y - ys[one])) / (ys[other] - ys[one]) + xs[one];
      if (crosses) odd = !odd;
    }
    if (odd) rows.push(row);
  }
  return rows;
}

/** Return the corners of a frame as a line. @param {Frame} frame */
export const around = ({ x, y, width, height }) => [x, y, x + width, y, x + width, y + height, x, y + height];

/** Turn a line on the screen into places. @param {number[]} line @param {Lens} lens */
export const placed = (line, lens) => line.map((value, at) => (value - (at % 2 ? lens.y : lens.x)) / lens.scale);

/** Return the point nearest to where the pointer is, null where none is within reach. @param {Float32Array} places @param {Lens} lens @param {{x: number, y: number}} at @param {number} reach pixels @returns {number | null} */
export function nearest(places, lens, at, reach) {
  let [best, closest] = [-1, reach * reach];
  for (let row = 0; row < places.length / 2; row++) {
    const [x, y] = [places[2 * row] * lens.scale + lens.x - at.x, places[2 * row + 1] * lens.scale + lens.y - at.y];
    const apart = x * x + y * y;
    if (apart <= closest) [best, closest] = [row, apart];
  }
  return best < 0 ? null : best;
}

/** Move or size a frame by a key, and keep it on the stage. @param {Frame} frame @param {string} key @param {boolean} sized @param {Size} stage @returns {Frame} */
export function stepped(frame, key, sized, stage) {
  const step = Math.min(stage.width, stage.height) / 24;
  const [x, y] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[key];
  const width = Math.min(stage.width, Math.max(step, frame.width + (sized ? x : 0)));
  const height = Math.min(stage.height, Math.max(step, frame.height + (sized ? y : 0)));
  /** @param {number} value @param {number} room */
  const within = (value, room) => Math.min(room, Math.max(0, value));
  return { x: within(frame.x + (sized ? 0 : x), stage.width - width), y: within(frame.y + (sized ? 0 : y), stage.height - height), width, height };
}

/** Return the colour of a class: neighbours in number are far apart in hue. @param {number} number @param {boolean} dark */
export const colour = (number, dark) => `oklch(${(dark ? 0.78 : 0.58) - (number % 2) * 0.08} 0.15 ${Math.round(30 + number * 137.508) % 360})`;

/** Return the radius of a point in pixels: many are small. @param {number} count @param {number} zoom */
export const radius = (count, zoom) => Math.min(6, Math.max(1.1, (200 / Math.sqrt(count + 1)) * Math.sqrt(zoom)));

/** Say how many of which classes some points are, most first. @param {number[]} rows @param {Uint16Array} labels @param {string[]} vocab */
export function classesTold(rows, labels, vocab) {
  const counts = new Map();
  for (const row of rows) counts.set(labels[row], (counts.get(labels[row]) ?? 0) + 1);
  const most = [...counts].sort((one, other) => other[1] - one[1]);
  const named = most.slice(0, 3).map(([code, count]) => `${count.toLocaleString("en")} ${vocab[code]}`);
  const rest = most.slice(3).reduce((sum, [, count]) => sum + count, 0);
  return [...named, ...(rest ? [`${rest.toLocaleString("en")} others`] : [])].join(", ");
}
