"""The pieces of HTML the panels are made of. Whatever comes from a dataset is escaped here, and only here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import ipywidgets as widgets

from cleaner.app.project import Project
from cleaner.errors import CleanerError
from cleaner.types import percent


def block(content: str = "") -> widgets.HTML:
    """Return an HTML widget of this app's style."""
    made = widgets.HTML(content)
    made.add_class("cleaner-block")
    return made


def heading(title: str, *, lead: str) -> widgets.HTML:
    """Show a panel's title, and in one sentence what to do here."""
    return block(f"<h2>{escape(title)}</h2><p class='cleaner-lead'>{escape(lead)}</p>")


def heading_small(title: str) -> widgets.HTML:
    """Show the title of a part of a panel as a widget."""
    return block(subheading(title))


def subheading(title: str) -> str:
    """Show the title of a part of a panel."""
    return f"<h3>{escape(title)}</h3>"


def sentence(text: str, *, tone: str = "plain") -> str:
    """Show one sentence; `tone` is plain, good, or warn."""
    return f"<p class='cleaner-sentence cleaner-{tone}'>{escape(text)}</p>" if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> str:
    """Show a table of texts; `numbers` aligns all columns but the first to the right."""
    kind = "cleaner-table cleaner-numbers" if numbers else "cleaner-table"
    top = "".join(f"<th scope='col'>{escape(cell)}</th>" if cell else "<td></td>" for cell in head)
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
        f"<figcaption title='{escape(caption)}'><bdi>{_broken(caption)}</bdi></figcaption></figure>"
    )


def _broken(path: str) -> str:
    """Let a path break after its strokes rather than within a name."""
    return escape(path).replace("/", "/<wbr>")


def figures(shown: Sequence[str]) -> str:
    """Lay figures out in rows."""
    return f"<div class='cleaner-figures'>{''.join(shown)}</div>" if shown else ""


def fold(title: str, inner: str, *, meaning: str = "", opened: bool = False) -> str:
    """Show a title that opens and closes what is below it; `inner` is HTML of this module."""
    state = " open" if opened else ""
    more = f" <span class='cleaner-meaning'>{escape(meaning)}</span>" if meaning else ""
    return f"<details class='cleaner-fold'{state}><summary>{escape(title)}{more}</summary>{inner}</details>"


def beside(drawings: Sequence[tuple[str, str]]) -> str:
    """Lay drawings out side by side where there is room, each under its title."""
    each = (f"<div>{subheading(title)}{drawing}</div>" for title, drawing in drawings)
    return f"<div class='cleaner-beside'>{''.join(each)}</div>"


def bars(shares: Sequence[tuple[str, float]]) -> str:
    """Show probabilities as bars with their names, in the order given."""
    rows = (
        f"<div class='cleaner-bar'><bdi title='{escape(name)}'>{escape(name)}</bdi>"
        f"<span><i style='width:{min(max(share, 0.0), 1.0):.1%}'></i></span><b>{percent(share)}</b></div>"
        for name, share in shares
    )
    return f"<div class='cleaner-bars'>{''.join(rows)}</div>"


def answer_row(
    picture: bytes | None, *, name: str, classes: Sequence[tuple[str, float]], problem: str | None
) -> str:
    """Show an image with its name and what a model says of it, or the sentence why it says nothing."""
    said = sentence(problem, tone="warn") if problem is not None else bars(classes)
    shown = figure(picture, caption=name)
    return f"<div class='cleaner-answer'>{shown}{said}</div>"


def picture_of(project: Project, identity: str) -> bytes | None:
    """Return the small picture of an image, None where there is none to be had."""
    try:
        return project.picture(identity)
    except (CleanerError, OSError):
        return None


def button(text: str, *, tooltip: str = "", primary: bool = False) -> widgets.Button:
    """Return a button with words on it; icons would need a font from the network."""
    made = widgets.Button(description=text, tooltip=tooltip, layout=widgets.Layout(width="auto"))
    made.add_class("cleaner-button")
    if primary:
        made.button_style = "primary"
    return made
