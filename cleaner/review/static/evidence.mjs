// The evidence strip: why a label is doubted, and typical pictures of both classes beside the one in question.

import { copyOf, make, named, pictureOf, withImage } from "./pieces.mjs";

/** @typedef {import("./rules.mjs").Tile} Tile */
/** @typedef {import("./pieces.mjs").Shown} Shown */
/** @typedef {{given: Shown[], suggested: Shown[], reasons: string[]}} Evidence */

/** Decode what Python sent. @param {{message: any, buffers: DataView[]}} answer @returns {Promise<Evidence>} */
export async function evidenceIn({ message, buffers }) {
  /** @param {any[]} tiles */
  const decodedAll = (tiles) => Promise.all(tiles.map((tile) => withImage(tile, buffers[0])));
  return { given: await decodedAll(message.given), suggested: await decodedAll(message.suggested), reasons: message.reasons };
}

/** A strip that shows the evidence on one picture at a time. */
export class Strip {
  /** @param {{withModel: boolean}} options whether it also says what the model makes of the picture */
  constructor({ withModel }) {
    this.withModel = withModel;
    this.element = make("div", { class: "strip", role: "group", "aria-label": "Evidence" });
    /** @type {string | null} */ this.of = null;
  }

  /** Show what is on its way, then what came; a strip that has turned to another picture meanwhile stays as it is. @param {Tile} tile @param {Promise<Evidence>} evidence */
  async show(tile, evidence) {
    this.of = tile.id;
    try {
      const seen = await evidence;
      if (this.of === tile.id) this.draw(tile, seen);
    } catch (error) {
      if (this.of === tile.id) this.element.replaceChildren(make("p", { class: "none" }, /** @type {Error} */ (error).message));
    }
  }

  /** @param {Tile} tile @param {Evidence} seen */
  draw(tile, { given, suggested, reasons }) {
    const chips = [...new Set([...reasons, ...(this.withModel ? tile.reasons : [])])].map((reason) => named(reason, "chip"));
    const groups = [this.group("labelled", tile.given, given), this.group("suggested", tile.suggested, suggested)];
    const nothing = this.withModel || given.length + suggested.length ? [] : [make("p", { class: "none" }, "There are no typical pictures to compare with.")];
    this.element.replaceChildren(make("div", { class: "chips" }, ...chips), ...groups.filter(Boolean), ...nothing);
  }

  /** @param {string} how @param {string | null} label @param {Shown[]} shown */
  group(how, label, shown) {
    if (!shown.length || !label) return "";
    const pictures = shown.map(({ tile, image }) =>
      make("div", { class: "example", title: tile.id }, pictureOf({ tile, image: image && copyOf(image) })));
    return make("figure", { class: how }, make("figcaption", {}, `${how} `, named(label, "class")), make("div", { class: "examples" }, ...pictures));
  }

  /** Hide what would tell a label. */
  blank() {
    this.of = null;
    this.element.replaceChildren(make("p", { class: "none" }, "Hidden until the label is shown."));
  }
}
