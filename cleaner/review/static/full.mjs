// One picture in full size: zoom, pan, and a window on 16-bit greys. It judges nothing; keys go to the grid.

import { fitted, percent, settled, told, VERDICTS, zoomed } from "./rules.mjs";
import { bulk, decodeDeep, drawDeep, isDeep } from "./deep.mjs";
import { byMouse, copyOf, decoded, icon, judging, make, modelLine, named, tool } from "./pieces.mjs";
import { Strip } from "./evidence.mjs";

/** @typedef {import("./rules.mjs").Tile} Tile */
/** @typedef {import("./rules.mjs").Verdict} Verdict */
/** @typedef {import("./pieces.mjs").Shown} Shown */
/** @typedef {import("./deep.mjs").Deep} Deep */
/** @typedef {{element: HTMLImageElement | HTMLCanvasElement, width: number, height: number, deep: Deep | null, drawn?: ImageData}} Picture */

const STEP = 1.4; // one press of a zoom key
const KEPT = 4; // pictures in full size that are kept decoded

/** Turn what Python sent into something to show. @param {{buffers: DataView[]}} answer @returns {Promise<Picture>} */
export async function pictureIn({ buffers: [data] }) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (isDeep(bytes)) {
    const deep = await decodeDeep(bytes);
    const element = /** @type {HTMLCanvasElement} */ (make("canvas", { width: String(deep.width), height: String(deep.height) }));
    return { element, width: deep.width, height: deep.height, deep };
  }
  const element = await decoded(bytes);
  if (element === null) throw new Error("The browser can’t show this picture.");
  return { element, width: element.naturalWidth, height: element.naturalHeight, deep: null };
}

/** A window over the whole page. */
export class FullView {
  /** @param {{picture: (id: string) => Promise<Picture>, closed: () => void}} grid */
  constructor(grid) {
    this.grid = grid;
    this.strip = new Strip({ withModel: true });
    /** @type {Map<string, Promise<Picture>>} */ this.pictures = new Map();
    /** @type {Shown | null} */ this.shown = null;
    /** @type {Picture | null} */ this.picture = null;
    this.zoom = { scale: 1, x: 0, y: 0 };
    this.build();
  }

  build() {
    this.stage = make("div", { class: "stage", tabindex: "0", role: "img" });
    this.label = make("p", { class: "line" });
    this.file = make("p", { class: "file" });
    this.verdict = make("p", { class: "verdict", role: "status" });
    this.note = make("p", { class: "told", role: "status", hidden: true });
    this.others = make("p", { class: "others" });
    this.scale = make("span", { class: "scale" });
    const zooming = make("div", { class: "buttons" }, byMouse(tool("smaller", "minus", "Zoom out", "−")), this.scale, byMouse(tool("bigger", "plus", "Zoom in", "+")));
    const turning = make("div", { class: "buttons" }, make("button", { type: "button", "data-command": "left", title: "←" }, "Previous picture"),
      make("button", { type: "button", "data-command": "right", title: "→" }, "Next picture"));
    const side = make("div", { class: "side" }, make("div", { class: "top" }, this.label, tool("leave", "cross", "Close", "Esc")), this.file, this.verdict,
      make("div", { class: "buttons" }, ...judging({ words: true })), this.others, this.note, this.strip.element, this.buildWindow(), zooming, turning);
    this.dialog = /** @type {HTMLDialogElement} */ (make("dialog", { class: "full", "aria-label": "Full size" }, this.stage, side));
  }

  buildWindow() {
    const range = () => /** @type {HTMLInputElement} */ (make("input", { type: "range", min: "1", step: "any" }));
    [this.width, this.level] = [range(), range()];
    const auto = make("button", { type: "button", title: "Leave out one hundredth at each end" }, "Auto");
    const whole = make("button", { type: "button", title: "From the darkest to the brightest value" }, "Whole range");
    this.says = make("p", { class: "values" });
    auto.addEventListener("click", () => this.look(...bulk(this.picture.deep)));
    whole.addEventListener("click", () => this.look(this.picture.deep.low, this.picture.deep.high));
    for (const input of [this.width, this.level]) input.addEventListener("input", () => this.lookThrough(Number(this.width.value), Number(this.level.value)));
    return this.window = make("fieldset", { class: "window", hidden: true }, make("legend", {}, "16-bit values"),
      make("label", {}, "Window", this.width), make("label", {}, "Level", this.level), this.says, make("div", { class: "buttons" }, auto, whole));
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    /** @param {string} type @param {(event: any) => void} act */
    const on = (type, act) => this.stage.addEventListener(type, act, { signal, passive: false });
    on("wheel", (event) => this.onWheel(event));
    on("pointerdown", (event) => this.onPress(event));
    on("pointermove", (event) => this.onDrag(event));
    on("pointerup", () => { this.drag = null; });
    on("dblclick", (event) => this.onDouble(event));
    this.dialog.addEventListener("close", () => this.onClose(), { signal });
    this.sized = new ResizeObserver(() => this.picture && this.fit());
    this.sized.observe(this.stage);
    signal.addEventListener("abort", () => this.sized.disconnect());
  }

  get isOpen() { return this.dialog.open; }

  open() {
    this.dialog.showModal();
    this.stage.focus();
  }

  close() { this.dialog.close(); }

  onClose() {
    this.pictures.clear();
    this.shown = this.picture = this.drag = null;
    this.stage.replaceChildren();
    this.grid.closed();
  }

  // What is shown.

  /**
   * Show a picture: at once as it is on its tile, then in full size.
   * @param {Shown} shown @param {{verdict: Verdict | null, pending: boolean, hidden: boolean, next: string | null}} now
   */
  async show(shown, { verdict, pending, hidden, next }) {
    this.describe(shown.tile, verdict, pending, hidden);
    if (this.shown === shown) return;
    this.shown = shown;
    this.placeholder(shown);
    try {
      const picture = await this.fetch(shown.tile.id);
      if (this.shown === shown) this.place(picture);
      if (this.shown === shown && next !== null) this.fetch(next).catch(() => {}); // asked again when turned to
    } catch (error) {
      if (this.shown === shown) this.stage.append(make("p", { class: "sentence", role: "alert" }, /** @type {Error} */ (error).message));
    }
  }

  /** @param {string} id */
  fetch(id) {
    const known = this.pictures.get(id);
    if (known) return known;
    const picture = this.grid.picture(id);
    picture.catch(() => this.pictures.delete(id));
    this.pictures.set(id, picture);
    if (this.pictures.size > KEPT) this.pictures.delete(this.pictures.keys().next().value);
    return picture;
  }

  /** @param {Shown} shown */
  placeholder({ image }) {
    this.window.hidden = true;
    this.picture = null;
    this.scale.textContent = "…";
    this.stage.replaceChildren();
    if (!image) return;
    this.place({ element: copyOf(image), width: image.naturalWidth, height: image.naturalHeight, deep: null });
    this.scale.textContent = "loading…";
  }

  /** @param {Picture} picture */
  place(picture) {
    this.picture = picture;
    this.stage.replaceChildren(picture.element);
    this.window.hidden = picture.deep === null;
    if (picture.deep) this.spanWindow(picture.deep);
    this.fit();
  }

  /** Let the sliders reach over the values that a picture has, and begin with all of them. @param {Deep} deep */
  spanWindow({ low, high }) {
    this.width.max = String(Math.max(1, high - low));
    [this.level.min, this.level.max] = [String(low), String(high)];
    this.look(low, high);
  }

  /** @param {Tile} tile @param {Verdict | null} verdict @param {boolean} pending @param {boolean} hidden */
  describe(tile, verdict, pending, hidden) {
    const model = [named(tile.given, "given"), ...modelLine(tile), percent(tile.confidence)];
    this.label.replaceChildren(...(hidden ? ["The label is hidden."] : model));
    this.file.replaceChildren(...(hidden ? [] : [named(tile.id, "name")]));
    const others = tile.suggestions.slice(1).map(([name, p], at) => make("span", {}, make("kbd", {}, `Shift+${at + 2}`), named(name, "class"), percent(p)));
    this.others.replaceChildren(...(hidden ? [] : others));
    this.stage.setAttribute("aria-label", hidden ? "The picture" : `The picture ${tile.id}`);
    this.verdict.dataset.verdict = verdict?.action ?? "";
    this.verdict.replaceChildren(...(verdict ? [icon(VERDICTS[verdict.action].icon), named(told(verdict), "word"), pending ? "saving…" : ""] : ["no verdict yet"]));
  }

  // Zoom and pan.

  get room() { return { width: this.stage.clientWidth, height: this.stage.clientHeight }; }

  fit() { this.move(fitted(this.picture, this.room)); }

  /** @param {import("./rules.mjs").Zoom} zoom */
  move(zoom) {
    this.zoom = zoom;
    const { element } = this.picture;
    element.style.transform = `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.scale})`;
    element.classList.toggle("coarse", zoom.scale >= 3);
    this.scale.textContent = `${Math.round(zoom.scale * 100)}%`;
  }

  /** @param {number} factor @param {{x: number, y: number}} [at] */
  zoomBy(factor, at = { x: this.room.width / 2, y: this.room.height / 2 }) {
    if (this.picture) this.move(zoomed(this.zoom, factor, at, this.picture, this.room));
  }

  /** @param {1 | -1} step */
  zoomStep(step) { this.zoomBy(STEP ** step); }

  /** @param {MouseEvent} event */
  at(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  /** @param {WheelEvent} event */
  onWheel(event) {
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 30 : event.deltaY;
    this.zoomBy(Math.exp(-pixels / 400), this.at(event));
  }

  /** @param {MouseEvent} event */
  onDouble(event) {
    if (!this.picture) return;
    const whole = fitted(this.picture, this.room).scale;
    const isWhole = Math.abs(this.zoom.scale / whole - 1) < 0.01;
    if (isWhole) this.zoomBy((whole < 1 ? 1 : 4 * whole) / whole, this.at(event));
    else this.fit();
  }

  /** @param {PointerEvent} event */
  onPress(event) {
    if (event.button !== 0 || !this.picture) return;
    event.preventDefault();
    this.stage.focus();
    this.stage.setPointerCapture(event.pointerId);
    this.drag = { x: event.clientX, y: event.clientY, zoom: this.zoom, width: Number(this.width.value), level: Number(this.level.value) };
  }

  /** Drag the picture; with Shift, the window on its values: across its width, up and down its level. @param {PointerEvent} event */
  onDrag(event) {
    if (!this.drag || !this.picture) return;
    const [x, y] = [event.clientX - this.drag.x, event.clientY - this.drag.y];
    if (!event.shiftKey || !this.picture.deep) return this.move(settled({ ...this.drag.zoom, x: this.drag.zoom.x + x, y: this.drag.zoom.y + y }, this.picture, this.room));
    const unit = (this.picture.deep.high - this.picture.deep.low) / 500;
    this.lookThrough(this.drag.width + x * unit, this.drag.level + y * unit);
  }

  // The window on 16-bit values.

  /** @param {number} width @param {number} level */
  lookThrough(width, level) { this.look(level - width / 2, level + width / 2); }

  /** Draw black at `low` and white at `high`. @param {number} low @param {number} high */
  look(low, high) {
    const { deep, element } = this.picture;
    const context = /** @type {HTMLCanvasElement} */ (element).getContext("2d");
    this.picture.drawn ??= context.createImageData(deep.width, deep.height);
    drawDeep(deep, low, high, this.picture.drawn.data);
    context.putImageData(this.picture.drawn, 0, 0);
    this.width.value = String(Math.max(1, high - low));
    this.level.value = String((low + high) / 2);
    this.says.textContent = `black ${Math.round(low).toLocaleString("en")}, white ${Math.round(high).toLocaleString("en")}; the picture has ${deep.low.toLocaleString("en")} to ${deep.high.toLocaleString("en")}`;
  }
}
