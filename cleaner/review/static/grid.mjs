// The grid in the browser: draws pages, takes keys and clicks, asks Python for everything else.
// It decides nothing for good: a verdict is drawn as pending until Python says that the journal has it.
// Names and labels are hostile: text goes through textContent only.

/** @typedef {{id: string, action: string, label: string | null}} Verdict */
/**
 * @typedef {object} Tile
 * @property {string} id
 * @property {string} given
 * @property {string | null} suggested
 * @property {number | null} confidence
 * @property {string} origin
 * @property {string[]} reasons
 * @property {string | null} sentence shown instead of a picture
 * @property {[number, number] | null} bytes offset and length of the picture in the page's buffer
 */
/** @typedef {{tile: Tile, image: HTMLImageElement | null}} Shown */
/** @typedef {{number: number, shown: Shown[]}} Page */

// --- what both sides agree on; compared with protocol.py by a test --------------------------------

export const ASKS = ["page", "decide", "undo"];
export const ANSWERS = ["page", "saved", "refused"];
export const ACTIONS = ["keep", "relabel", "delete", "unsure", "clear"];

// --- pure functions --------------------------------------------------------------------------------

const PATIENCE = 10_000; // milliseconds before a silent kernel is mentioned
const COLUMNS = [1, 2, 3, 4, 6, 8, 12, 24]; // each fills a page of 24 without a gap
const MOST_OPTIONS = 100;

/** How each verdict is told: a word, a sign and a key, so that colour is never alone. */
export const VERDICTS = {
  keep: { word: "fine", icon: "check", key: "Space" },
  relabel: { word: "relabel", icon: "arrow", key: "1–9 or /" },
  delete: { word: "remove", icon: "cross", key: "X" },
  unsure: { word: "can’t tell", icon: "question", key: "U" },
  clear: { word: "no verdict", icon: "back", key: "C" },
};

const ORIGINS = {
  "held-out": "The model never learned from this picture.",
  "in-sample": "The model learned from this picture, so it may have memorised a wrong label.",
  "out-of-fold": "The model that judged this picture never learned from it.",
};

const COMMANDS = {
  " ": "fine", Enter: "accept", x: "remove", Delete: "remove", u: "unsure", c: "clear", z: "undo", a: "rest", "/": "pick",
  "+": "bigger", "=": "bigger", "-": "smaller", "?": "help", PageDown: "next", PageUp: "previous",
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last",
};

const MOVES = ["left", "right", "up", "down", "first", "last"];

/** @type {[string[], string][]} */
const HELP = [
  [["Space"], "the label is fine"],
  [["Enter"], "accept the model’s suggestion"],
  [["1–9"], "relabel to the class shown below the grid"],
  [["/"], "relabel to any class: type a few letters"],
  [["X", "Delete"], "doesn’t belong here: remove"],
  [["U"], "can’t tell"],
  [["C"], "clear the verdict"],
  [["Z", "Ctrl+Z"], "undo"],
  [["A"], "the rest of the page is fine, next page"],
  [["←", "→", "↑", "↓", "Home", "End"], "move on this page"],
  [["PageDown", "PageUp"], "next and previous page"],
  [["+", "−"], "bigger and smaller pictures"],
];

/**
 * Give digits to classes: a class named by one digit has that key, the others take 1–9 in order.
 * @param {string[]} vocab @returns {Map<string, string>} digit to class
 */
export function classKeys(vocab) {
  const keys = new Map(vocab.filter((name) => /^[0-9]$/.test(name)).map((name) => [name, name]));
  const free = [..."123456789"].filter((digit) => !keys.has(digit));
  const others = vocab.filter((name) => !/^[0-9]$/.test(name));
  for (const [at, digit] of free.slice(0, others.length).entries()) keys.set(digit, others[at]);
  return new Map([...keys].sort(([one], [two]) => ((one || "0") < (two || "0") ? -1 : 1)));
}

/**
 * Name what a key press asks for, null where it is not the grid's. Digits come back as themselves.
 * Held keys only move: a verdict needs a press of its own.
 * @param {{key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, shiftKey?: boolean, repeat?: boolean}} press
 */
export function commandOf(press) {
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  if (press.altKey || (key === "z" && press.shiftKey)) return null;
  if (press.ctrlKey || press.metaKey) return key === "z" ? "undo" : null;
  const command = /^[0-9]$/.test(key) ? key : Object.hasOwn(COMMANDS, key) ? COMMANDS[key] : null;
  const mayRepeat = MOVES.includes(command) || command === "next" || command === "previous";
  return press.repeat && command !== null && !mayRepeat ? "held" : command;
}

/** Return the tile that a move leads to. @param {string} move @param {number} at @param {number} count @param {number} columns */
export function moved(move, at, count, columns) {
  const to = { left: at - 1, right: at + 1, up: at - columns, down: at + columns, first: 0, last: count - 1 }[move];
  if (move === "down" && to >= count) return Math.floor(at / columns) < Math.floor((count - 1) / columns) ? count - 1 : at;
  return to < 0 || to >= count ? at : to;
}

/**
 * Say how many tiles stand side by side: tiles of 200 to 320 pixels, or some steps bigger or smaller.
 * @param {number} width in CSS pixels @param {number} steps positive is bigger
 */
export function columnsFor(width, steps) {
  const wanted = width / Math.min(320, Math.max(200, width / 8));
  const nearest = COLUMNS.reduce((best, each) => (Math.abs(each - wanted) < Math.abs(best - wanted) ? each : best));
  return COLUMNS[Math.min(COLUMNS.length - 1, Math.max(0, COLUMNS.indexOf(nearest) - steps))];
}

/** @param {string} text */
const plain = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();

/**
 * Rank the classes that fit what was typed: whole name, beginning, beginning of a word, anywhere.
 * With nothing typed, the suggested class comes first.
 * @param {string[]} vocab @param {string} typed @param {string | null} suggested @returns {string[]}
 */
export function matching(vocab, typed, suggested) {
  const wanted = plain(typed.trim());
  if (!wanted) return suggested === null ? vocab : [suggested, ...vocab.filter((name) => name !== suggested)];
  /** @param {string} name */
  const rank = (name) => {
    const at = name.indexOf(wanted);
    if (at <= 0) return at < 0 ? 4 : name === wanted ? 0 : 1;
    return name.split(/[\s_.-]+/).some((word) => word.startsWith(wanted)) ? 2 : 3;
  };
  const ranked = vocab.map((name) => ({ name, rank: rank(plain(name)) })).filter((entry) => entry.rank < 4);
  return ranked.sort((one, two) => one.rank - two.rank).map((entry) => entry.name);
}

/** Make the verdict for a class that was chosen: its own label again means that it is fine. @param {Tile} tile @param {string} label */
export function relabelled(tile, label) {
  return label === tile.given ? { id: tile.id, action: "keep", label: null } : { id: tile.id, action: "relabel", label };
}

/** Write a probability. @param {number | null} p */
export function percent(p) {
  if (p === null) return "";
  if (p < 1 && p > 0.995) return ">99%";
  return `${Math.round(p * 100)}%`;
}

/** Put a verdict in words. @param {Verdict | null} verdict */
export function told(verdict) {
  if (verdict === null) return VERDICTS.clear.word;
  return verdict.action === "relabel" ? verdict.label : VERDICTS[verdict.action].word;
}

/** Describe a tile to somebody who hears it. @param {Tile} tile @param {Verdict | null} verdict @param {boolean} pending */
export function spoken(tile, verdict, pending) {
  const model = tile.suggested === null ? `the model agrees, ${percent(tile.confidence)}` : `the model suggests ${tile.suggested}, ${percent(tile.confidence)}`;
  const state = verdict?.action === "relabel" ? `relabel to ${verdict.label}` : told(verdict);
  return `${tile.given}; ${model}; ${tile.origin}; ${state}${pending ? ", not saved yet" : ""}; ${tile.id}`;
}

/** @param {number} count @param {string} one @param {string} [many] */
const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** Say where the review stands. @param {number} page @param {number} pages @param {{reviewed: number, total: number, errors: number}} counts */
export function progress(page, pages, counts) {
  const [reviewed, total] = [counts.reviewed, counts.total].map((count) => count.toLocaleString("en"));
  return [`Page ${page + 1} of ${pages}`, `${reviewed} of ${total} reviewed`, `${counted(counts.errors, "error")} found`];
}

/**
 * Keep what the journal has apart from what is only drawn: a refusal then needs no undoing.
 * `saved` maps ids to verdicts; `pending` maps request numbers to the verdicts on their way.
 */
export class Ledger {
  constructor() {
    /** @type {Map<string, Verdict>} */ this.saved = new Map();
    /** @type {Map<number, Verdict[]>} */ this.pending = new Map();
  }
  /** @param {number} request @param {Verdict[]} verdicts */
  hold(request, verdicts) { this.pending.set(request, verdicts); }
  /** Forget what was on its way and return the ids it spoke of. @param {number} request */
  drop(request) {
    const ids = (this.pending.get(request) ?? []).map((verdict) => verdict.id);
    this.pending.delete(request);
    return ids;
  }
  /** @param {Verdict[]} verdicts */
  keep(verdicts) { for (const verdict of verdicts) this.saved.set(verdict.id, verdict); }
  /** @param {string} id */
  isPending(id) { return [...this.pending.values()].some((verdicts) => verdicts.some((verdict) => verdict.id === id)); }
  /** Return the verdict to draw. @param {string} id @returns {Verdict | null} */
  of(id) {
    const waiting = [...this.pending.values()].flat().reverse().find((verdict) => verdict.id === id);
    const verdict = waiting ?? this.saved.get(id) ?? null;
    return verdict === null || verdict.action === "clear" ? null : verdict;
  }
}

// --- small pieces of the page ----------------------------------------------------------------------

const ICONS = {
  check: "M3 8.5 6.5 12 13 4.5", arrow: "M2.5 8h10M8.5 4l4 4-4 4", cross: "M4 4l8 8M12 4l-8 8",
  question: "M5.2 5.6a2.9 2.9 0 1 1 4.3 2.5c-1 .6-1.5 1.1-1.5 2.2M8 13v.2", list: "M3 4.5h10M3 8h10M3 11.5h6",
  back: "M4 6h6a3 3 0 0 1 0 6.5H6M6.5 3.5 4 6l2.5 2.5",
};

/**
 * Make an element. `children` are elements or texts; texts are never read as HTML.
 * @param {string} tag @param {Record<string, string | boolean>} [attributes] @param {(Node | string)[]} children
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== false) element.setAttribute(name, String(value));
  // Jupyter looks for this on the very element that has the focus: without it, «d d» there deletes the cell.
  if (tag === "button" || tag === "input" || "tabindex" in attributes) element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.append(...children);
  return element;
}

/** @param {string} name */
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Isolate a hostile name: its direction must not turn the text around it. @param {string} text @param {string} kind */
const named = (text, kind) => make("bdi", { class: kind, dir: "auto", title: text }, text);

/** Decode a picture before it is shown; the blob's address is given back at once. @param {Uint8Array} bytes */
async function decoded(bytes) {
  const url = URL.createObjectURL(new Blob([bytes]));
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

/** @param {Tile} tile @param {DataView} pixels @returns {Promise<Shown>} */
async function withImage(tile, pixels) {
  if (tile.bytes === null) return { tile, image: null };
  const [offset, length] = tile.bytes;
  const image = await decoded(new Uint8Array(pixels.buffer, pixels.byteOffset + offset, length));
  return { tile: image ? tile : { ...tile, sentence: "The browser can’t show this picture." }, image };
}

/** A button that acts without taking the keys away from the grid. @param {string} command @param {string} title @param {(Node | string)[]} children */
function button(command, title, ...children) {
  return make("button", { type: "button", "data-command": command, title }, ...children);
}

/** @param {string} command @param {string} sign @param {string} title */
function tool(command, sign, title) {
  const made = button(command, title, icon(sign));
  made.tabIndex = -1;
  made.setAttribute("aria-label", title);
  return made;
}

/** Draw one tile, without its verdict. @param {Shown} shown @param {number} at @param {number} row @param {string} prefix */
function drawTile({ tile, image }, at, row, prefix) {
  const photo = make("div", { class: "photo" }, image ?? make("p", { class: "sentence", dir: "auto" }, tile.sentence ?? ""));
  const suggestion = tile.suggested === null
    ? [make("span", { class: "agrees" }, "model agrees")]
    : [icon("arrow"), named(tile.suggested, "suggested")];
  const accept = tile.suggested === null ? [] : [tool("accept", "arrow", `Relabel to ${tile.suggested} (Enter)`)];
  const tools = make("div", { class: "tools" },
    tool("fine", "check", "Fine (Space)"), ...accept, tool("pick", "list", "Another class… (/)"),
    tool("unsure", "question", "Can’t tell (U)"), tool("remove", "cross", "Remove (X)"));
  const caption = make("div", { class: "caption" },
    make("div", { class: "line" }, named(tile.given, "given")),
    make("div", { class: "line model" }, ...suggestion),
    make("div", { class: "line facts" }, make("span", { title: tile.reasons.join("; ") }, percent(tile.confidence)),
      make("span", { class: "origin", title: ORIGINS[tile.origin] ?? "" }, tile.origin)));
  photo.append(make("div", { class: "badge" }), tools);
  photo.title = tile.id;
  const cell = make("div", { role: "gridcell", id: `${prefix}-${at}`, class: "cell" }, photo, caption);
  return make("div", { role: "row", "aria-rowindex": String(row + 1), class: "tile", "data-at": String(at) }, cell);
}

// --- the view --------------------------------------------------------------------------------------

let views = 0;

/** One view of the grid; several may show the same model. */
class View {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.prefix = `cleaner-${++views}`;
    this.request = Math.floor(Math.random() * 2 ** 31) * 2 ** 20; // no two views may share a number
    /** @type {Map<number, {resolve: Function, reject: Function, timer: number, late: boolean}>} */
    this.waiting = new Map();
    this.ledger = new Ledger();
    /** @type {Map<number, Promise<Page>>} */ this.pages = new Map();
    /** @type {Page} */ this.page = { number: 0, shown: [] };
    this.wanted = 0;
    this.at = 0;
    this.bigger = 0;
    this.trouble = "";
    this.unsaved = false;
    this.hint = "";
    this.listeners = new AbortController();
    this.build(el);
    this.listen();
    this.open();
  }

  // What is on the page.

  /** @param {HTMLElement} el */
  build(el) {
    this.status = make("p", { class: "status" });
    this.bar = make("div", { class: "meter", role: "progressbar", "aria-label": "Reviewed", "aria-valuemin": "0" }, make("span"));
    this.note = make("p", { class: "note", role: "status" });
    this.about = make("p", { class: "about" });
    this.grid = make("div", { class: "tiles", role: "grid", tabindex: "0", "aria-label": "Pictures to review", "aria-readonly": "true" });
    this.legend = make("div", { class: "legend" });
    this.live = make("p", { class: "heard", "aria-live": "polite" });
    this.help = this.buildHelp();
    this.picker = this.buildPicker();
    const head = make("div", { class: "head" }, make("div", { class: "bar" }, this.status, this.buildToolbar()), this.bar, this.note, this.about);
    this.root = make("section", { class: "cleaner-grid", "aria-label": "Review" },
      head, this.grid, this.legend, this.picker, this.help, this.live);
    el.append(this.root);
    this.sized = new ResizeObserver(() => this.onSize());
    this.sized.observe(this.root);
  }

  buildToolbar() {
    return make("div", { class: "toolbar", role: "toolbar", "aria-label": "Review" },
      button("previous", "Previous page (PageUp)", "Previous"), button("next", "Next page (PageDown)", "Next"),
      button("rest", "All that is undecided on this page is fine; next page (A)", "Rest is fine"), button("undo", "Take back the last verdict (Z)", "Undo"),
      button("smaller", "Smaller pictures (−)", "Smaller"), button("bigger", "Bigger pictures (+)", "Bigger"), button("help", "All keys (?)", "Help"));
  }

  buildHelp() {
    const rows = HELP.flatMap(([keys, meaning]) => [make("dt", {}, ...keys.map((key) => make("kbd", {}, key))), make("dd", {}, meaning)]);
    return make("dialog", { class: "help", "aria-labelledby": `${this.prefix}-help` },
      make("h2", { id: `${this.prefix}-help` }, "Keys"), make("dl", {}, ...rows),
      make("p", {}, "Keys work while the grid has the focus. Every verdict is saved at once, and nothing is moved or deleted until you apply it."),
      make("form", { method: "dialog" }, make("button", { title: "Close (Esc)" }, "Close")));
  }

  buildPicker() {
    const list = `${this.prefix}-classes`;
    this.typed = /** @type {HTMLInputElement} */ (make("input", { type: "text", role: "combobox", "aria-label": "Relabel to", "aria-controls": list,
      "aria-expanded": "true", "aria-autocomplete": "list", placeholder: "Relabel to…", autocomplete: "off", spellcheck: "false", dir: "auto" }));
    this.options = make("ul", { id: list, role: "listbox", "aria-label": "Classes" });
    this.more = make("p", { class: "more" });
    return make("div", { class: "picker", hidden: true }, this.typed, this.options, this.more);
  }

  // What happens.

  listen() {
    const { signal } = this.listeners;
    /** @param {EventTarget} target @param {string} type @param {(event: any) => void} act */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(this.root, "keydown", (event) => this.onKey(event));
    on(this.root, "mousedown", (event) => this.onMouseDown(event));
    on(this.root, "click", (event) => this.onClick(event));
    on(this.typed, "input", () => this.drawOptions());
    on(this.typed, "blur", () => this.closePicker());
    on(this.help, "close", () => this.grid.focus({ preventScroll: true }));
    this.changed = () => this.open();
    this.recounted = () => this.recount();
    this.received = (message, buffers) => this.onMessage(message, buffers);
    this.model.on("change:state", this.changed);
    this.model.on("change:counts", this.recounted);
    this.model.on("msg:custom", this.received);
  }

  close() {
    this.listeners.abort();
    this.sized.disconnect();
    this.model.off("change:state", this.changed);
    this.model.off("change:counts", this.recounted);
    this.model.off("msg:custom", this.received);
    for (const { timer } of this.waiting.values()) clearTimeout(timer);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.isComposing || this.help.contains(target)) return;
    const inPicker = target === this.typed;
    const forButton = target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ");
    const handled = inPicker ? this.onPickerKey(event.key) : !forButton && this.act(commandOf(event));
    if (handled) event.preventDefault();
    if (handled || inPicker) event.stopPropagation();
  }

  /** Buttons and tiles leave the focus with the grid, so that keys go on working. @param {MouseEvent} event */
  onMouseDown(event) {
    const target = /** @type {Element} */ (event.target);
    if (!target.closest("button, .tile, .option") || this.help.contains(target)) return;
    event.preventDefault();
    if (!target.closest(".option")) this.grid.focus({ preventScroll: true });
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const target = /** @type {Element} */ (event.target);
    const option = target.closest("[data-class]");
    if (option) return this.choose(option.getAttribute("data-class"));
    const tile = target.closest(".tile");
    if (tile) this.moveTo(Number(tile.getAttribute("data-at")), { scroll: false });
    const command = target.closest("[data-command]")?.getAttribute("data-command");
    if (command) this.act(command, { advance: !tile });
  }

  /** Carry out a command; return whether it was ours. @param {string | null} command */
  act(command, { advance = true } = {}) {
    if (command === null) return false;
    this.say("");
    const tile = this.page.shown[this.at]?.tile;
    const commands = {
      next: () => this.turn(1), previous: () => this.turn(-1), rest: () => this.restIsFine(), undo: () => this.undo(),
      bigger: () => this.resize(1), smaller: () => this.resize(-1), help: () => /** @type {any} */ (this.help).showModal(), held: () => {},
    };
    if (command in commands) commands[command]();
    else if (MOVES.includes(command)) this.moveTo(moved(command, this.at, this.page.shown.length, this.columns));
    else if (tile) this.judge(tile, command, advance);
    return true;
  }

  /** @param {Tile} tile @param {string} command @param {boolean} advance */
  judge(tile, command, advance) {
    const label = classKeys(this.model.get("state").vocab).get(command);
    const action = { fine: "keep", remove: "delete", unsure: "unsure", clear: "clear" }[command];
    if (command === "pick") return this.openPicker(tile);
    if (command === "accept" && tile.suggested === null) return this.say("The model agrees with this label: Space marks it as fine.");
    if (command === "clear" && this.ledger.of(tile.id) === null) return this.say("There is no verdict to clear here.");
    if (/^[0-9]$/.test(command) && label === undefined) return this.say(`No class has the key ${command}; press / to pick one.`);
    const verdict = action ? { id: tile.id, action, label: null } : relabelled(tile, label ?? /** @type {string} */ (tile.suggested));
    this.decide([verdict]);
    if (advance && command !== "clear") this.advance();
  }

  advance() {
    if (this.at + 1 < this.page.shown.length) this.moveTo(this.at + 1);
    else if (this.page.number + 1 < this.model.get("state").pages) this.say("That was the last picture of this page. A or PageDown goes on.");
  }

  restIsFine() {
    const open = this.page.shown.filter(({ tile }) => this.ledger.of(tile.id) === null);
    if (open.length) this.decide(open.map(({ tile }) => ({ id: tile.id, action: "keep", label: null })), { rest: true });
    this.turn(1);
  }

  // Talking to Python.

  /** Ask Python; the promise settles with its answer. @param {string} kind @param {object} fields @param {(request: number) => void} [before] */
  ask(kind, fields, before) {
    const request = ++this.request;
    before?.(request);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.overdue(request), PATIENCE);
      this.waiting.set(request, { resolve, reject, timer, late: false });
      try {
        this.model.send({ kind, request, ...fields });
      } catch {
        this.overdue(request); // the connection is gone
      }
    });
  }

  /** @param {number} request */
  overdue(request) {
    const waiting = this.waiting.get(request);
    if (waiting) waiting.late = true;
    this.drawStatus();
    this.drawTiles();
  }

  /** @param {any} message @param {DataView[]} buffers */
  onMessage(message, buffers) {
    const waiting = this.waiting.get(message.request);
    const ids = this.ledger.drop(message.request);
    if (message.kind === "saved") this.ledger.keep(message.verdicts); // also what another view has decided
    if (waiting) {
      clearTimeout(waiting.timer);
      this.waiting.delete(message.request);
      if (message.kind === "refused") waiting.reject(new Error(message.sentence));
      else waiting.resolve({ message, buffers });
    }
    if (message.kind === "saved" || ids.length) this.drawTiles();
    this.drawStatus();
  }

  /** Draw verdicts at once, and let Python keep them; `rest` spares what another window has decided. @param {Verdict[]} verdicts */
  decide(verdicts, { rest = false } = {}) {
    const answer = this.ask("decide", { verdicts, rest }, (request) => this.ledger.hold(request, verdicts));
    [this.trouble, this.unsaved] = ["", false];
    this.say("");
    this.drawTiles();
    this.drawStatus();
    this.announce(verdicts.length === 1 ? told(verdicts[0]) : `${counted(verdicts.length, "picture")} fine`);
    const what = verdicts.length === 1 ? verdicts[0].id : counted(verdicts.length, "picture");
    answer.catch((error) => this.complain(`Not saved (${what}): ${error.message}`, { unsaved: true }));
  }

  async undo() {
    try {
      const { message } = await this.ask("undo", {});
      const [first] = message.verdicts;
      if (message.page === null) return this.say(`Taken back: the verdict on ${first.id}, which is not in this queue.`);
      await this.go(message.page, first.id);
      this.say(`Taken back: ${counted(message.verdicts.length, "verdict")}.`);
    } catch (error) {
      this.say(error.message);
    }
  }

  /** Tell what went wrong, until the next verdict or page. @param {string} sentence */
  complain(sentence, { unsaved = false } = {}) {
    [this.trouble, this.unsaved] = [sentence, unsaved];
    this.drawStatus();
  }

  // Pages.

  /** Begin with a queue: forget the old one, show its first page that waits for a verdict. */
  async open() {
    this.pages.clear();
    this.ledger.saved.clear();
    this.opening = true;
    this.drawLegend();
    this.drawStatus();
    try {
      const { message, buffers } = await this.ask("page", { page: null });
      this.pages.set(message.page, this.decodedPage(message, buffers));
      await this.go(message.page, null);
    } catch (error) {
      this.complain(error.message);
    }
  }

  /** @param {any} message @param {DataView[]} buffers @returns {Promise<Page>} */
  async decodedPage(message, buffers) {
    if (message.epoch !== this.model.get("state").epoch) return new Promise(() => {}); // of a queue that is gone
    this.ledger.keep(message.verdicts);
    return { number: message.page, shown: await Promise.all(message.tiles.map((tile) => withImage(tile, buffers[0]))) };
  }

  /** Fetch a page, once; what lies further than one page away is forgotten. @param {number} number @returns {Promise<Page>} */
  fetch(number) {
    const known = this.pages.get(number);
    if (known) return known;
    const page = this.ask("page", { page: number }).then(({ message, buffers }) => this.decodedPage(message, buffers));
    page.catch(() => this.pages.delete(number));
    this.pages.set(number, page);
    return page;
  }

  /** @param {number} step */
  turn(step) {
    const to = this.wanted + step;
    if (to < 0) return this.say("This is the first page.");
    if (to >= this.model.get("state").pages) return this.say(this.allDone() ? "" : "This is the last page.");
    this.go(to, null).catch((error) => {
      this.wanted = this.page.number;
      this.complain(error.message);
    });
  }

  /** Show a page as soon as it is decoded, at the tile of an id or else at the first undecided one. @param {number} number @param {string | null} id */
  async go(number, id) {
    this.wanted = number;
    this.drawStatus();
    const page = await this.fetch(number);
    if (this.wanted !== number) return; // turned on in the meantime
    const stays = page === this.page;
    const ahead = number + (number < this.page.number ? -1 : 1);
    this.page = page;
    this.opening = false;
    if (!this.unsaved) this.trouble = "";
    this.say("");
    const undecided = page.shown.findIndex(({ tile }) => this.ledger.of(tile.id) === null);
    const at = Math.max(0, id === null ? undecided : page.shown.findIndex(({ tile }) => tile.id === id));
    if (!stays) this.drawPage();
    this.drawStatus();
    this.moveTo(at);
    for (const known of this.pages.keys()) if (Math.abs(known - number) > 1) this.pages.delete(known);
    if (ahead >= 0 && ahead < this.model.get("state").pages) this.fetch(ahead).catch(() => {}); // asked again when turned to
  }

  // Drawing.

  drawPage() {
    const { page_size: size, total } = this.model.get("state");
    const first = this.page.number * size;
    this.grid.replaceChildren(...this.page.shown.map((shown, at) => drawTile(shown, at, first + at, this.prefix)));
    this.grid.setAttribute("aria-rowcount", String(total));
    this.drawTiles();
  }

  drawTiles() {
    for (const [at, { tile }] of this.page.shown.entries()) {
      const element = /** @type {HTMLElement} */ (this.grid.children[at]);
      if (element) this.drawVerdict(element, tile);
    }
  }

  /** @param {HTMLElement} element @param {Tile} tile */
  drawVerdict(element, tile) {
    const verdict = this.ledger.of(tile.id);
    const pending = this.ledger.isPending(tile.id);
    const state = `${verdict?.action ?? ""} ${verdict?.label ?? ""} ${pending}`;
    if (element.dataset.state === state && !this.late()) return;
    element.dataset.state = state;
    element.dataset.verdict = verdict?.action ?? "";
    element.dataset.pending = String(pending);
    const late = pending && this.late() ? [make("span", { class: "late" }, "not saved")] : [];
    const badge = /** @type {HTMLElement} */ (element.querySelector(".badge"));
    badge.replaceChildren(...(verdict ? [icon(VERDICTS[verdict.action].icon), named(told(verdict), "word"), ...late] : late));
    element.firstElementChild.setAttribute("aria-label", spoken(tile, verdict, pending));
  }

  late() { return [...this.waiting.values()].some((waiting) => waiting.late); }

  allDone() {
    const { reviewed, total } = this.model.get("counts");
    return total > 0 && reviewed === total;
  }

  recount() {
    if (this.allDone()) this.hint = "";
    this.drawStatus();
  }

  drawStatus() {
    const counts = this.model.get("counts");
    const { pages } = this.model.get("state");
    const parts = progress(this.wanted, pages, counts).map((text) => make("span", {}, text));
    this.status.replaceChildren(...parts, this.saveState());
    this.bar.setAttribute("aria-valuemax", String(counts.total));
    this.bar.setAttribute("aria-valuenow", String(counts.reviewed));
    /** @type {HTMLElement} */ (this.bar.firstElementChild).style.width = `${counts.total ? (100 * counts.reviewed) / counts.total : 0}%`;
    this.drawNote();
    for (const [command, off] of [["previous", this.wanted === 0], ["next", this.wanted + 1 >= pages]])
      this.root.querySelector(`.toolbar [data-command=${command}]`).toggleAttribute("disabled", Boolean(off));
  }

  saveState() {
    const pending = this.ledger.pending.size > 0;
    if (this.unsaved || (pending && this.late())) return make("span", { class: "unsaved" }, icon("cross"), "not saved");
    return pending ? make("span", { class: "saving" }, "saving…") : make("span", { class: "saved" }, icon("check"), "saved");
  }

  drawNote() {
    const [text, tone] = this.noteNow();
    if (this.note.textContent !== text) this.note.textContent = text;
    this.note.dataset.tone = tone;
    this.note.hidden = !text;
    this.about.hidden = Boolean(text); // both have the same place, so that no picture moves
  }

  /** Say which file the current picture is, and what speaks against its label. */
  drawAbout() {
    const tile = this.page.shown[this.at]?.tile;
    this.about.replaceChildren(...(tile ? [named(tile.id, "file"), ...tile.reasons.map((reason) => named(reason, "reason"))] : []));
  }

  /** Choose the one sentence that matters now. @returns {[string, string]} */
  noteNow() {
    const pending = [...this.ledger.pending.values()].flat().length;
    const kept = pending ? ` ${counted(pending, "verdict")} not saved yet.` : "";
    if (this.late()) return [`The kernel doesn’t answer: it is busy or gone. If this lasts, reload the page; what is saved is safe.${kept}`, "bad"];
    if (this.trouble) return [this.trouble, "bad"];
    if (this.hint) return [this.hint, "calm"];
    if (this.model.get("state").total === 0) return ["There is nothing to review.", "calm"];
    if (this.opening) return ["Fetching the pictures…", "calm"];
    if (this.allDone()) return [`All ${counted(this.model.get("counts").total, "picture")} are decided. Z takes the last verdict back.`, "good"];
    return ["", "calm"];
  }

  drawLegend() {
    const keys = [...classKeys(this.model.get("state").vocab)];
    const entries = keys.map(([digit, name]) => make("span", { class: "key" }, make("kbd", {}, digit), named(name, "class")));
    const fixed = [["/", "any class"], ["Space", "fine"], ["Enter", "accept"], ["X", "remove"], ["U", "can’t tell"], ["A", "rest is fine"], ["?", "all keys"]];
    const others = fixed.map(([key, text]) => make("span", { class: "key" }, make("kbd", {}, key), text));
    this.legend.replaceChildren(make("div", {}, ...entries), make("div", {}, ...others, make("span", { class: "unfocused" }, "Click a picture to use the keys.")));
  }

  /** Tell something that passes. @param {string} sentence */
  say(sentence) {
    this.hint = sentence;
    this.drawNote();
  }

  /** @param {string} text */
  announce(text) { this.live.textContent = text; }

  /** Fit the columns; where nobody has the focus, as when the grid has just come into sight, take the keys. */
  onSize() {
    this.resize(0);
    const active = /** @type {HTMLElement | null} */ (document.activeElement);
    const nobody = active === null || active === document.body || active.offsetParent === null;
    if (nobody && this.root.clientWidth > 0) this.grid.focus({ preventScroll: true });
  }

  /** @param {number} step */
  resize(step) {
    const columns = columnsFor(this.root.clientWidth, this.bigger + step);
    if (step && columns === this.columns) return; // as far as it goes
    this.bigger += step;
    this.columns = columns;
    this.root.style.setProperty("--columns", String(columns));
    if (step) this.grid.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} at */
  moveTo(at, { scroll = true } = {}) {
    this.grid.children[this.at]?.classList.remove("current");
    this.at = at;
    this.drawAbout();
    const tile = this.grid.children[at];
    if (!tile) return this.grid.removeAttribute("aria-activedescendant");
    tile.classList.add("current");
    this.grid.setAttribute("aria-activedescendant", tile.firstElementChild.id);
    if (scroll && this.root.contains(document.activeElement)) tile.scrollIntoView({ block: "nearest" });
  }

  // The class picker.

  /** @param {Tile} tile */
  openPicker(tile) {
    this.picking = tile;
    this.typed.value = "";
    this.picker.hidden = false;
    this.drawOptions();
    this.placePicker();
    this.typed.focus({ preventScroll: true });
    this.picker.scrollIntoView({ block: "nearest" });
  }

  /** Put the picker beside the picture it speaks of, inside the grid. */
  placePicker() {
    const [tile, root] = [this.grid.children[this.at], this.root].map((element) => element.getBoundingClientRect());
    const [right, bottom] = [root.width - this.picker.offsetWidth - 8, root.height - this.picker.offsetHeight - 8];
    this.picker.style.left = `${Math.max(8, Math.min(tile.left - root.left, right))}px`;
    this.picker.style.top = `${Math.max(8, Math.min(tile.bottom - root.top - 60, bottom))}px`;
  }

  closePicker() { this.picker.hidden = true; }

  drawOptions() {
    const found = matching(this.model.get("state").vocab, this.typed.value, this.picking.suggested);
    const options = found.slice(0, MOST_OPTIONS).map((name, at) => this.drawOption(name, at));
    this.options.replaceChildren(...options);
    const rest = found.length - MOST_OPTIONS;
    this.more.textContent = rest > 0 ? `${rest} more: type a few letters` : found.length ? "" : "No class fits what you typed.";
    this.more.hidden = !this.more.textContent;
    this.mark(0);
  }

  /** @param {string} name @param {number} at */
  drawOption(name, at) {
    const remark = name === this.picking.given ? "label now" : name === this.picking.suggested ? "suggested" : "";
    return make("li", { role: "option", id: `${this.prefix}-class-${at}`, class: "option", "data-class": name, "aria-selected": "false" },
      named(name, "class"), make("small", {}, remark));
  }

  /** @param {number} at */
  mark(at) {
    const options = [...this.options.children];
    this.marked = Math.max(0, Math.min(at, options.length - 1));
    options.forEach((option, each) => option.setAttribute("aria-selected", String(each === this.marked)));
    this.typed.setAttribute("aria-activedescendant", options[this.marked]?.id ?? "");
    options[this.marked]?.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} key @returns {boolean} whether the picker used it */
  onPickerKey(key) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (key in steps) this.mark(this.marked + steps[key]);
    else if (key === "Enter") this.choose(this.options.children[this.marked]?.getAttribute("data-class") ?? null);
    else if (key === "Escape") this.grid.focus({ preventScroll: true });
    else return false;
    return true;
  }

  /** @param {string | null} label */
  choose(label) {
    if (label === null) return;
    const tile = this.picking;
    this.grid.focus({ preventScroll: true });
    this.decide([relabelled(tile, label)]);
    this.advance();
  }
}

export default {
  /** @param {{model: any, el: HTMLElement}} place */
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
