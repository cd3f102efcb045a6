// Asks Python, one numbered message per question, and notices when no answer comes. It knows no picture and no verdict.

const PATIENCE = 10_000; // milliseconds before a silent kernel is mentioned
const PROBE = 3_000; // milliseconds for a kernel that is asked whether it is still there

/** @typedef {{message: any, buffers: DataView[]}} Answer */
/** @typedef {{kind: string, fields: object, resolve: (answer: Answer) => void, reject: (error: Error) => void, timer: number, late: boolean}} Waiting */

/** The questions of one view on their way. */
export class Wire {
  /** @param {any} model @param {() => void} changed called when an answer is late or the connection is gone */
  constructor(model, changed) {
    this.model = model;
    this.changed = changed;
    this.request = Math.floor(Math.random() * 2 ** 31) * 2 ** 20; // no two views may share a number
    /** @type {Map<number, Waiting>} */ this.waiting = new Map();
    this.gone = false;
  }

  /** Ask Python; the promise settles with its answer. @param {string} kind @param {object} fields @param {(request: number) => void} [before] @returns {Promise<Answer>} */
  ask(kind, fields, before, patience = PATIENCE) {
    const request = ++this.request;
    before?.(request);
    return new Promise((resolve, reject) => {
      const timer = window.setTimeout(() => this.overdue(request), patience);
      this.waiting.set(request, { kind, fields, resolve, reject, timer, late: false });
      this.send(request, kind, fields);
    });
  }

  /** @param {number} request @param {string} kind @param {object} fields */
  send(request, kind, fields) {
    try {
      this.model.send({ kind, request, ...fields });
    } catch {
      this.overdue(request); // the connection is gone
    }
  }

  /** @param {number} request */
  overdue(request) {
    const waiting = this.waiting.get(request);
    if (!waiting) return;
    waiting.late = true;
    this.changed();
  }

  /** Settle the question that a message answers, if it is one of ours. @param {any} message @param {DataView[]} buffers */
  receive(message, buffers) {
    const waiting = this.waiting.get(message.request);
    if (!waiting) return;
    this.gone = false;
    clearTimeout(waiting.timer);
    this.waiting.delete(message.request);
    if (message.kind === "refused") waiting.reject(new Error(message.sentence));
    else waiting.resolve({ message, buffers });
  }

  /** Say whether an answer is late. */
  get late() { return this.gone || [...this.waiting.values()].some((waiting) => waiting.late); }

  /**
   * Ask whether Python is still there. If it is, verdicts on their way are sent again: to keep one twice is to
   * keep it once. If it isn't, `gone` says so until it answers.
   * @param {number} page any page that there is
   */
  async probe(page) {
    const number = this.request + 1;
    const silent = new Promise((resolve) => window.setTimeout(() => resolve(false), PROBE));
    const there = this.ask("page", { page }).then(() => true, () => true);
    this.gone = !(await Promise.race([there, silent]));
    if (this.gone) this.drop(number);
    else for (const [request, waiting] of this.waiting) if (waiting.late) this.again(request, waiting);
    this.changed();
  }

  /** @param {number} request @param {Waiting} waiting */
  again(request, { kind, fields, reject }) {
    if (kind === "decide") return this.send(request, kind, fields);
    this.drop(request);
    reject(new Error("The kernel did not answer this; try it again."));
  }

  /** @param {number} request */
  drop(request) {
    clearTimeout(this.waiting.get(request)?.timer);
    this.waiting.delete(request);
  }

  close() {
    for (const { timer } of this.waiting.values()) clearTimeout(timer);
  }
}
