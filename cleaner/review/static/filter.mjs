// The filter bar: what a person wants to see of the queue, as a form. It finds nothing itself.

import { EVERYTHING, ORIGINS, STATES, isNarrow } from "./rules.mjs";
import { button, make } from "./pieces.mjs";

/** @typedef {import("./rules.mjs").Filter} Filter */

const TYPING = 250; // milliseconds after the last letter of a file name

/** A row of choices above the pictures. */
export class FilterBar {
  /** @param {{vocab: () => string[], issues: () => [string, number][], wanted: (filter: Filter) => void, offers: {evidence?: boolean}}} grid */
  constructor(grid) {
    this.grid = grid;
    /** @type {Filter} */ this.filter = EVERYTHING;
    /** @type {[string, string, number][]} */ this.pairs = [];
    this.given = this.select("Label");
    this.suggested = this.select("Suggested");
    this.origin = this.select("Scored");
    this.verdict = this.select("Verdict");
    this.issue = this.select("Finding");
    this.pair = this.select("Confused pair");
    this.name = /** @type {HTMLInputElement} */ (make("input", { type: "search", placeholder: "part of the file name", "aria-label": "File name", maxlength: "500", spellcheck: "false" }));
    const evidence = grid.offers.evidence ? [this.toggle("evidence", "Evidence", "Typical pictures of both classes (E)")] : [];
    this.element = make("div", { class: "filter", hidden: true, role: "search", "aria-label": "Filter" },
      ...[this.given, this.suggested, this.pair, this.issue, this.origin, this.verdict].map(labelled), labelled(this.name),
      button("everything", "Show the whole queue again", "Clear"), make("span", { class: "gap" }),
      this.toggle("sprint", "Sprint", "Through the pair of classes that is confused most (S)"), this.toggle("blind", "Blind", "Hide labels until a key is pressed (B)"), ...evidence);
  }

  /** @param {string} label */
  select(label) { return /** @type {HTMLSelectElement} */ (make("select", { "aria-label": label })); }

  /** @param {string} command @param {string} text @param {string} title */
  toggle(command, text, title) {
    const made = button(command, title, text);
    if (command !== "sprint") made.setAttribute("aria-pressed", "false");
    return made;
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    for (const select of [this.given, this.suggested, this.issue, this.origin, this.verdict]) select.addEventListener("change", () => this.chosen(), { signal });
    this.pair.addEventListener("change", () => this.choosePair(), { signal });
    this.name.addEventListener("input", () => this.typed(), { signal });
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  get isOpen() { return !this.element.hidden; }

  toggleOpen() {
    this.element.hidden = !this.element.hidden;
    if (this.isOpen) this.draw();
  }

  /** Show a filter that was chosen, and the pairs that are confused now. @param {Filter} filter @param {[string, string, number][]} pairs */
  show(filter, pairs) {
    [this.filter, this.pairs] = [filter, pairs];
    if (this.isOpen) this.draw();
  }

  draw() {
    const classes = this.grid.vocab().map((name) => /** @type {[string, string]} */ ([name, name]));
    fill(this.given, "any", classes, this.filter.given);
    fill(this.suggested, "any", classes, this.filter.suggested);
    fill(this.origin, "any", Object.keys(ORIGINS).map((name) => [name, name]), this.filter.origin);
    fill(this.verdict, "any", Object.entries(STATES), this.filter.verdict);
    fill(this.pair, "any", this.pairs.map(([given, suggested, waiting], at) => [String(at), `${given} → ${suggested} (${waiting} to decide)`]), this.pairNow());
    const issues = this.grid.issues();
    fill(this.issue, "any", issues.map(([kind, many]) => [kind, `${kind} (${many.toLocaleString("en")})`]), this.filter.issue);
    /** @type {HTMLElement} */ (this.issue.parentElement).hidden = !issues.length;
    if (document.activeElement !== this.name) this.name.value = this.filter.name;
    this.element.classList.toggle("narrow", isNarrow(this.filter));
  }

  pairNow() {
    const at = this.pairs.findIndex(([given, suggested]) => given === this.filter.given && suggested === this.filter.suggested);
    return at < 0 ? null : String(at);
  }

  chosen() {
    this.grid.wanted({ given: chosenIn(this.given), suggested: chosenIn(this.suggested), origin: chosenIn(this.origin), verdict: chosenIn(this.verdict), issue: chosenIn(this.issue), name: this.name.value, chosen: this.filter.chosen });
  }

  choosePair() {
    const pair = this.pairs[Number(chosenIn(this.pair) ?? -1)];
    this.grid.wanted(pair ? { ...EVERYTHING, given: pair[0], suggested: pair[1], verdict: "undecided", chosen: this.filter.chosen } : { ...EVERYTHING, chosen: this.filter.chosen });
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.chosen(), TYPING);
  }

  /** @param {string} command @param {boolean} on */
  press(command, on) { this.element.querySelector(`[data-command=${command}]`)?.setAttribute("aria-pressed", String(on)); }
}

/** @param {HTMLElement} field */
const labelled = (field) => make("label", {}, make("span", { "aria-hidden": "true" }, field.getAttribute("aria-label")), field);

/** @param {HTMLSelectElement} select @param {string} none @param {[string, string][]} choices @param {string | null} chosen */
function fill(select, none, choices, chosen) {
  const options = choices.map(([value, text]) => make("option", { value: `=${value}`, dir: "auto" }, text));
  select.replaceChildren(make("option", { value: "" }, none), ...options);
  select.value = chosen === null ? "" : `=${chosen}`;
}

/** @param {HTMLSelectElement} select */
const chosenIn = (select) => (select.value === "" ? null : select.value.slice(1));
