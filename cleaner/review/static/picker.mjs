// The class picker: type a few letters, choose a class or make a new one. It decides nothing itself.

import { matching, newClass, percent } from "./rules.mjs";
import { make, named } from "./pieces.mjs";

/** @typedef {import("./rules.mjs").Tile} Tile */

const MOST_OPTIONS = 100;

/** A small window beside the picture it speaks of. */
export class Picker {
  /**
   * @param {string} prefix for ids
   * @param {{vocab: () => string[], mayAdd: () => boolean, choose: (label: string, isNew: boolean) => void, leave: () => void}} grid
   */
  constructor(prefix, grid) {
    this.prefix = prefix;
    this.grid = grid;
    /** @type {Tile | null} */ this.tile = null;
    this.marked = 0;
    const list = `${prefix}-classes`;
    this.typed = /** @type {HTMLInputElement} */ (make("input", { type: "text", role: "combobox", "aria-label": "Relabel to", "aria-controls": list,
      "aria-expanded": "true", "aria-autocomplete": "list", placeholder: "Relabel to…", autocomplete: "off", spellcheck: "false", dir: "auto" }));
    this.options = make("ul", { id: list, role: "listbox", "aria-label": "Classes" });
    this.more = make("p", { class: "more", role: "status" });
    this.element = make("div", { class: "picker", hidden: true }, this.typed, this.options, this.more);
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    this.typed.addEventListener("input", () => this.draw(), { signal });
    this.typed.addEventListener("blur", () => this.close(), { signal });
  }

  /** Open beside an element, inside a host that both lie in. @param {Tile} tile @param {string} heading @param {Element} beside @param {HTMLElement} host */
  open(tile, heading, beside, host) {
    this.tile = tile;
    this.typed.value = "";
    this.typed.placeholder = heading;
    host.append(this.element);
    this.element.hidden = false;
    this.draw();
    this.place(beside, host);
    this.typed.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {Element} beside @param {HTMLElement} host */
  place(beside, host) {
    const [tile, root] = [beside, host].map((element) => element.getBoundingClientRect());
    const [right, bottom] = [root.width - this.element.offsetWidth - 8, root.height - this.element.offsetHeight - 8];
    this.element.style.left = `${Math.max(8, Math.min(tile.left - root.left, right))}px`;
    this.element.style.top = `${Math.max(8, Math.min(tile.bottom - root.top - 60, bottom))}px`;
  }

  close() { this.element.hidden = true; }

  draw() {
    const vocab = this.grid.vocab();
    const found = matching(vocab, this.typed.value, this.tile.suggestions.map(([name]) => name));
    const added = this.grid.mayAdd() ? newClass(vocab, this.typed.value) : null;
    const rest = found.length - MOST_OPTIONS;
    const options = found.slice(0, MOST_OPTIONS).map((name) => ({ name, remark: this.remark(name), isNew: false }));
    if (added !== null) options.push({ name: added, remark: "new class", isNew: true });
    this.options.replaceChildren(...options.map((option, at) => this.option(option, at)));
    this.more.textContent = rest > 0 ? `${rest} more: type a few letters` : options.length ? "" : "No class fits what you typed.";
    this.more.hidden = !this.more.textContent;
    this.mark(0);
  }

  /** @param {string} name */
  remark(name) {
    if (name === this.tile.given) return "label now";
    const suggestion = this.tile.suggestions.find(([suggested]) => suggested === name);
    return suggestion ? percent(suggestion[1]) || "suggested" : "";
  }

  /** @param {{name: string, remark: string, isNew: boolean}} option @param {number} at */
  option({ name, remark, isNew }, at) {
    const attributes = { role: "option", id: `${this.prefix}-class-${at}`, class: "option", "data-class": name, "data-new": String(isNew), "aria-selected": "false" };
    return make("li", attributes, named(name, "class"), make("small", {}, remark));
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
  onKey(key) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (key in steps) this.mark(this.marked + steps[key]);
    else if (key === "Enter") this.choose(this.options.children[this.marked]);
    else if (key === "Escape") this.grid.leave();
    else return false;
    return true;
  }

  /** @param {Element | undefined} option */
  choose(option) {
    if (option) this.grid.choose(option.getAttribute("data-class"), option.getAttribute("data-new") === "true");
  }
}
