// The button that hands images of the person's own machine to the kernel, part by part as it asks for them:
// a server closes the connection over one large message, and what was in it is lost without a word.

const PART = 4 * 1024 * 1024; // bytes; servers take 10 MiB at once, unless they are told otherwise

export default {
  /** @param {{model: any, el: HTMLElement}} place */
  render({ model, el }) {
    const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", multiple: true });
    const button = Object.assign(document.createElement("button"), {
      type: "button", className: "jupyter-widgets jupyter-button widget-button cleaner-button",
      title: "From your own machine; several at once", textContent: "Choose images",
    });
    button.style.width = "auto";
    /** @type {File[]} */
    let files = [];
    let at = 0, from = 0;
    const rest = () => { button.disabled = model.get("disabled"); };
    const next = async () => {
      const file = files[at];
      if (!file) return; // chosen in another view
      // one that is gone by now comes as an empty file, and the answer says so
      const part = await file.slice(from, from + PART).arrayBuffer().catch(() => null);
      from += PART;
      const last = part === null || from >= file.size;
      if (last) [at, from] = [at + 1, 0];
      const end = at === files.length;
      if (end) files = [];
      model.send({ kind: "part", name: file.name, last, end }, undefined, [part ?? new ArrayBuffer(0)]);
    };
    /** @param {{kind?: string}} said */
    const told = (said) => { if (said.kind === "next") next(); };
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      [files, at, from] = [[...(input.files ?? [])], 0, 0];
      input.value = ""; // or the same choice again would be no change
      if (files.length) model.send({ kind: "chosen", files: files.length, bytes: files.reduce((sum, file) => sum + file.size, 0) });
    });
    model.on("change:disabled", rest);
    model.on("msg:custom", told);
    rest();
    el.append(button);
    return () => {
      model.off("change:disabled", rest);
      model.off("msg:custom", told);
    };
  },
};
