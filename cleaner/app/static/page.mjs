// The page's side of the dashboard: keeps over a reload where the person was, in this browser alone.
// Folder and step belong to the tab, the name to the browser.

const WHERE = `cleaner:${location.pathname}`;
const WHO = "cleaner:name";

/** Read what was kept; a browser that keeps nothing, or something odd, is no fault. */
export function kept() {
  try {
    const place = JSON.parse(sessionStorage.getItem(WHERE) ?? "{}");
    return { ...place, name: place.name || localStorage.getItem(WHO) || "" };
  } catch {
    return {};
  }
}

/** @param {{folder?: string, step?: string, name?: string}} place */
export function keep(place) {
  try {
    sessionStorage.setItem(WHERE, JSON.stringify(place));
    if (place.name) localStorage.setItem(WHO, place.name);
  } catch {
    // private windows may refuse; then a reload starts at the beginning
  }
}

export default {
  /** @param {{model: any, el: HTMLElement}} place */
  render({ model, el }) {
    el.style.display = "none";
    const changed = () => keep(model.get("place"));
    // Voila ends the kernel when a page is left; long work is to come to its end, so it does not hear of it
    /** @param {BeforeUnloadEvent} event */
    const leaving = (event) => { if (model.get("busy")) event.stopImmediatePropagation(); };
    model.on("change:place", changed);
    addEventListener("beforeunload", leaving, { capture: true });
    model.send({ kind: "shown", place: kept() });
    return () => {
      model.off("change:place", changed);
      removeEventListener("beforeunload", leaving, { capture: true });
    };
  },
};
