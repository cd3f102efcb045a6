"""The grid's browser side on a bare page, over a real QueueGrid in this process: no server, no kernel."""

from __future__ import annotations

import base64
import queue as waiting
from typing import Any

from playwright.sync_api import Browser, Page, expect

from cleaner.review.grid import QueueGrid
from cleaner.review.script import SCRIPT, STYLE

TRAITS = ("state", "counts", "offers", "added", "outlook", "chosen")

# One model for all views on the page; what Python answers goes to every view, as a kernel would send it.
MODEL = """async ([source, css, theme]) => {
  document.body.dataset.jpThemeLight = String(theme === "light");
  document.body.style.margin = "0";
  document.body.style.background = theme === "light" ? "white" : "#111";
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const script = new Blob([source], { type: "text/javascript" });
  const { default: grid } = await import(URL.createObjectURL(script));
  const heard = [];
  const tell = (event, ...values) => {
    for (const [name, act] of [...heard]) if (name === event) act(...values);
  };
  let traits = await window.python(null);
  const change = (now) => {
    const text = (traits, name) => JSON.stringify(traits[name]);
    const changed = Object.keys(now).filter((name) => text(now, name) !== text(traits, name));
    traits = now;
    for (const name of changed) tell(`change:${name}`);
  };
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const unpacked = (text) => new DataView(bytes(text).buffer);
  window.sent = [];
  window.model = {
    get: (name) => traits[name],
    on: (name, act) => { heard.push([name, act]); },
    off: (name, act) => {
      heard.splice(heard.findIndex((entry) => entry[0] === name && entry[1] === act), 1);
    },
    send: async (message) => {
      window.sent.push(message);
      if (window.dead) return;
      await window.held?.(message);
      const { content, buffers, traits: now } = await window.python(message);
      change(now);
      tell("msg:custom", content, buffers.map(unpacked));
    },
  };
  window.refresh = async () => change(await window.python(null));
  window.tell = tell;
  window.addView = () => {
    const place = document.createElement("div");
    document.body.append(place);
    return grid.render({ model: window.model, el: place });
  };
  window.closeView = window.addView();
}"""


class HeardGrid(QueueGrid):
    """A grid whose messages go to the test instead of a kernel."""

    heard: waiting.Queue[tuple[dict[str, Any], list[bytes]]]

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.heard = waiting.Queue()
        self.number = 0
        super().__init__(*args, **settings)

    def send(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.heard.put((content, buffers or []))

    def ask(self, kind: str, **fields: object) -> tuple[dict[str, Any], list[bytes]]:
        self.number += 1
        return self.answer({"kind": kind, "request": self.number, **fields})

    def answer(self, message: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        self._handle_custom_msg(message, [])
        answer, buffers = self.heard.get(timeout=20)
        assert answer["request"] == message["request"]
        return answer, buffers


def staged(
    browser: Browser, grid: HeardGrid, *, theme: str = "light", width: int = 1300, height: int = 900
) -> Page:
    """Show a grid on a page of its own, and wait for its first pictures."""
    page = browser.new_page(viewport={"width": width, "height": height})

    def python(message: dict[str, Any] | None) -> dict[str, Any]:
        traits = {name: getattr(grid, name) for name in TRAITS}
        if message is None:
            return traits
        content, buffers = grid.answer(message)
        packed = [base64.b64encode(buffer).decode() for buffer in buffers]
        return {"content": content, "buffers": packed, "traits": {n: getattr(grid, n) for n in TRAITS}}

    page.expose_function("python", python)
    page.set_content("<!doctype html><html lang=en><head><title>Grid</title></head><body></body></html>")
    page.evaluate(MODEL, [SCRIPT, STYLE, theme])
    expect(page.locator(".note:visible", has_text="Fetching")).to_have_count(0)
    return page
