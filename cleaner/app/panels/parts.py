"""The pieces of HTML the panels are made of. Whatever comes from a dataset is escaped here, and only here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import ipywidgets as widgets


def block(content: str = "") -> widgets.HTML:
    """Return an HTML widget of this app's style."""
    made = widgets.HTML(content)
    made.add_class("cleaner-block")
    return made


def heading(title: str, *, lead: str) -> widgets.HTML:
    """Show a panel's title, and in one sentence what to do here."""
    return block(f"<h2>{escape(title)}</h2><p class='cleaner-lead'>{escape(lead)}</p>")


def sentence(text: str, *, tone: str = "plain") -> str:
    """Show one sentence; `tone` is plain, good, or warn."""
    return f"<p class='cleaner-sentence cleaner-{tone}'>{escape(text)}</p>" if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> str:
    """Show a table of texts; `numbers` aligns all columns but the first to the right."""
    kind = "cleaner-table cleaner-numbers" if numbers else "cleaner-table"
    top = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td><bdi>{escape(c)}</bdi></td>" for c in row) + "</tr>" for row in rows
    )
    return f"<table class='{kind}'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def figure(picture: bytes | None, *, caption: str) -> str:
    """Show a small JPEG with a caption, or an empty frame where there is none."""
    frame = "<span class='cleaner-nopicture'>no picture</span>"
    if picture is not None:
        frame = f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(picture).decode()}'>"
    return (
        f"<figure class='cleaner-figure'>{frame}"
        f"<figcaption title='{escape(caption)}'><bdi>{escape(caption)}</bdi></figcaption></figure>"
    )


def figures(shown: Sequence[str]) -> str:
    """Lay figures out in rows."""
    return f"<div class='cleaner-figures'>{''.join(shown)}</div>" if shown else ""


def button(text: str, *, tooltip: str = "", primary: bool = False) -> widgets.Button:
    """Return a button with words on it; icons would need a font from the network."""
    made = widgets.Button(description=text, tooltip=tooltip, layout=widgets.Layout(width="auto"))
    made.add_class("cleaner-button")
    if primary:
        made.button_style = "primary"
    return made
