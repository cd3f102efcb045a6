// The map in the browser: draws points, lets a person draw a line around some, tells Python which.
// It decides nothing. Names and labels are hostile: text goes through textContent only.

import { around, classesTold, closer, colour, inside, nearest, placed, radius, stepped, whole } from "./plane.mjs";
import { counted } from "./rules.mjs";
import { button, decoded, make, named, tool } from "./pieces.mjs";
import { Wire } from "./wire.mjs";

/** @typedef {import("./plane.mjs").Lens} Lens */
/** @typedef {import("./plane.mjs").Frame} Frame */
/** @typedef {{places: Float32Array, labels: Uint16Array, doubted: Uint8Array, verdicts: Uint8Array, picked: Uint8Array}} Points */
/** @typedef {{id: string, reasons: string[], sentence: string | null, image: HTMLImageElement | null}} Look */

const REACH = 12; // pixels from the pointer to a point
const LINGER = 50; // milliseconds on a point before its picture is asked for
const KEPT = 300; // pictures
const APART = 3; // pixels between two corners of a line
const CHIPS = 24; // classes shown beneath the map
const [PLAIN, DOUBTED, FINE, RELABELLED, REMOVED, UNSURE] = [0, 1, 2, 3, 4, 5];
const ORDER = [PLAIN, FINE, UNSURE, RELABELLED, REMOVED, DOUBTED]; // the last lie on top
const SIGNS = [["●", "not decided"], ["◉", "doubted most"], ["○", "fine"], ["◆", "relabelled"], ["×", "removed"], ["△", "can’t tell"]];

let views = 0;

/** One view of the map. */
class MapView {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.prefix = `cleaner-map-${++views}`;
    this.wire = new Wire(model, () => this.drawNote());
    /** @type {Points | null} */ this.points = null;
    /** @type {string[]} */ this.vocab = [];
    this.epoch = 0;
    this.layout = "";
    this.wanted = "neighbourhoods";
    this.tool = "lasso";
    /** @type {Lens} */ this.all = { scale: 1, x: 0, y: 0 };
    /** @type {Lens} */ this.lens = this.all;
    /** @type {number | null} a class that stands out */ this.lit = null;
    /** @type {number[] | null} the line being drawn */ this.line = null;
    /** @type {Frame | null} moved by keys */ this.frame = null;
    /** @type {number | null} */ this.over = null;
    /** @type {Map<number, Promise<Look>>} */ this.looks = new Map();
    this.trouble = "";
    this.hint = "";
    this.listeners = new AbortController();
    this.build(el);
    this.listen();
    this.follow();
  }

  // What is on the page.

  /** @param {HTMLElement} el */
  build(el) {
    this.base = /** @type {HTMLCanvasElement} */ (make("canvas"));
    this.top = /** @type {HTMLCanvasElement} */ (make("canvas"));
    this.tip = make("div", { class: "tip", hidden: true });
    this.stage = make("div", { class: "stage", tabindex: "0", role: "application", "aria-label": "Map of all pictures", "aria-describedby": `${this.prefix}-keys` }, this.base, this.top, this.tip);
    this.keys = make("p", { class: "keys", id: `${this.prefix}-keys` }, "Draw around points, or click one: the grid shows just these. By keyboard: arrows move a frame, with Shift they size it, Enter shows what is in it, Esc ends it.");
    this.note = make("p", { class: "note", role: "status" });
    this.classes = make("div", { class: "classes", role: "group", "aria-label": "Classes" });
    this.highlight = /** @type {HTMLSelectElement} */ (make("select", { "aria-label": "Class that stands out" }));
    const toggle = (command, title, text) => button(command, title, text);
    this.bar = make("div", { class: "bar", role: "toolbar", "aria-label": "Map" },
      make("span", { class: "group" }, toggle("lasso", "Draw a line around points", "Lasso"), toggle("box", "Draw a box around points", "Box"), toggle("move", "Drag the map", "Move")),
      make("span", { class: "group" }, tool("out", "minus", "Zoom out", "−"), tool("in", "plus", "Zoom in", "+"), button("whole", "Show the whole map (0)", "Whole")),
      make("span", { class: "group" }, toggle("overview", "Where they differ most, at once", "Overview"), toggle("neighbourhoods", "Like beside like: takes up to a minute, once", "Neighbourhoods")),
      this.highlight);
    const signs = make("p", { class: "signs" }, ...SIGNS.map(([sign, word]) => make("span", {}, make("b", { "aria-hidden": "true" }, sign), word)));
    this.root = make("section", { class: "cleaner-map", "aria-label": "Map" }, this.bar, this.note, this.stage, this.classes, signs, this.keys);
    el.append(this.root);
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.stage);
    this.themed = new MutationObserver(() => this.draw());
    this.themed.observe(document.body, { attributes: true });
  }

  listen() {
    const { signal } = this.listeners;
    /** @param {EventTarget} target @param {string} type @param {(event: any) => void} act */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(this.root, "click", (event) => this.onClick(event));
    on(this.root, "keydown", (event) => this.onKey(event));
    on(this.highlight, "change", () => this.light(this.highlight.value === "" ? null : Number(this.highlight.value)));
    on(this.stage, "pointerdown", (event) => this.onDown(event));
    on(this.stage, "pointermove", (event) => this.onMove(event));
    on(this.stage, "pointerup", (event) => this.onUp(event));
    on(this.stage, "pointercancel", () => this.leaveLine());
    on(this.stage, "pointerleave", () => this.point(null));
    on(this.stage, "wheel", (event) => this.onWheel(event));
    on(this.stage, "blur", () => this.frame && this.setFrame(null));
    this.heard = { "change:state": () => this.follow(), "change:work": () => this.drawNote(), "msg:custom": (message, buffers) => this.onMessage(message, buffers) };
    for (const [event, act] of Object.entries(this.heard)) this.model.on(event, act);
  }

  close() {
    this.listeners.abort();
    this.sized.disconnect();
    this.themed.disconnect();
    this.wire.close();
    clearTimeout(this.lingering);
    for (const [event, act] of Object.entries(this.heard)) this.model.off(event, act);
  }

  // Talking to Python.

  /** Fetch the points where there are others, or better places for them and nobody has chosen any. */
  follow() {
    const { epoch, layouts } = this.model.get("state");
    const layout = layouts.includes(this.wanted) ? this.wanted : layouts[0];
    const busy = this.layout !== "" && (this.line !== null || this.frame !== null || this.points?.picked.includes(1));
    if (epoch !== this.epoch || (layout !== this.layout && !busy)) this.fetch(layout);
    this.drawBar();
    this.drawNote();
  }

  /** @param {string} layout */
  async fetch(layout) {
    try {
      const { message, buffers } = await this.wire.ask("points", { layout });
      if (message.epoch !== this.model.get("state").epoch) return;
      const [places, labels, doubted, verdicts, picked] = buffers.map(bytesOf);
      const others = message.epoch !== this.epoch;
      this.points = { places: new Float32Array(places.buffer), labels: new Uint16Array(labels.buffer), doubted, verdicts, picked };
      [this.epoch, this.layout, this.vocab] = [message.epoch, layout, message.vocab];
      if (others) { this.looks.clear(); this.lit = null; }
      this.stage.dataset.layout = layout;
      this.arrange();
      this.fit();
      this.drawClasses();
      this.drawBar();
      this.drawNote();
    } catch (error) {
      this.complain(error);
    }
  }

  /** Order the points by class, so that each colour is set once. */
  arrange() {
    const { labels } = this.points;
    this.order = Uint32Array.from(labels.keys()).sort((one, other) => labels[one] - labels[other] || one - other);
  }

  /** @param {any} message @param {DataView[]} buffers */
  onMessage(message, buffers) {
    if (this.points && message.kind === "marks") this.mark(message, buffers);
    if (this.points && message.kind === "picked") this.setPicked(bytesOf(buffers[0]));
    this.wire.receive(message, buffers);
  }

  /** @param {any} message @param {DataView[]} buffers */
  mark({ vocab }, buffers) {
    const [bytes, codes, verdicts] = buffers.map(bytesOf);
    const [rows, labels] = [new Uint32Array(bytes.buffer), new Uint16Array(codes.buffer)];
    for (const [at, row] of rows.entries()) [this.points.labels[row], this.points.verdicts[row]] = [labels[at], verdicts[at]];
    if (vocab.length !== this.vocab.length) { this.vocab = vocab; }
    this.arrange();
    this.drawClasses();
    this.draw();
  }

  /** Show some points in the grid; none: all again. @param {number[]} rows */
  async choose(rows) {
    this.trouble = "";
    const picked = new Uint8Array(this.points.picked.length);
    for (const row of rows) picked[row] = 1;
    const answer = this.wire.ask("choose", { rows }); // before it is drawn: the grid begins meanwhile
    this.setPicked(picked);
    try {
      await answer;
    } catch (error) {
      this.complain(error);
    }
  }

  /** @param {Uint8Array} picked */
  setPicked(picked) {
    this.points.picked = picked;
    this.hint = "";
    this.drawNote();
    this.draw();
    if (!picked.includes(1)) this.follow();
  }

  /** @param {unknown} error */
  complain(error) {
    this.trouble = /** @type {Error} */ (error).message;
    this.drawNote();
  }

  // What a person does.

  /** @param {MouseEvent} event */
  onClick(event) {
    const made = /** @type {Element} */ (event.target).closest("[data-command]");
    if (made) this.act(made.getAttribute("data-command"));
  }

  /** @param {string} command */
  act(command) {
    const [word, rest] = command.split(" ");
    const middle = { x: this.stage.clientWidth / 2, y: this.stage.clientHeight / 2 };
    const commands = {
      in: () => this.zoom(1.5, middle), out: () => this.zoom(1 / 1.5, middle), whole: () => this.fit(), light: () => this.light(this.lit === Number(rest) ? null : Number(rest)),
      all: () => this.choose([]), class: () => this.choose(this.rowsOf(this.lit)), stop: () => this.tell("stop"),
      overview: () => this.want("overview"), neighbourhoods: () => this.want("neighbourhoods"),
    };
    if (Object.hasOwn(commands, word)) commands[word]();
    else { this.tool = word; this.drawBar(); }
  }

  /** @param {string} kind */
  tell(kind) { this.wire.ask(kind, {}).catch((error) => this.complain(error)); }

  /** @param {string} layout */
  want(layout) {
    this.wanted = layout;
    const { layouts } = this.model.get("state");
    if (!layouts.includes(layout)) this.tell("arrange");
    else if (layout !== this.layout) this.fetch(layout);
    this.drawBar();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onStage = event.target === this.stage;
    const zooms = { "+": "in", "=": "in", "-": "out", 0: "whole" };
    if (event.key.startsWith("Arrow") && onStage) this.setFrame(stepped(this.frame ?? this.middle(), event.key, event.shiftKey, this.size));
    else if (event.key === "Enter" && onStage && this.frame) this.take(around(this.frame), event.shiftKey);
    else if (event.key === "Escape") { if (!this.leave()) return; }
    else if (Object.hasOwn(zooms, event.key) && event.target !== this.highlight) this.act(zooms[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** End what is begun or chosen; return whether there was anything. */
  leave() {
    if (this.line) this.leaveLine();
    else if (this.frame) this.setFrame(null);
    else if (this.points?.picked.includes(1)) this.choose([]);
    else return false;
    return true;
  }

  get size() { return { width: this.stage.clientWidth, height: this.stage.clientHeight }; }

  /** @returns {Frame} */
  middle() {
    const { width, height } = this.size;
    return { x: width * 0.4, y: height * 0.4, width: width / 5, height: height / 5 };
  }

  /** @param {Frame | null} frame */
  setFrame(frame) {
    this.frame = frame;
    this.point(null);
    const rows = frame ? inside(this.points.places, placed(around(frame), this.lens)) : [];
    this.hint = frame ? `${counted(rows.length, "picture")} in the frame${rows.length ? `: ${classesTold(rows, this.points.labels, this.vocab)}` : ""}. Enter shows them.` : "";
    this.drawNote();
    this.drawTop();
  }

  /** Choose what lies inside a line on the screen. @param {number[]} line @param {boolean} more than what is chosen already */
  take(line, more) {
    const rows = inside(this.points.places, placed(line, this.lens));
    const before = more ? this.rowsPicked() : [];
    this.frame = this.line = null;
    this.drawTop();
    if (rows.length + before.length) this.choose([...new Set([...before, ...rows])]);
    else this.complain(new Error("There is no picture in there."));
  }

  rowsPicked() { return [...this.points.picked.keys()].filter((row) => this.points.picked[row]); }

  /** @param {number} code */
  rowsOf(code) { return [...this.points.labels.keys()].filter((row) => this.points.labels[row] === code); }

  /** @param {PointerEvent} event */
  where(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    if (event.button !== 0 || !this.points) return;
    event.preventDefault();
    this.stage.focus({ preventScroll: true });
    this.stage.setPointerCapture(event.pointerId);
    const { x, y } = this.where(event);
    this.line = [x, y];
    this.held = { x, y, lens: this.lens };
    this.frame = null;
    this.point(null);
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    const { x, y } = this.where(event);
    if (!this.points) return;
    if (!this.line) return this.point(nearest(this.points.places, this.lens, { x, y }, REACH));
    if (this.tool === "move") {
      this.lens = { ...this.held.lens, x: this.held.lens.x + x - this.held.x, y: this.held.lens.y + y - this.held.y };
      return this.draw();
    }
    if (this.tool === "box") this.line = around({ x: this.held.x, y: this.held.y, width: x - this.held.x, height: y - this.held.y });
    else if (Math.hypot(x - this.line.at(-2), y - this.line.at(-1)) >= APART) this.line.push(x, y);
    this.drawTop();
  }

  /** @param {PointerEvent} event */
  onUp(event) {
    if (!this.line) return;
    const [{ x, y }, line, { lens }] = [this.where(event), this.line, this.held];
    const still = Math.hypot(x - this.held.x, y - this.held.y) < APART && line.length <= 8;
    this.leaveLine();
    if (still) {
      const row = nearest(this.points.places, this.lens, { x, y }, REACH);
      if (row !== null) this.choose([...new Set([...(event.shiftKey ? this.rowsPicked() : []), row])]);
      else if (this.points.picked.includes(1)) this.choose([]);
    } else if (this.tool !== "move") this.take(line, event.shiftKey);
    else if (lens === this.lens) this.draw();
  }

  leaveLine() {
    this.line = null;
    this.drawTop();
  }

  /** The wheel alone scrolls the page. @param {WheelEvent} event */
  onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1.25 : 0.8, this.where(/** @type {any} */ (event)));
  }

  /** @param {number} factor @param {{x: number, y: number}} at */
  zoom(factor, at) {
    this.lens = closer(this.lens, factor, at, this.all);
    this.frame = null;
    this.draw();
  }

  /** @param {number | null} code */
  light(code) {
    this.lit = code;
    this.hint = "";
    this.drawClasses();
    this.drawNote();
    this.draw();
  }

  // The picture of the point under the mouse.

  /** @param {number | null} row */
  point(row) {
    if (row === this.over) return;
    this.over = row;
    this.tip.hidden = true;
    this.drawTop();
    clearTimeout(this.lingering);
    if (row !== null) this.lingering = setTimeout(() => this.showTip(row), LINGER);
  }

  /** @param {number} row */
  async showTip(row) {
    try {
      const { id, reasons, sentence, image } = await this.lookAt(row);
      if (this.over !== row) return;
      const label = named(this.vocab[this.points.labels[row]] ?? "", "class");
      const verdict = SIGNS[this.kindOf(row)][1];
      this.tip.replaceChildren(image ?? make("p", { dir: "auto" }, sentence ?? "This picture can’t be shown."), make("p", {}, label, make("span", { class: "soft" }, ` · ${verdict}`)), ...reasons.map((reason) => make("p", { class: "soft", dir: "auto" }, reason)), make("p", { class: "soft file", dir: "auto" }, id));
      this.tip.hidden = false;
      const { x, y } = this.onScreen(row);
      const [width, height] = [this.tip.offsetWidth, this.tip.offsetHeight];
      this.tip.style.left = `${Math.max(4, x + 14 + width > this.size.width ? x - width - 14 : x + 14)}px`;
      this.tip.style.top = `${Math.max(4, Math.min(y - height / 2, this.size.height - height - 4))}px`;
    } catch (error) {
      this.complain(error);
    }
  }

  /** @param {number} row @returns {Promise<Look>} */
  lookAt(row) {
    const known = this.looks.get(row);
    if (known) return known;
    const look = this.wire.ask("look", { row }).then(async ({ message, buffers }) => ({ ...message, image: message.sentence === null ? await decoded(bytesOf(buffers[0])) : null }));
    look.catch(() => this.looks.delete(row));
    this.looks.set(row, look);
    if (this.looks.size > KEPT) this.looks.delete(this.looks.keys().next().value);
    return look;
  }

  /** @param {number} row */
  onScreen(row) {
    const { places } = this.points;
    return { x: places[2 * row] * this.lens.scale + this.lens.x, y: places[2 * row + 1] * this.lens.scale + this.lens.y };
  }

  // Drawing.

  resize() {
    const { width, height } = this.size;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.base, this.top]) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    this.fit();
  }

  fit() {
    if (!this.points || !this.size.width) return;
    this.all = this.lens = whole(this.points.places, this.size);
    this.frame = null;
    this.draw();
  }

  get isDark() {
    const scheme = getComputedStyle(this.root).colorScheme;
    return scheme === "dark" || (scheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  }

  /** @param {HTMLCanvasElement} canvas */
  cleared(canvas) {
    const [context, ratio] = [canvas.getContext("2d"), window.devicePixelRatio || 1];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    return context;
  }

  /** Say which sign a point has. @param {number} row */
  kindOf(row) {
    const verdict = this.points.verdicts[row];
    return verdict ? verdict + 1 : this.points.doubted[row] ? DOUBTED : PLAIN;
  }

  draw() {
    if (!this.points || !this.base.width) return;
    const context = this.cleared(this.base);
    const { places, labels, picked } = this.points;
    const [dark, some, size] = [this.isDark, picked.includes(1), radius(labels.length, this.lens.scale / this.all.scale)];
    const ink = getComputedStyle(this.stage).color;
    const kinds = new Uint8Array(labels.length);
    for (let row = 0; row < kinds.length; row++) kinds[row] = this.kindOf(row) + ((some && !picked[row]) || (this.lit !== null && labels[row] !== this.lit) ? 8 : 0);
    const there = new Set(kinds);
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.size; // read once: the browser measures each time
    for (const kind of [...ORDER.map((each) => each + 8), ...ORDER].filter((each) => there.has(each))) {
      context.globalAlpha = kind >= 8 ? 0.13 : kind === PLAIN ? 0.75 : 1;
      let [code, stamp, reach] = [-1, null, 0];
      for (const row of this.order) {
        if (kinds[row] !== kind) continue;
        const [x, y] = [places[2 * row] * this.lens.scale + this.lens.x, places[2 * row + 1] * this.lens.scale + this.lens.y];
        if (!(x > -9 && y > -9 && x < width + 9 && y < height + 9)) continue;
        if (labels[row] !== code) {
          code = labels[row];
          stamp = stampOf(kind % 8, size, colour(code, dark), ink, ratio);
          reach = stamp.width / ratio / 2;
          context.fillStyle = colour(code, dark);
        }
        if (kind % 8 === PLAIN && size < 2) context.fillRect(x - size, y - size, 2 * size, 2 * size); // thousands: a square will do
        else context.drawImage(stamp, x - reach, y - reach, 2 * reach, 2 * reach);
      }
    }
    context.globalAlpha = 1;
    this.drawTop();
  }

  drawTop() {
    if (!this.points || !this.top.width) return;
    const context = this.cleared(this.top);
    const accent = getComputedStyle(this.stage).outlineColor;
    [context.strokeStyle, context.lineWidth] = [accent, 2];
    const line = this.frame ? around(this.frame) : this.tool === "move" ? null : this.line;
    if (line && line.length > 2) {
      context.beginPath();
      for (let at = 0; at < line.length; at += 2) context.lineTo(line[at], line[at + 1]);
      context.closePath();
      context.globalAlpha = 0.12;
      context.fillStyle = accent;
      context.fill();
      context.globalAlpha = 1;
      context.stroke();
    }
    if (this.over === null) return;
    const { x, y } = this.onScreen(this.over);
    context.beginPath();
    context.arc(x, y, 9, 0, 7);
    context.stroke();
  }

  drawBar() {
    const { layouts } = this.model.get("state");
    const layout = layouts.includes(this.wanted) ? this.wanted : this.layout;
    for (const made of this.bar.querySelectorAll("[data-command]")) {
      const command = made.getAttribute("data-command");
      if (["lasso", "box", "move"].includes(command)) made.setAttribute("aria-pressed", String(command === this.tool));
      if (["overview", "neighbourhoods"].includes(command)) made.setAttribute("aria-pressed", String(command === layout));
    }
    this.stage.dataset.tool = this.tool;
  }

  drawClasses() {
    const counts = new Map();
    for (const code of this.points.labels) counts.set(code, (counts.get(code) ?? 0) + 1);
    const codes = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one));
    const dark = this.isDark;
    const chips = codes.slice(0, CHIPS).map((code) => {
      const dot = make("span", { class: "dot", "aria-hidden": "true" });
      dot.style.background = colour(code, dark);
      const chip = button(`light ${code}`, this.vocab[code], dot, named(this.vocab[code], "class"), make("small", {}, counts.get(code).toLocaleString("en")));
      chip.setAttribute("aria-pressed", String(code === this.lit));
      return chip;
    });
    const more = codes.length > CHIPS ? [make("span", { class: "soft" }, `and ${counted(codes.length - CHIPS, "class", "classes")} more, in the list above`)] : [];
    this.classes.replaceChildren(...chips, ...more);
    const names = [...codes].sort((one, other) => one - other);
    this.highlight.replaceChildren(make("option", { value: "" }, "all classes"), ...names.map((code) => make("option", { value: String(code), dir: "auto" }, this.vocab[code])));
    this.highlight.value = this.lit === null ? "" : String(this.lit);
  }

  /** Say what matters now in one line, with what may be done about it. */
  drawNote() {
    const [sentence, tone, ...remedies] = this.noteNow();
    const text = `${sentence} ${remedies.map(([command]) => command).join(" ")}`;
    if (this.note.dataset.text === text) return;
    this.note.dataset.text = text;
    this.note.dataset.tone = tone;
    this.note.replaceChildren(sentence, ...remedies.map(([command, word]) => button(command, "", word)));
  }

  /** @returns {[string, string, ...[string, string][]]} */
  noteNow() {
    const work = this.model.get("work");
    if (this.wire.late) return ["The kernel doesn’t answer: it is busy or gone. If this lasts, reload the page.", "bad"];
    if (this.trouble) return [this.trouble, "bad"];
    if (!this.points) return ["Fetching the map…", "calm"];
    if (this.hint) return [this.hint, "calm"];
    const picked = this.points.picked.reduce((sum, each) => sum + each, 0);
    if (picked) return [`${counted(picked, "picture")} chosen: the grid shows just these.`, "good", ["all", "All again"]];
    if (this.lit !== null) return [`${counted(this.rowsOf(this.lit).length, "picture")} of this class stand out.`, "calm", ["class", "Show them in the grid"], [`light ${this.lit}`, "All classes"]];
    if (work) return [work, "calm", ["stop", "Stop"]];
    const { total, lost } = this.model.get("state");
    return [`${counted(total, "picture")}${lost ? `; ${lost.toLocaleString("en")} of them have no place here` : ""}.`, "calm"];
  }
}

/** Copy the bytes of a buffer: wider numbers need them to begin at 0. @param {DataView} view */
const bytesOf = (view) => new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

/** Add the outline of one point to the path. @param {CanvasRenderingContext2D} context @param {number} kind @param {number} x @param {number} y @param {number} size */
function outline(context, kind, x, y, size) {
  const wide = Math.max(size, 3.2);
  if (kind === RELABELLED || kind === UNSURE) {
    const sides = kind === UNSURE ? 3 : 4;
    for (let at = 0; at <= sides; at++) {
      const turn = (2 * Math.PI * at) / sides - Math.PI / 2;
      context[at ? "lineTo" : "moveTo"](x + wide * 1.35 * Math.cos(turn), y + wide * 1.35 * Math.sin(turn));
    }
  } else if (kind === REMOVED) {
    for (const [one, other] of [[-1, -1], [-1, 1]]) {
      context.moveTo(x + wide * one, y + wide * other);
      context.lineTo(x - wide * one, y - wide * other);
    }
  } else {
    const around = kind === DOUBTED ? Math.max(size * 1.15, 3) : kind === FINE ? wide : size;
    context.moveTo(x + around, y);
    context.arc(x, y, around, 0, 7);
  }
}

/** Draw one sign to be stamped wherever there is such a point: far quicker than a path of thousands. @param {number} kind @param {number} size @param {string} tint @param {string} ink @param {number} ratio */
function stampOf(kind, size, tint, ink, ratio) {
  const reach = Math.ceil(Math.max(size, 3.2) * 1.35 + 2);
  const stamp = /** @type {HTMLCanvasElement} */ (make("canvas", { width: String(Math.ceil(2 * reach * ratio)), height: String(Math.ceil(2 * reach * ratio)) }));
  const context = stamp.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.beginPath();
  outline(context, kind, reach, reach, size);
  context.fillStyle = tint;
  context.strokeStyle = kind === DOUBTED ? ink : tint;
  context.lineWidth = kind === DOUBTED ? 1.2 : 2;
  if ([PLAIN, DOUBTED, RELABELLED].includes(kind)) context.fill();
  if ([DOUBTED, FINE, REMOVED, UNSURE].includes(kind)) context.stroke();
  return stamp;
}

export default {
  /** @param {{model: any, el: HTMLElement}} place */
  render({ model, el }) {
    const view = new MapView(model, el);
    return () => view.close();
  },
};
