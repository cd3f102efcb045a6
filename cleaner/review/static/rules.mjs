// What the grid knows by heart: keys, words, moves, selections, zoom. Pure functions and values only;
// nothing here touches the page or talks to Python.

/** @typedef {{id: string, action: string, label: string | null}} Verdict */
/**
 * @typedef {object} Tile
 * @property {string} id
 * @property {string} given
 * @property {string | null} suggested
 * @property {number | null} confidence
 * @property {[string, number | null][]} suggestions other classes with their probabilities, likeliest first
 * @property {string} origin
 * @property {string[]} reasons
 * @property {string[]} issues kinds of what a check has found of it
 * @property {"keep" | "delete" | null} advice what would be done with it, of several copies
 * @property {string | null} sentence shown instead of a picture
 * @property {[number, number] | null} bytes offset and length of the picture in the message's buffer
 */
/** @typedef {{given: string | null, suggested: string | null, origin: string | null, verdict: string | null, issue: string | null, name: string, chosen: string | null}} Filter `chosen` names what was chosen elsewhere */
/** @typedef {{scale: number, x: number, y: number}} Zoom a picture's pixel p lies at x + p · scale of its stage */
/** @typedef {{width: number, height: number}} Size */

// --- what both sides agree on; compared with protocol.py by a test --------------------------------

export const ASKS = ["page", "decide", "undo", "redo", "find", "full", "evidence", "near"];
export const ANSWERS = ["page", "saved", "refused", "found", "full", "evidence"];
export const ACTIONS = ["keep", "relabel", "delete", "unsure", "clear"];

// --- keys ------------------------------------------------------------------------------------------

const COLUMNS = [1, 2, 3, 4, 6, 8, 12, 24]; // each fills a page of 24 without a gap
const MOVES = ["left", "right", "up", "down", "first", "last"];
const REPEATABLE = [...MOVES, "next", "previous", "bigger", "smaller"];

const COMMANDS = {
  " ": "fine", Enter: "accept", x: "remove", Delete: "remove", u: "unsure", c: "clear", z: "undo", a: "rest", "/": "pick",
  "+": "bigger", "=": "bigger", "-": "smaller", "?": "help", PageDown: "next", PageUp: "previous", Escape: "leave",
  y: "alike", f: "full", e: "evidence", b: "blind", s: "sprint", l: "filter", n: "near",
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last",
};

const WITH_CONTROL = { z: "undo", y: "redo", a: "all" };

/** How each verdict is told: a word, a sign and a key, so that colour is never alone. */
export const VERDICTS = {
  keep: { word: "fine", icon: "check", key: "Space" },
  relabel: { word: "relabel", icon: "arrow", key: "1–9 or /" },
  delete: { word: "remove", icon: "cross", key: "X" },
  unsure: { word: "can’t tell", icon: "question", key: "U" },
  clear: { word: "no verdict", icon: "back", key: "C" },
};

/** What is suggested for one of several copies, in words. */
export const ADVICE = { keep: "keep this one", delete: "remove" };

export const ORIGINS = {
  "held-out": "The model never learned from this picture.",
  "in-sample": "The model learned from this picture, so it may have memorised a wrong label.",
  "out-of-fold": "The model that judged this picture never learned from it.",
};

/** @type {[string[], string][]} */
export const HELP = [
  [["Space"], "the label is fine"],
  [["Enter"], "accept the suggestion: a class, or which copy to keep"],
  [["Shift+2–5"], "accept its second to fifth suggestion"],
  [["1–9"], "relabel to the class shown below the grid"],
  [["/"], "relabel to any class, or to a new one: type a few letters"],
  [["X", "Delete"], "doesn’t belong here: remove"],
  [["U"], "can’t tell"],
  [["C"], "clear the verdict"],
  [["Z", "Shift+Z"], "undo, redo; also with Ctrl"],
  [["A"], "the rest of the page is fine, next page"],
  [["Y"], "the same for the pictures that are nearly identical, when that is offered"],
  [["←", "→", "↑", "↓", "Home", "End"], "move on this page"],
  [["Shift+→", "Ctrl+A"], "select several, or all: a verdict is then for all of them; Esc ends it"],
  [["PageDown", "PageUp"], "next and previous page"],
  [["F"], "full size, with zoom; Esc goes back"],
  [["E"], "evidence: typical pictures of both classes"],
  [["N"], "only the pictures most like this one, where they are known"],
  [["S"], "sprint through the pair of classes that is confused most"],
  [["L"], "filter"],
  [["B"], "blind: labels are hidden until you press a key"],
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
 * Name what a key press asks for, null where it is not the grid's. Digits come back as themselves, moves with
 * Shift as "extend …", Shift with a digit key as "suggestion …". Held keys only move: a verdict needs a press of its own.
 * @param {{key: string, code?: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, shiftKey?: boolean, repeat?: boolean}} press
 * @returns {string | null}
 */
export function commandOf(press) {
  const command = press.altKey ? null : press.ctrlKey || press.metaKey ? controlled(press) : plainCommand(press);
  const mayRepeat = command !== null && REPEATABLE.includes(command.replace("extend ", ""));
  return press.repeat && command !== null && !mayRepeat ? "held" : command;
}

/** @param {{key: string, shiftKey?: boolean}} press */
function controlled({ key, shiftKey }) {
  const command = own(WITH_CONTROL, key.toLowerCase());
  if (!shiftKey) return command;
  return command === "undo" ? "redo" : null;
}

/** @param {{key: string, code?: string, shiftKey?: boolean}} press */
function plainCommand({ key, code, shiftKey }) {
  if (/^[0-9]$/.test(key)) return key;
  const command = own(COMMANDS, key.length === 1 ? key.toLowerCase() : key);
  if (shiftKey && command !== null && MOVES.includes(command)) return `extend ${command}`;
  if (shiftKey && command === "undo") return "redo";
  const digit = command === null && shiftKey ? /^Digit([1-5])$/.exec(code ?? "") : null;
  return digit ? `suggestion ${digit[1]}` : command;
}

/** @param {Record<string, string>} table @param {string} key @returns {string | null} */
const own = (table, key) => (Object.hasOwn(table, key) ? table[key] : null);

/** Say whether a command moves the current tile. @param {string} command */
export const isMove = (command) => MOVES.includes(command);

// --- moving and selecting --------------------------------------------------------------------------

/** Return the tile that a move leads to. @param {string} move @param {number} at @param {number} count @param {number} columns */
export function moved(move, at, count, columns) {
  const to = { left: at - 1, right: at + 1, up: at - columns, down: at + columns, first: 0, last: count - 1 }[move];
  if (move === "down" && to >= count) return Math.floor(at / columns) < Math.floor((count - 1) / columns) ? count - 1 : at;
  return to < 0 || to >= count ? at : to;
}

/** Return the places from one tile to another, both included, whichever comes first. @param {number} one @param {number} two */
export function between(one, two) {
  const first = Math.min(one, two);
  return Array.from({ length: Math.abs(one - two) + 1 }, (_, step) => first + step);
}

/** Add a place to a selection, or take it out. @param {ReadonlySet<number>} selected @param {number} at @returns {Set<number>} */
export function toggled(selected, at) {
  const next = new Set(selected);
  if (!next.delete(at)) next.add(at);
  return next;
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

// --- classes ---------------------------------------------------------------------------------------

/** @param {string} text */
const plain = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();

/**
 * Rank the classes that fit what was typed: whole name, beginning, beginning of a word, anywhere.
 * With nothing typed, the suggested classes come first, likeliest first.
 * @param {string[]} vocab @param {string} typed @param {string[]} suggested @returns {string[]}
 */
export function matching(vocab, typed, suggested) {
  const wanted = plain(typed.trim());
  if (!wanted) return [...suggested, ...vocab.filter((name) => !suggested.includes(name))];
  /** @param {string} name */
  const rank = (name) => {
    const at = name.indexOf(wanted);
    if (at <= 0) return at < 0 ? 4 : name === wanted ? 0 : 1;
    return name.split(/[\s_.-]+/).some((word) => word.startsWith(wanted)) ? 2 : 3;
  };
  const ranked = vocab.map((name) => ({ name, rank: rank(plain(name)) })).filter((entry) => entry.rank < 4);
  return ranked.sort((one, two) => one.rank - two.rank).map((entry) => entry.name);
}

/** Return the new class that what was typed would make, null where it is none or there already. @param {string[]} vocab @param {string} typed */
export function newClass(vocab, typed) {
  const name = typed.trim();
  return name === "" || vocab.some((known) => plain(known) === plain(name)) ? null : name;
}

/** Make the verdict for a class that was chosen: its own label again means that it is fine. @param {{id: string, given: string}} tile @param {string} label */
export function relabelled(tile, label) {
  return label === tile.given ? { id: tile.id, action: "keep", label: null } : { id: tile.id, action: "relabel", label };
}

/**
 * Make the verdict that a command asks for, null where it asks for none on this picture: a suggestion that
 * there is not, a digit without a class. Where no class is suggested, the advice on a copy is accepted.
 * @param {Tile} tile @param {string} command @param {Map<string, string>} keys digit to class @returns {Verdict | null}
 */
export function verdictOf(tile, command, keys) {
  const action = { fine: "keep", remove: "delete", unsure: "unsure", clear: "clear" }[command];
  if (action) return { id: tile.id, action, label: null };
  if (command === "accept" && tile.suggested === null && tile.advice) return { id: tile.id, action: tile.advice, label: null };
  const [word, number] = command === "accept" ? ["suggestion", "1"] : command.split(" ");
  const label = word === "suggestion" ? tile.suggestions[Number(number) - 1]?.[0] : keys.get(command);
  return label === undefined ? null : relabelled(tile, label);
}

// --- words -----------------------------------------------------------------------------------------

/** Write a probability. @param {number | null} p */
export function percent(p) {
  if (p === null) return "";
  if (p > 0 && p < 0.005) return "<1%";
  return p < 1 && p > 0.995 ? ">99%" : `${Math.round(p * 100)}%`;
}

/** Put a verdict in words. @param {Verdict | null} verdict */
export function told(verdict) {
  if (verdict === null) return VERDICTS.clear.word;
  return verdict.action === "relabel" ? verdict.label : VERDICTS[verdict.action].word;
}

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** Say how far the review is. @param {{reviewed: number, total: number, errors: number}} counts @param {number | null} pace pictures a minute */
export function progress(counts, pace) {
  const [reviewed, total] = [counts.reviewed, counts.total].map((count) => count.toLocaleString("en"));
  const words = [`${reviewed} of ${total} reviewed`, `${counted(counts.errors, "error")} found`];
  return pace === null ? words : [...words, `${Math.round(pace)} a minute`];
}

const PAUSE = 60_000; // milliseconds: who is away for longer is not slow
const PACED = 8; // pictures before a pace says anything

/** Say how many pictures a minute were decided, pauses left out; null while too few were. @param {number[]} times in milliseconds, ascending */
export function paceOf(times) {
  const gaps = times.slice(1).map((time, at) => time - times[at]).filter((gap) => gap < PAUSE);
  const spent = gaps.reduce((sum, gap) => sum + gap, 0);
  return times.length < PACED || spent < 3_000 ? null : (gaps.length * 60_000) / spent;
}

// --- filters ---------------------------------------------------------------------------------------

/** @type {Filter} */
export const EVERYTHING = { given: null, suggested: null, origin: null, verdict: null, issue: null, name: "", chosen: null };

/** @param {Filter} filter */
export const isNarrow = (filter) => Object.values(filter).some((value) => value !== null && value !== "");

/** What can be asked of a verdict in a filter, in words. */
export const STATES = { undecided: "not decided", decided: "decided", errors: "found wrong", keep: "fine", relabel: "relabelled", delete: "removed", unsure: "can’t tell" };

/** Put a filter in words. @param {Filter} filter */
export function filterTold(filter) {
  const pair = filter.given !== null && filter.suggested !== null ? [`${filter.given} → ${filter.suggested}`]
    : [filter.given !== null && `labelled ${filter.given}`, filter.suggested !== null && `seen as ${filter.suggested}`];
  const rest = [filter.chosen, filter.issue && `flagged ${filter.issue}`, filter.origin, filter.verdict && STATES[filter.verdict], filter.name && `named “${filter.name}”`];
  return [...pair, ...rest].filter(Boolean).join(", ");
}

// --- zoom and pan ----------------------------------------------------------------------------------

const DEEPEST = 40; // screen pixels for one of the picture's

/** Show the whole picture in the middle of its stage. @param {Size} picture @param {Size} stage @returns {Zoom} */
export function fitted(picture, stage) {
  const scale = Math.min(stage.width / picture.width, stage.height / picture.height, DEEPEST);
  return settled({ scale, x: 0, y: 0 }, picture, stage);
}

/** Zoom by a factor; the point under the pointer stays. @param {Zoom} zoom @param {number} factor @param {{x: number, y: number}} at @param {Size} picture @param {Size} stage */
export function zoomed(zoom, factor, at, picture, stage) {
  const least = fitted(picture, stage).scale;
  const scale = Math.min(DEEPEST, Math.max(Math.min(least, 1), zoom.scale * factor));
  const grown = scale / zoom.scale;
  return settled({ scale, x: at.x - (at.x - zoom.x) * grown, y: at.y - (at.y - zoom.y) * grown }, picture, stage);
}

/** Keep a picture on its stage: in the middle where it is smaller, else without a gap at any edge. @param {Zoom} zoom @param {Size} picture @param {Size} stage @returns {Zoom} */
export function settled({ scale, x, y }, picture, stage) {
  /** @param {number} offset @param {number} length @param {number} room */
  const along = (offset, length, room) => (length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, offset)));
  return { scale, x: along(x, picture.width * scale, stage.width), y: along(y, picture.height * scale, stage.height) };
}

// --- what is saved, and what is only drawn ---------------------------------------------------------

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
