// The grid in the browser: draws pages, takes keys and clicks, asks Python for everything else.
// It decides nothing for good: a verdict is drawn as pending until Python says that the journal has it.
// Names and labels are hostile: text goes through textContent only.

import {
  EVERYTHING, HELP, Ledger, VERDICTS, between, classKeys, columnsFor, commandOf, counted, filterTold, isMove, isNarrow, moved, paceOf, percent, progress,
  relabelled, told, toggled, verdictOf,
} from "./rules.mjs";
import { afterPaint, button, byMouse, drawTile, heard, icon, judging, make, named, tool, withImage } from "./pieces.mjs";
import { Picker } from "./picker.mjs";
import { Strip, evidenceIn } from "./evidence.mjs";
import { FullView, pictureIn } from "./full.mjs";
import { FilterBar } from "./filter.mjs";
import { Wire } from "./wire.mjs";

/** @typedef {import("./rules.mjs").Tile} Tile */
/** @typedef {import("./rules.mjs").Verdict} Verdict */
/** @typedef {import("./rules.mjs").Filter} Filter */
/** @typedef {import("./pieces.mjs").Shown} Shown */
/** @typedef {{number: number, shown: Shown[], elements: HTMLElement[]}} Page */
/** @typedef {{found: number | null, total: number, pages: number}} Scope what pages are counted in: the queue, or what a filter found */

const REMEMBERED = 400; // verdicts that the pace looks back on
const EVIDENCE_KEPT = 60;
const ON_THEIR_WAY = "The next pictures are on their way: press again when they are here.";

let views = 0;

/** One view of the grid; several may show the same model. */
class View {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.prefix = `cleaner-${++views}`;
    this.wire = new Wire(model, () => { this.drawStatus(); this.drawTiles(); });
    this.ledger = new Ledger();
    /** @type {Map<number, Promise<Page>>} */ this.pages = new Map();
    /** @type {Map<string, Promise<any>>} */ this.evidence = new Map();
    /** @type {Page} */ this.page = { number: 0, shown: [], elements: [] };
    /** @type {Scope} */ this.scope = { found: null, total: 0, pages: 1 };
    /** @type {Filter} */ this.filter = EVERYTHING;
    this.wanted = 0;
    this.opening = true;
    this.at = 0;
    /** @type {ReadonlySet<number>} */ this.selected = new Set();
    /** @type {number | null} where a selection begins */ this.anchor = null;
    /** @type {Tile[]} what the picker is open for */ this.picking = [];
    /** @type {Set<string>} in blind mode, whose label was shown */ this.seen = new Set();
    /** @type {number[]} */ this.times = [];
    /** @type {{verdict: Verdict, tiles: {id: string, given: string}[]} | null} what is offered after a verdict */ this.alike = null;
    this.blind = false;
    this.bigger = 0;
    this.columns = 1;
    this.trouble = "";
    this.unsaved = false;
    this.hint = "";
    this.listeners = new AbortController();
    this.build(el);
    this.listen();
    this.open();
  }

  get vocab() { return [...this.model.get("state").vocab, ...this.model.get("added")]; }
  get keys() { return classKeys(this.vocab); }
  get current() { return this.page.shown[this.at]; }
  get turning() { return this.opening || this.wanted !== this.page.number; } // other pictures are on their way: no verdict may meet those before them

  // What is on the page.

  /** @param {HTMLElement} el */
  build(el) {
    this.status = make("p", { class: "status" });
    this.bar = make("div", { class: "meter", role: "progressbar", "aria-label": "Reviewed", "aria-valuemin": "0" }, make("span"));
    this.outlook = make("p", { class: "outlook", role: "status" });
    this.note = make("p", { class: "note", role: "status" });
    this.about = make("p", { class: "about" });
    this.grid = make("div", { class: "tiles", role: "grid", tabindex: "0", "aria-label": "Pictures to review", "aria-readonly": "true", "aria-multiselectable": "true" });
    this.legend = make("div", { class: "legend" });
    this.live = make("p", { class: "heard", "aria-live": "polite" });
    this.tools = make("div", { class: "tools" }, ...judging());
    this.corner = make("div", { class: "corner" }, byMouse(tool("full", "open", "Full size", "F")), byMouse(tool("select", "check", "Select", "Ctrl+click")));
    this.help = this.buildHelp();
    this.strip = new Strip({ withModel: false });
    this.strip.element.hidden = true;
    this.picker = new Picker(this.prefix, { vocab: () => this.vocab, mayAdd: () => this.model.get("offers").classes,
      choose: (label, isNew) => this.choose(label, isNew), leave: () => this.focus() });
    this.full = new FullView({ picture: (id) => this.wire.ask("full", { id }).then(pictureIn), closed: () => { this.drawNote(); this.focus(); } });
    this.filters = new FilterBar({ vocab: () => this.vocab, issues: () => this.model.get("state").issues, wanted: (filter) => this.narrow(filter), offers: this.model.get("offers") });
    this.head = make("div", { class: "head" }, make("div", { class: "bar" }, this.status, this.buildToolbar()), this.bar, this.outlook,
      this.filters.element, this.note, this.about, this.strip.element);
    this.root = make("section", { class: "cleaner-grid", "aria-label": "Review" },
      this.head, this.grid, this.legend, this.picker.element, this.help, this.full.dialog, this.live);
    el.append(this.root);
    this.sized = new ResizeObserver(() => this.onSize());
    for (const element of [this.root, this.head]) this.sized.observe(element);
  }

  buildToolbar() {
    return make("div", { class: "toolbar", role: "toolbar", "aria-label": "Review" },
      button("previous", "Previous page (PageUp)", "Previous"), button("next", "Next page (PageDown)", "Next"),
      button("rest", "All that is undecided on this page is fine; next page (A)", "Rest is fine"),
      tool("undo", "back", "Undo", "Z"), tool("redo", "forth", "Redo", "Shift+Z"), tool("smaller", "minus", "Smaller", "−"), tool("bigger", "plus", "Bigger", "+"),
      button("filter", "Show some pictures only (L)", "Filter"), button("help", "All keys (?)", "Help"));
  }

  buildHelp() {
    const rows = HELP.map(([keys, meaning]) => make("div", {}, make("dt", {}, ...keys.map((key) => make("kbd", {}, key))), make("dd", {}, meaning)));
    return /** @type {HTMLDialogElement} */ (make("dialog", { class: "help", "aria-labelledby": `${this.prefix}-help` },
      make("h2", { id: `${this.prefix}-help` }, "Keys"), make("dl", {}, ...rows),
      make("p", {}, "Keys work while the grid has the focus. Every verdict is saved at once, and nothing is moved or deleted until you apply it."),
      make("form", { method: "dialog" }, make("button", { title: "Close (Esc)" }, "Close"))));
  }

  // What happens.

  listen() {
    const { signal } = this.listeners;
    /** @param {EventTarget} target @param {string} type @param {(event: any) => void} act */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(this.root, "keydown", (event) => this.onKey(event));
    on(this.root, "mousedown", (event) => this.onMouseDown(event));
    on(this.root, "click", (event) => this.onClick(event));
    on(this.grid, "dblclick", (event) => event.target.closest(".photo") && !event.target.closest("button") && this.openFull());
    on(this.grid, "pointerover", (event) => this.bringTools(event.target.closest(".photo")));
    on(this.help, "close", () => this.focus());
    on(window, "beforeunload", (event) => this.ledger.pending.size && event.preventDefault());
    for (const part of [this.picker, this.full, this.filters]) part.listen(signal);
    this.heard = {
      "change:state": () => this.open(), "change:counts": () => this.recount(), "change:added": () => this.drawLegend(), "change:outlook": () => this.drawStatus(), "change:chosen": () => this.followChoice(),
      "msg:custom": (message, buffers) => this.onMessage(message, buffers), "comm_live_update": () => this.wire.probe(0),
    };
    for (const [event, act] of Object.entries(this.heard)) this.model.on(event, act);
  }

  close() {
    this.listeners.abort();
    this.sized.disconnect();
    this.wire.close();
    for (const [event, act] of Object.entries(this.heard)) this.model.off(event, act);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.isComposing || this.help.contains(target)) return;
    const own = target.matches("input, select") && target !== this.picker.typed;
    const inPicker = target === this.picker.typed;
    const forButton = target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ");
    const command = forButton ? null : this.unhurried(commandOf(event), event.repeat);
    const handled = inPicker ? this.picker.onKey(event.key) : own ? this.onFieldKey(target, event.key) : this.act(command);
    if (handled) event.preventDefault();
    if (handled || inPicker || own) event.stopPropagation();
  }

  /** Let a held key turn to the next page only when this one is shown. @param {string | null} command @param {boolean} repeat */
  unhurried(command, repeat) {
    return repeat && (command === "next" || command === "previous") && this.wanted !== this.page.number ? "held" : command;
  }

  /** Keys in a field are the field's, except the ones that leave it. @param {HTMLElement} field @param {string} key */
  onFieldKey(field, key) {
    if (field.classList.contains("jump") && key === "Enter") this.jump(/** @type {HTMLInputElement} */ (field).value);
    else if (key !== "Escape" || this.full.isOpen) return false;
    this.focus();
    return true;
  }

  /** Buttons and tiles leave the focus with the grid, so that keys go on working. @param {MouseEvent} event */
  onMouseDown(event) {
    const target = /** @type {Element} */ (event.target);
    if (!target.closest("button, .tile, .option") || this.help.contains(target)) return;
    event.preventDefault();
    if (!target.closest(".option")) this.focus();
  }

  focus() { (this.full.isOpen ? this.full.stage : this.grid).focus({ preventScroll: true }); }

  /** @param {MouseEvent} event */
  onClick(event) {
    const target = /** @type {Element} */ (event.target);
    const option = target.closest("[data-class]");
    if (option) return this.picker.choose(option);
    const command = target.closest("[data-command]")?.getAttribute("data-command");
    const tile = target.closest(".tile");
    if (tile) this.onTile(Number(tile.getAttribute("data-at")), command, event);
    else if (command) this.act(command);
  }

  /** @param {number} at @param {string | undefined} command @param {MouseEvent} event */
  onTile(at, command, event) {
    if (command === "select" || (!command && (event.ctrlKey || event.metaKey))) return this.pickOut(at);
    if (event.shiftKey && !command) return this.selectTo(at);
    if (!this.selected.has(at) || !command) this.select([]);
    this.moveTo(at, { scroll: false });
    this.anchor = at;
    if (command) this.act(command, { advance: false });
  }

  /** Carry out a command; return whether it was ours. @param {string | null} command */
  act(command, { advance = true } = {}) {
    if (command === null || (command === "leave" && !this.leave())) return false;
    const alike = this.alike;
    this.alike = null;
    this.say("");
    const [word, rest] = command.split(" ");
    const commands = {
      alike: () => this.judgeAlike(alike),
      next: () => this.turn(1), previous: () => this.turn(-1), rest: () => this.restIsFine(), undo: () => this.takeBack("undo"), redo: () => this.takeBack("redo"),
      bigger: () => this.resize(1), smaller: () => this.resize(-1), help: () => this.help.showModal(), held: () => {}, leave: () => {},
      all: () => this.select(this.page.shown.keys()), extend: () => this.selectTo(this.placeAfter(rest)), jump: () => this.askPage(),
      full: () => this.openFull(), evidence: () => this.toggleStrip(), blind: () => this.toggleBlind(), filter: () => this.openFilters(),
      everything: () => this.narrow(EVERYTHING), sprint: () => this.sprint(), near: () => this.near(), reconnect: () => this.wire.probe(0), reload: () => location.reload(),
    };
    if (Object.hasOwn(commands, word)) commands[word]();
    else if (isMove(command)) this.step(command);
    else if (this.current) this.judge(command, advance);
    return true;
  }

  /** Leave what is open or selected; return whether there was anything. */
  leave() {
    if (this.full.isOpen) this.full.close();
    else if (this.selected.size) this.select([]);
    else return false;
    return true;
  }

  // Moving and selecting.

  /** @param {string} move */
  placeAfter(move) { return moved(move, this.at, this.page.shown.length, this.columns); }

  /** Move to another picture; in full size, also across pages. @param {string} move */
  step(move) {
    const to = this.full.isOpen ? this.at + ({ left: -1, up: -1, right: 1, down: 1 }[move] ?? 0) : this.placeAfter(move);
    if (to < 0 || to >= this.page.shown.length) return this.turn(to < 0 ? -1 : 1);
    this.select([]);
    this.anchor = null;
    this.moveTo(to);
  }

  /** @param {Iterable<number>} places */
  select(places) {
    this.selected = new Set(places);
    this.root.classList.toggle("selecting", this.selected.size > 0);
    for (const [at, element] of this.page.elements.entries()) {
      element.classList.toggle("selected", this.selected.has(at));
      element.firstElementChild.setAttribute("aria-selected", String(this.selected.has(at)));
    }
    this.drawAbout();
  }

  /** Add one picture to the selection, or take it out; the one clicked before it belongs to it too. @param {number} at */
  pickOut(at) {
    const before = this.selected.size === 0 && this.anchor !== null && this.anchor !== at ? [this.anchor] : this.selected;
    this.moveTo(at, { scroll: false });
    this.anchor = at;
    this.select(toggled(new Set(before), at));
  }

  /** Select from where the selection begins to a picture. @param {number} at */
  selectTo(at) {
    if (this.full.isOpen || !this.page.shown.length) return;
    this.anchor ??= this.at;
    this.moveTo(at);
    this.select(between(this.anchor, at));
  }

  /** Return the pictures that a verdict is for. */
  get targets() {
    const places = this.full.isOpen || !this.selected.size ? [this.at] : [...this.selected].sort((one, two) => one - two);
    return places.map((at) => this.page.shown[at].tile);
  }

  /** @param {number} at */
  moveTo(at, { scroll = true } = {}) {
    this.page.elements[this.at]?.classList.remove("current");
    this.at = at;
    this.drawAbout();
    const element = this.page.elements[at];
    if (!element) return this.grid.removeAttribute("aria-activedescendant");
    element.classList.add("current");
    this.grid.setAttribute("aria-activedescendant", element.firstElementChild.id);
    if (scroll && this.root.contains(document.activeElement)) element.scrollIntoView({ block: "nearest" });
  }

  // Judging.

  /** @param {string} command @param {boolean} advance */
  judge(command, advance) {
    if (this.turning) return this.say(ON_THEIR_WAY);
    const tiles = this.targets;
    const needsLabel = ["fine", "accept", "suggestion"].includes(command.split(" ")[0]);
    if (needsLabel && this.reveal(tiles)) return this.say("Now you see the label: press again to decide.");
    if (command === "pick") return this.openPicker(tiles);
    if (command === "clear" && tiles.every(({ id }) => this.ledger.of(id) === null)) return this.say("There is no verdict to clear here.");
    const verdicts = tiles.map((tile) => verdictOf(tile, command, this.keys)).filter((verdict) => verdict !== null);
    if (!verdicts.length) return this.say(this.whyNot(command));
    this.decide(verdicts);
    if (verdicts.length < tiles.length) this.say(`${counted(tiles.length - verdicts.length, "picture")} had no such suggestion and ${tiles.length - verdicts.length === 1 ? "was" : "were"} left alone.`);
    this.goOn(tiles, advance && command !== "clear");
  }

  /** @param {string} command */
  whyNot(command) {
    if (/^[0-9]$/.test(command)) return `No class has the key ${command}; press / to pick one.`;
    return command === "accept" ? "The model agrees with this label: Space marks it as fine." : "The model suggests no such class; press / to pick one.";
  }

  /** Go on after a verdict: from one picture to the next, from several to the first that waits. @param {Tile[]} tiles @param {boolean} advance */
  goOn(tiles, advance) {
    if (tiles.length > 1) {
      const undecided = this.page.shown.findIndex(({ tile }) => this.ledger.of(tile.id) === null);
      this.select([]);
      this.moveTo(undecided < 0 ? this.at : undecided);
    } else if (advance) this.advance();
    this.anchor = null;
  }

  advance() {
    this.select([]);
    if (this.at + 1 < this.page.shown.length) this.moveTo(this.at + 1);
    else if (this.page.number + 1 < this.scope.pages) this.say("That was the last picture of this page. A or PageDown goes on.");
  }

  restIsFine() {
    if (this.turning) return this.say(ON_THEIR_WAY);
    const open = this.page.shown.filter(({ tile }) => this.ledger.of(tile.id) === null).map(({ tile }) => tile);
    if (this.reveal(open)) return this.say("Now you see the labels: press A again to mark the rest as fine.");
    if (open.length) this.decide(open.map(({ id }) => ({ id, action: "keep", label: null })), { rest: true });
    this.turn(1);
  }

  /** Draw verdicts at once, and let Python keep them; `rest` spares what another window has decided. @param {Verdict[]} verdicts */
  decide(verdicts, { rest = false, isNew = false } = {}) {
    const answer = this.wire.ask("decide", { verdicts, rest, new: isNew }, (request) => this.ledger.hold(request, verdicts));
    [this.trouble, this.unsaved] = ["", false];
    this.times = [...this.times, ...verdicts.map(() => Date.now())].slice(-REMEMBERED);
    this.drawTiles();
    this.drawStatus();
    const what = verdicts.length === 1 ? verdicts[0].id : counted(verdicts.length, "picture");
    this.announce(verdicts.length === 1 ? told(verdicts[0]) : `${what}: ${told(verdicts[0])}`);
    answer.then(({ message }) => this.offerAlike(verdicts[0], message.alike ?? []),
      (error) => this.complain(`Not saved (${what}): ${error.message}`, { unsaved: true }));
  }

  /** Offer a verdict for the pictures that are nearly identical to the one that has it. @param {Verdict} verdict @param {{id: string, given: string}[]} tiles */
  offerAlike(verdict, tiles) {
    this.alike = tiles.length ? { verdict, tiles } : null;
    this.drawNote();
  }

  /** @param {{verdict: Verdict, tiles: {id: string, given: string}[]} | null} alike */
  judgeAlike(alike) {
    if (alike === null) return this.say("No picture that is nearly identical waits for a verdict.");
    const { verdict: { action, label }, tiles } = alike;
    this.decide(tiles.map((tile) => (action === "relabel" ? relabelled(tile, label) : { id: tile.id, action, label })));
  }

  /** @param {"undo" | "redo"} kind */
  async takeBack(kind) {
    const done = kind === "undo" ? "Taken back" : "Done again";
    try {
      const { message } = await this.wire.ask(kind, { found: this.scope.found });
      const [first] = message.verdicts;
      const where = this.scope.found === null ? "in this queue" : "among these pictures";
      if (message.page === null) return this.say(`${done}: the verdict on ${first.id}, which is not ${where}.`);
      await this.go(message.page, first.id);
      this.say(`${done}: ${counted(message.verdicts.length, "verdict")}.`);
    } catch (error) {
      this.say(error.message);
    }
  }

  // The class picker.

  /** @param {Tile[]} tiles */
  openPicker(tiles) {
    const [first] = tiles;
    const hidden = tiles.length > 1 || this.isHidden(first);
    this.picking = tiles;
    const beside = this.full.isOpen ? this.full.verdict : this.page.elements[this.at];
    const heading = tiles.length > 1 ? `Relabel ${tiles.length} pictures to…` : "Relabel to…";
    this.picker.open(hidden ? { ...first, given: null, suggestions: [] } : first, heading, beside, this.full.isOpen ? this.full.dialog : this.root);
  }

  /** @param {string} label @param {boolean} isNew */
  choose(label, isNew) {
    const tiles = this.picking;
    this.focus();
    this.decide(tiles.map((tile) => relabelled(tile, label)), { isNew });
    this.goOn(tiles, true);
  }

  // Talking to Python.

  /** @param {any} message @param {DataView[]} buffers */
  onMessage(message, buffers) {
    const ids = this.ledger.drop(message.request);
    if (message.kind === "saved") this.ledger.keep(message.verdicts); // also what another view has decided
    this.wire.receive(message, buffers);
    if (message.kind === "saved" || ids.length) this.drawTiles();
    this.drawStatus();
  }

  /** Tell what went wrong, until the next verdict or page. @param {string} sentence */
  complain(sentence, { unsaved = false } = {}) {
    [this.trouble, this.unsaved] = [sentence, unsaved];
    this.drawStatus();
  }

  // Pages.

  /** Begin with a queue: forget the old one, show its first page that waits for a verdict. */
  open() {
    const { total, pages } = this.model.get("state");
    this.ledger.saved.clear();
    this.evidence.clear();
    this.drawLegend();
    const known = this.model.get("state").issues.some(([kind]) => kind === this.filter.issue);
    this.filter = { ...this.filter, issue: known ? this.filter.issue : null, chosen: this.model.get("chosen").name ?? null };
    if (isNarrow(this.filter)) return this.narrow(this.filter);
    this.enter({ found: null, total, pages });
  }

  /** Count pages in something else from now on, and show the first of them that waits for a verdict. @param {Scope} scope */
  async enter(scope) {
    this.scope = scope;
    this.pages.clear();
    await this.leaveFor(async () => {
      this.drawStatus();
      const { message, buffers } = await this.wire.ask("page", { page: null, found: scope.found });
      const page = this.decodedPage(message, buffers, scope);
      this.pages.set(message.page, page);
      await this.go(message.page, null);
    });
  }

  /** Get other pictures; if that fails, those that are shown stay. @param {() => Promise<void>} get */
  async leaveFor(get) {
    this.opening = true;
    try {
      await get();
    } catch (error) {
      this.stay("");
      this.complain(error.message);
    }
  }

  /** Go on with the pictures that are shown. @param {string} sentence */
  stay(sentence) {
    this.opening = false;
    this.say(sentence);
  }

  /** @param {any} message @param {DataView[]} buffers @param {Scope} scope @returns {Promise<Page>} */
  async decodedPage(message, buffers, scope) {
    if (message.epoch !== this.model.get("state").epoch) return new Promise(() => {}); // of a queue that is gone
    this.ledger.keep(message.verdicts);
    /** @type {Shown[]} */ const shown = await Promise.all(message.tiles.map((tile) => withImage(tile, buffers[0])));
    if (scope !== this.scope) return new Promise(() => {}); // of a filter that was left
    const first = message.page * this.model.get("state").page_size;
    return { number: message.page, shown, elements: shown.map((each, at) => drawTile(each, at, first + at, this.prefix)) };
  }

  /** Fetch a page, once; what lies further than one page away is forgotten. @param {number} number @returns {Promise<Page>} */
  fetch(number) {
    const known = this.pages.get(number);
    if (known) return known;
    const scope = this.scope;
    const page = this.wire.ask("page", { page: number, found: scope.found }).then(({ message, buffers }) => this.decodedPage(message, buffers, scope));
    page.catch(() => this.pages.delete(number));
    this.pages.set(number, page);
    return page;
  }

  /** @param {number} step */
  turn(step) {
    const to = this.wanted + step;
    if (to < 0) return this.say("This is the first page.");
    if (to >= this.scope.pages) return this.say(this.allDone() ? "" : "This is the last page.");
    this.goOrComplain(to);
  }

  /** @param {number} to */
  goOrComplain(to) {
    this.go(to, null).catch((error) => this.complain(error.message));
  }

  /** Show a page as soon as it is decoded, at the tile of an id or else at the first undecided one. @param {number} number @param {string | null} id */
  async go(number, id) {
    this.wanted = number;
    this.drawStatus();
    const page = await this.fetch(number).catch((error) => {
      if (this.wanted === number) [this.wanted, this.opening] = [this.page.number, false];
      throw error;
    });
    if (this.wanted !== number) return; // turned on in the meantime
    const stays = page === this.page;
    const ahead = number + (number < this.page.number ? -1 : 1);
    this.select([]);
    this.page = page;
    this.opening = false;
    this.anchor = null;
    if (!this.unsaved) this.trouble = "";
    this.say("");
    const undecided = page.shown.findIndex(({ tile }) => this.ledger.of(tile.id) === null);
    if (!stays) this.drawPage();
    this.drawStatus();
    this.moveTo(Math.max(0, id === null ? undecided : page.shown.findIndex(({ tile }) => tile.id === id)));
    for (const known of this.pages.keys()) if (Math.abs(known - number) > 1) this.pages.delete(known);
    afterPaint(() => this.page === page && ahead >= 0 && ahead < this.scope.pages && this.fetch(ahead).catch(() => {})); // asked again when turned to
  }

  /** Turn the page number into a field. */
  askPage() {
    const field = /** @type {HTMLInputElement} */ (make("input", { class: "jump", type: "text", inputmode: "numeric", "aria-label": "Go to page", value: String(this.wanted + 1) }));
    field.addEventListener("blur", () => { field.remove(); this.drawStatus(); });
    this.status.prepend(field);
    field.select();
    field.focus();
  }

  /** @param {string} typed */
  jump(typed) {
    const page = Number(typed);
    if (Number.isInteger(page) && page >= 1 && page <= this.scope.pages) this.goOrComplain(page - 1);
    else this.say(`There are pages 1 to ${this.scope.pages.toLocaleString("en")}.`);
  }

  // Filters.

  openFilters() {
    this.filters.toggleOpen();
    if (!this.filters.isOpen) return this.focus();
    this.filters.given.focus();
    this.wire.ask("find", { filter: this.filter }).then(({ message }) => this.filters.show(this.filter, message.pairs), (error) => this.complain(error.message));
  }

  /** Show only what fits a filter. @param {Filter} filter */
  async narrow(filter) {
    await this.leaveFor(async () => {
      const { message } = await this.wire.ask("find", { filter });
      const { found, total, pages } = message;
      this.filter = filter;
      this.filters.show(filter, message.pairs);
      const whole = this.model.get("state");
      await this.enter(isNarrow(filter) ? { found, total, pages } : { found: null, total: whole.total, pages: whole.pages });
    });
  }

  /** Show what was chosen elsewhere, or all again. */
  followChoice() {
    const { name } = this.model.get("chosen");
    if (name !== undefined) this.narrow({ ...EVERYTHING, chosen: name });
    else if (this.filter.chosen !== null) this.narrow({ ...this.filter, chosen: null });
  }

  /** Show only the pictures most like the current one. */
  near() {
    if (!this.model.get("offers").near) return this.say("It isn’t known here which pictures are alike.");
    if (this.current) this.wire.ask("near", { id: this.current.tile.id }).catch((error) => this.complain(error.message));
  }

  /** Show what is undecided of the pair of classes that is confused most. */
  async sprint() {
    await this.leaveFor(async () => {
      const { message } = await this.wire.ask("find", { filter: EVERYTHING });
      const [pair] = message.pairs;
      if (!pair) return this.stay("No pair of classes is left to decide.");
      await this.narrow({ ...EVERYTHING, given: pair[0], suggested: pair[1], verdict: "undecided" });
    });
  }

  // Blind mode.

  /** @param {Tile} tile */
  isHidden(tile) { return this.blind && !this.seen.has(tile.id) && this.ledger.of(tile.id) === null; }

  /** Show the labels of pictures where they are hidden; return whether any was. @param {Tile[]} tiles */
  reveal(tiles) {
    const hidden = tiles.filter((tile) => this.isHidden(tile));
    for (const { id } of hidden) this.seen.add(id);
    if (hidden.length) this.drawTiles();
    return hidden.length > 0;
  }

  toggleBlind() {
    this.blind = !this.blind;
    this.seen.clear();
    this.filters.press("blind", this.blind);
    this.drawTiles();
    this.say(this.blind ? "Blind: labels are hidden until you ask for them with Space or Enter, or choose a class." : "");
  }

  // Full size and evidence.

  openFull() {
    if (!this.current || this.full.isOpen) return this.full.isOpen ? this.full.close() : undefined;
    this.select([]);
    this.full.open();
    this.drawNote();
    this.drawFull();
  }

  drawFull() {
    if (!this.full.isOpen) return;
    if (!this.current) return this.full.close();
    const { tile } = this.current;
    const now = { verdict: this.ledger.of(tile.id), pending: this.ledger.isPending(tile.id), hidden: this.isHidden(tile), next: this.page.shown[this.at + 1]?.tile.id ?? null };
    this.full.show(this.current, now);
    this.drawStrip(this.full.strip);
  }

  toggleStrip() {
    if (!this.model.get("offers").evidence) return this.say("There is no evidence to show here.");
    const { element } = this.strip;
    element.hidden = !element.hidden;
    this.filters.press("evidence", !element.hidden);
    this.drawStrip(this.strip);
  }

  /** @param {Strip} strip */
  drawStrip(strip) {
    const tile = this.current?.tile;
    if (!tile || strip.element.hidden) return;
    if (this.isHidden(tile)) return strip.blank();
    if (strip.of !== tile.id) strip.show(tile, this.evidenceOf(tile.id));
  }

  /** @param {string} id */
  evidenceOf(id) {
    if (!this.model.get("offers").evidence) return Promise.resolve({ given: [], suggested: [], reasons: [] });
    const known = this.evidence.get(id);
    if (known) return known;
    const evidence = this.wire.ask("evidence", { id }).then(evidenceIn);
    evidence.catch(() => this.evidence.delete(id));
    this.evidence.set(id, evidence);
    if (this.evidence.size > EVIDENCE_KEPT) this.evidence.delete(this.evidence.keys().next().value);
    return evidence;
  }

  // Drawing.

  drawPage() {
    this.grid.replaceChildren(...this.page.elements);
    this.grid.setAttribute("aria-rowcount", String(this.scope.total));
    this.drawTiles();
  }

  drawTiles() {
    for (const [at, { tile }] of this.page.shown.entries()) this.drawVerdict(this.page.elements[at], tile);
    this.drawAbout();
  }

  /** @param {HTMLElement} element @param {Tile} tile */
  drawVerdict(element, tile) {
    const verdict = this.ledger.of(tile.id);
    const [pending, late, hidden] = [this.ledger.isPending(tile.id), this.wire.late, this.isHidden(tile)];
    const state = `${verdict?.action ?? ""} ${verdict?.label ?? ""} ${pending} ${pending && late} ${hidden}`;
    if (element.dataset.state === state) return;
    element.dataset.state = state;
    element.dataset.verdict = verdict?.action ?? "";
    element.dataset.pending = String(pending);
    element.dataset.hidden = String(hidden);
    const unsaved = pending && late ? [make("span", { class: "late" }, "not saved")] : pending ? [heard("not saved yet")] : [];
    const badge = /** @type {HTMLElement} */ (element.querySelector(".badge"));
    badge.replaceChildren(...(verdict ? [icon(VERDICTS[verdict.action].icon), named(told(verdict), "word"), ...unsaved] : unsaved));
    /** @type {HTMLElement} */ (element.querySelector(".photo")).title = hidden ? "" : tile.id;
  }

  /** Lay the buttons over the picture that the mouse is on. @param {HTMLElement | null} photo */
  bringTools(photo) {
    if (photo && this.tools.parentElement !== photo) photo.append(this.tools, this.corner);
  }

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
    const typing = this.status.querySelector(".jump");
    const page = `Page ${(this.wanted + 1).toLocaleString("en")} of ${this.scope.pages.toLocaleString("en")}`;
    const place = typing ?? make("span", {}, button("jump", "Go to a page", page));
    const among = this.scope.found === null ? [] : [make("span", { class: "among" }, `${counted(this.scope.total, "picture")} ${filterTold(this.filter)}`, tool("everything", "cross", "Show all"))];
    const parts = progress(counts, paceOf(this.times)).map((text) => make("span", {}, text));
    if (!typing) this.status.replaceChildren(place, ...among, ...parts, this.saveState());
    this.bar.setAttribute("aria-valuemax", String(counts.total));
    this.bar.setAttribute("aria-valuenow", String(counts.reviewed));
    /** @type {HTMLElement} */ (this.bar.firstElementChild).style.width = `${counts.total ? (100 * counts.reviewed) / counts.total : 0}%`;
    this.outlook.textContent = this.model.get("outlook");
    this.outlook.hidden = !this.outlook.textContent;
    this.drawNote();
    for (const [command, off] of [["previous", this.wanted === 0], ["next", this.wanted + 1 >= this.scope.pages]])
      this.root.querySelector(`.toolbar [data-command=${command}]`).toggleAttribute("disabled", Boolean(off));
  }

  saveState() {
    const pending = this.ledger.pending.size > 0;
    if (this.unsaved || (pending && this.wire.late)) return make("span", { class: "unsaved" }, icon("cross"), "not saved");
    return pending ? make("span", { class: "saving" }, "saving…") : make("span", { class: "saved" }, icon("check"), "saved");
  }

  drawNote() {
    const [sentence, tone, remedy] = this.noteNow();
    for (const note of [this.note, this.full.note]) {
      const text = (note === this.full.note) === this.full.isOpen ? sentence : ""; // where the person looks
      if (note.dataset.text === text) continue;
      note.replaceChildren(text, ...(text && remedy ? [button(remedy[0], "", remedy[1])] : []));
      note.dataset.text = text;
      note.dataset.tone = tone;
      note.hidden = !text;
    }
    this.about.hidden = Boolean(this.note.dataset.text); // both have the same place, so that no picture moves
  }

  /** Choose the one sentence that matters now, its tone, and the button that may help. @returns {[string, string, [string, string]?]} */
  noteNow() {
    if (this.wire.late) return [this.silence(), "bad", "voila" in document.body.dataset ? ["reload", "Reload the page"] : ["reconnect", "Try again"]];
    if (this.trouble) return [this.trouble, "bad"];
    if (this.hint) return [this.hint, "calm"];
    if (this.alike) return this.offer(this.alike);
    if (this.model.get("state").total === 0) return ["There is nothing to review.", "calm"];
    if (this.opening) return ["Fetching the pictures…", "calm"];
    if (this.scope.total === 0) return ["No picture fits this filter.", "calm", ["everything", "Show all"]];
    if (this.allDone()) return [`All ${counted(this.model.get("counts").total, "picture")} are decided. Z takes the last verdict back.`, "good"];
    return ["", "calm"];
  }

  /** @param {{verdict: Verdict, tiles: object[]}} alike @returns {[string, string, [string, string]]} */
  offer({ verdict, tiles }) {
    const them = tiles.length === 1 ? "1 more picture is" : `${tiles.length.toLocaleString("en")} more pictures are`;
    return [`${them} nearly identical to the last one (${told(verdict)}).`, "calm", ["alike", "The same for them (Y)"]];
  }

  /** Say that Python is silent, and what to do. */
  silence() {
    const pending = [...this.ledger.pending.values()].flat().length;
    const kept = pending ? ` ${counted(pending, "verdict")} not saved yet.` : "";
    if (!this.wire.gone) return `The kernel doesn’t answer: it is busy or gone. If this lasts, reload the page; what is saved is safe.${kept}`;
    const remedy = "voila" in document.body.dataset ? "reload the page" : "run the cell of this grid again";
    return `The kernel was restarted or has ended. What is saved is safe: ${remedy} to go on where you were.${kept}`;
  }

  /** Say which file the current picture is, what speaks against its label, what else it may be; or how many are selected. */
  drawAbout() {
    const tile = this.current?.tile;
    const several = this.selected.size > 1 ? [make("span", { class: "several" }, `${this.selected.size} selected: a verdict is for all of them. Esc ends it.`)] : null;
    this.about.replaceChildren(...(several ?? (tile ? this.described(tile) : [])));
    this.drawStrip(this.strip);
    this.drawFull();
  }

  /** @param {Tile} tile */
  described(tile) {
    if (this.isHidden(tile)) return [make("span", {}, "The label is hidden: choose a class, or press Space or Enter to see it.")];
    const others = tile.suggestions.slice(1).map(([name, p], at) => make("span", { class: "other" }, make("kbd", {}, `Shift+${at + 2}`), named(name, "class"), percent(p)));
    return [named(tile.id, "file"), ...tile.reasons.map((reason) => named(reason, "reason")), ...others];
  }

  drawLegend() {
    const entries = [...this.keys].map(([digit, name]) => make("span", { class: "key" }, make("kbd", {}, digit), named(name, "class")));
    const fixed = [["/", "any class"], ["Space", "fine"], ["Enter", "accept"], ["X", "remove"], ["U", "can’t tell"], ["A", "rest is fine"], ["F", "full size"], ["?", "all keys"]];
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
    this.root.style.setProperty("--head", `${this.head.offsetHeight}px`);
    this.resize(0);
    const active = /** @type {HTMLElement | null} */ (document.activeElement);
    const nobody = active === null || active === document.body || active.offsetParent === null;
    if (nobody && this.root.clientWidth > 0 && !this.full.isOpen) this.focus();
  }

  /** Make the pictures bigger or smaller; in full size, zoom. @param {number} step */
  resize(step) {
    if (step && this.full.isOpen) return this.full.zoomStep(/** @type {1 | -1} */ (step));
    const columns = columnsFor(this.root.clientWidth, this.bigger + step);
    if (step && columns === this.columns) return; // as far as it goes
    this.bigger += step;
    this.columns = columns;
    this.root.style.setProperty("--columns", String(columns));
    if (step) this.page.elements[this.at]?.scrollIntoView({ block: "nearest" });
  }
}

export default {
  /** @param {{model: any, el: HTMLElement}} place */
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
