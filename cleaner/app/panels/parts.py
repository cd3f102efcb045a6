"""The pieces of HTML the panels are made of. Whatever comes from a dataset is escaped here, and only here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import ipywidgets as widgets

from cleaner.types import Epoch

WIDTH, HEIGHT = 420, 170  # of the picture of the losses, in its own units
LEFT, BELOW, PAD = 40, 20, 8


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


def curves(epochs: Sequence[Epoch]) -> str:
    """Draw training and validation loss by epoch as one small picture, with the numbers beneath it."""
    if not epochs:
        return ""
    last, top = epochs[-1], max(max(e.train_loss, e.valid_loss) for e in epochs) or 1.0
    drawn = _line("train", [e.train_loss for e in epochs], top=top)
    drawn += _line("valid", [e.valid_loss for e in epochs], top=top)
    return (
        f"<svg class='cleaner-curves' viewBox='0 0 {WIDTH} {HEIGHT}' role='img' "
        f"aria-label='losses by epoch'>{_axes(epochs, top=top)}{drawn}</svg>"
        "<p class='cleaner-legend'><span class='cleaner-train'>training loss "
        f"{last.train_loss:.3f}</span><span class='cleaner-valid'>validation loss {last.valid_loss:.3f}"
        f"</span><span>held-out error rate {last.error_rate:.1%} after epoch {last.number}</span></p>"
    )


def _line(name: str, losses: Sequence[float], *, top: float) -> str:
    step = (WIDTH - LEFT - PAD) / max(len(losses) - 1, 1)
    spots = [
        (LEFT + step * i, HEIGHT - BELOW - (HEIGHT - BELOW - PAD) * loss / top)
        for i, loss in enumerate(losses)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    dots = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5'/>" for x, y in spots)
    return f"<g class='cleaner-{name}'><polyline points='{points}'/>{dots}</g>"


def _axes(epochs: Sequence[Epoch], *, top: float) -> str:
    ground = HEIGHT - BELOW
    texts = (
        (LEFT - 6, PAD + 4, "end", f"{top:.2f}"),
        (LEFT - 6, ground, "end", "0"),
        (LEFT, HEIGHT - 4, "start", f"epoch {epochs[0].number}"),
        (WIDTH - PAD, HEIGHT - 4, "end", f"{epochs[-1].number}" if len(epochs) > 1 else ""),
    )
    words = "".join(f"<text x='{x}' y='{y}' text-anchor='{a}'>{said}</text>" for x, y, a, said in texts)
    return f"<path d='M{LEFT} {PAD}V{ground}H{WIDTH - PAD}'/>{words}"
