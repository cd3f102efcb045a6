// Small pieces of the page: elements, signs, names, pictures, tiles. Texts are never read as HTML.

import { ADVICE, ORIGINS, percent } from "./rules.mjs";

/** @typedef {import("./rules.mjs").Tile} Tile */
/** @typedef {{tile: Tile, image: HTMLImageElement | null}} Shown */

const ICONS = {
  check: "M3 8.5 6.5 12 13 4.5", arrow: "M2.5 8h10M8.5 4l4 4-4 4", cross: "M4 4l8 8M12 4l-8 8",
  question: "M5.2 5.6a2.9 2.9 0 1 1 4.3 2.5c-1 .6-1.5 1.1-1.5 2.2M8 13v.2", list: "M3 4.5h10M3 8h10M3 11.5h6",
  back: "M4 6h6a3 3 0 0 1 0 6.5H6M6.5 3.5 4 6l2.5 2.5", forth: "M12 6H6a3 3 0 0 0 0 6.5h4M9.5 3.5 12 6 9.5 8.5",
  plus: "M8 3v10M3 8h10", minus: "M3 8h10", open: "M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9",
  filter: "M2 3.5h12l-4.6 5.3v4L6.6 14V8.8z",
};

/**
 * Make an element. `children` are elements or texts; texts are never read as HTML.
 * @param {string} tag @param {Record<string, string | boolean>} [attributes] @param {(Node | string)[]} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== false) element.setAttribute(name, String(value));
  // Jupyter looks for this on the very element that has the focus: without it, «d d» there deletes the cell.
  const takesFocus = ["button", "input", "select", "dialog"].includes(tag) || "tabindex" in attributes;
  if (takesFocus) element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.append(...children);
  return element;
}

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Do what can wait once that which was drawn is on the screen. @param {() => void} act */
export const afterPaint = (act) => requestAnimationFrame(() => setTimeout(act));

/** Text for those who hear the page: what others see from where a word stands. @param {string} text */
export const heard = (text) => make("span", { class: "heard" }, text);

/** Isolate a hostile name: its direction must not turn the text around it. @param {string} text @param {string} kind */
export const named = (text, kind) => make("bdi", { class: kind, dir: "auto", title: text }, text);

/** A button that acts without taking the keys away from the grid. @param {string} command @param {string} title @param {(Node | string)[]} children */
export function button(command, title, ...children) {
  return make("button", { type: "button", "data-command": command, title }, ...children);
}

/** A button that shows a sign only. @param {string} command @param {string} sign @param {string} name @param {string} [key] */
export function tool(command, sign, name, key) {
  const made = button(command, key ? `${name} (${key})` : name, icon(sign));
  made.setAttribute("aria-label", name);
  return made;
}

/** Keep a button out of the way of Tab: what it does has a key. @param {HTMLElement} made */
export function byMouse(made) {
  made.tabIndex = -1;
  return made;
}

/** @type {[string, string, string, string, string][]} command, sign, what it does, in a word, key */
const JUDGING = [
  ["fine", "check", "Fine", "fine", "Space"], ["accept", "arrow", "Accept the suggestion", "accept", "Enter"],
  ["pick", "list", "Another class…", "class…", "/"], ["unsure", "question", "Can’t tell", "can’t tell", "U"], ["remove", "cross", "Remove", "remove", "X"],
];

/** The buttons that judge one picture, as signs or with a word each. @returns {HTMLElement[]} */
export function judging({ words = false } = {}) {
  return JUDGING.map(([command, sign, name, word, key]) => {
    const made = byMouse(tool(command, sign, name, key));
    if (!words) return made;
    made.removeAttribute("aria-label"); // it has a word to be called by
    made.append(make("span", {}, word), make("kbd", { "aria-hidden": "true" }, key));
    return made;
  });
}

/** Decode a picture before it is shown; the blob's address is given back at once. @param {Uint8Array} bytes @returns {Promise<HTMLImageElement | null>} */
export async function decoded(bytes) {
  const url = URL.createObjectURL(new Blob([/** @type {any} */ (bytes)]));
  const image = new Image();
  image.alt = "";
  image.draggable = false;
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Take one picture out of a message's buffer and decode it. @template {{bytes: [number, number] | null, sentence: string | null}} T @param {T} tile @param {DataView} pixels */
export async function withImage(tile, pixels) {
  if (tile.bytes === null) return { tile, image: null };
  const [offset, length] = tile.bytes;
  const image = await decoded(new Uint8Array(pixels.buffer, pixels.byteOffset + offset, length));
  return { tile: image ? tile : { ...tile, sentence: "The browser can’t show this picture." }, image };
}

/** Copy a decoded picture: a second element of its address would find the blob gone. @param {HTMLImageElement} image */
export function copyOf(image) {
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { width: String(image.naturalWidth), height: String(image.naturalHeight) }));
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas;
}

/** A picture, or the sentence in its place. @param {{tile: {sentence: string | null}, image: HTMLElement | null}} shown */
export const pictureOf = ({ tile, image }) => image ?? make("p", { class: "sentence", dir: "auto" }, tile.sentence ?? "");

/** Say what the model makes of a picture, another class or the same, or else what to do with a copy. @param {Tile} tile */
export function modelLine(tile) {
  if (tile.suggested === null && tile.advice) return [icon(tile.advice === "keep" ? "check" : "cross"), heard("; suggested: "), make("span", { class: "suggested" }, ADVICE[tile.advice])];
  return tile.suggested === null ? [make("span", { class: "agrees" }, tile.confidence === null ? "no suggestion" : "model agrees")]
    : [icon("arrow"), heard("; the model suggests "), named(tile.suggested, "suggested")];
}

/** Chips with what a check has found of a picture; no line where that is nothing. @param {Tile} tile */
export const chipsOf = (tile) => (tile.issues.length ? [make("div", { class: "line issues" }, heard("; "), ...tile.issues.map((kind) => named(kind, "issue")))] : []);

/** Draw one tile, without its verdict. @param {Shown} shown @param {number} at @param {number} row @param {string} prefix */
export function drawTile({ tile, image }, at, row, prefix) {
  const photo = make("div", { class: "photo" }, pictureOf({ tile, image }), make("div", { class: "badge" }), make("span", { class: "secret heard" }, "label hidden"));
  const origin = tile.origin ? [make("span", { class: "origin", title: ORIGINS[tile.origin] ?? "" }, tile.origin)] : [];
  const caption = make("div", { class: "caption" },
    make("div", { class: "line" }, heard("; "), named(tile.given, "given")),
    make("div", { class: "line model" }, ...modelLine(tile)),
    make("div", { class: "line facts" }, heard("; "), make("span", { title: tile.reasons.join("; ") }, percent(tile.confidence)), ...origin), ...chipsOf(tile), heard(`; ${tile.id}`));
  const cell = make("div", { role: "gridcell", id: `${prefix}-${at}`, class: "cell" }, photo, caption);
  return make("div", { role: "row", "aria-rowindex": String(row + 1), class: "tile", "data-at": String(at) }, cell);
}
