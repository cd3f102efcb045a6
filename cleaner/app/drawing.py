"""What plots are made of: scales, axes, lines and words as SVG that needs no style sheet and no network.

Pure: numbers and names in, text out. Names come from datasets and are hostile; they are escaped here.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ACCENT = "var(--cleaner-accent, var(--jp-brand-color1, #2f81f7))"
WARN = "var(--cleaner-warn, var(--jp-warn-color0, #d9730d))"
INK = "currentColor"  # of the page's own text: light pages and dark ones need no asking
SOFT, FAINT = 0.72, 0.18  # opacities of words and of lines
DOTS = 40  # points of a curve, beyond which they are not dotted
LONG = 16  # columns of text of a name, before it is shortened


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that a notebook shows where it is the last line of a cell.

    `svg` is its text: SVG, or where it holds photographs, HTML.
    """

    svg: str

    def _repr_html_(self) -> str:
        return self.svg


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values `low` to `high` onto units `start` to `end`; values beyond are drawn at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high, here = (self._level(v) for v in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.0
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Return at most about so many round values between `low` and `high`."""
        low, high = self._level(self.low), self._level(self.high)
        if not high > low:
            return [self.low]
        step = _round_step((high - low) / most)
        if self.log:
            step = max(1.0, math.ceil(step))
        levels = [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
        return [10**level if self.log else level for level in levels]

    def _level(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value


@dataclass(frozen=True, slots=True)
class Plane:
    """Two scales that belong together, and what can be drawn on them."""

    x: Scale
    y: Scale

    def axes(
        self, *, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]], title: str
    ) -> str:
        """Draw faint lines at the values `up`, the words at both sides, and the title of the lower one."""
        left, right, ground = self.x.start, self.x.end, self.y.start
        line = f"style='stroke:currentColor;stroke-opacity:{FAINT};fill:none'"
        lines = "".join(f"<path d='M{left:g} {self.y(v):.1f}H{right:g}' {line}/>" for v, _ in up)
        sides = "".join(text(said, x=left - 6, y=self.y(v) + 4, anchor="end") for v, said in up)
        below = "".join(text(said, x=self.x(v), y=ground + 16, anchor="middle") for v, said in across)
        return lines + sides + below + text(title, x=(left + right) / 2, y=ground + 31, anchor="middle")

    def curve(self, points: Sequence[tuple[float, float]], *, color: str) -> str:
        """Draw a line through the finite points, dotted while there are few."""
        places = [(self.x(x), self.y(y)) for x, y in points if math.isfinite(y)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5'/>" for x, y in places)
        look = f"fill:none;stroke:{color};stroke-width:2;stroke-linejoin:round"
        return (
            f"<polyline points='{path}' style='{look}'/>"
            f"<g style='fill:{color};stroke:none'>{dots if len(places) <= DOTS else ''}</g>"
        )


def text(
    said: str,
    *,
    x: float,
    y: float,
    anchor: str = "start",
    turn: int = 0,
    title: str = "",
    strong: bool = False,
) -> str:
    """Return words at a place, escaped; `title` is what a mouse or a screen reader finds there in full."""
    turned = f" transform='rotate({turn} {x:.1f} {y:.1f})'" if turn else ""
    look = f"fill:currentColor;fill-opacity:{1 if strong else SOFT};unicode-bidi:isolate"
    full = f"<title>{escape(printable(title))}</title>" if title else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'{turned} style='{look}'>{full}"
        f"{escape(printable(said))}</text>"
    )


def picture(drawn: str, *, width: float, height: float, words: str) -> str:
    """Return a whole SVG, as wide as there is room but no wider than drawn; `words` say what it shows."""
    style = (
        f"display:block;width:100%;max-width:{width:.0f}px;height:auto;border-radius:6px;"
        "background:var(--cleaner-raised, transparent);font:11px system-ui, sans-serif;"
        "font-variant-numeric:tabular-nums"
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' role='img' "
        f"aria-label='{escape(printable(words))}' style='{style}'>{drawn}</svg>"
    )


def key(x: float, said: str, *, color: str) -> str:
    """Name a curve: a dash of its colour and its name, at the top."""
    line = f"<path d='M{x} 16h14' style='stroke:{color};stroke-width:2.5;stroke-linecap:round'/>"
    return line + text(said, x=x + 20, y=20, strong=True)


def picture_grid(pictures: Sequence[tuple[bytes | None, Sequence[str]]]) -> str:
    """Lay JPEGs out in rows, each with lines of text beneath it; an empty frame where there is none."""
    frame = (
        "width:128px;height:128px;object-fit:contain;display:grid;place-items:center;"
        "border-radius:6px;background:#8882"
    )
    cut = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    line = f"<div style='{cut}' title='{{0}}'><bdi>{{0}}</bdi></div>"
    made = []
    for jpeg, lines in pictures:
        source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg is not None else ""
        image = (
            f"<img alt='' src='{source}' style='{frame}'>"
            if source
            else f"<div style='{frame}'>no picture</div>"
        )
        said = "".join(line.format(escape(printable(each))) for each in lines)
        made.append(f"<figure style='margin:0;width:128px;font-size:12px'>{image}{said}</figure>")
    return f"<div style='display:flex;flex-wrap:wrap;gap:12px'>{''.join(made)}</div>"


def _round_step(least: float) -> float:
    unit = 10.0 ** math.floor(math.log10(least))
    return next(m * unit for m in (1, 2, 5, 10) if m * unit >= least * (1 - 1e-9))


def brief(value: float) -> str:
    """Say a number in at most five characters: «0.25», «120», «25k», «1e+06»."""
    if abs(value) >= 1e6:
        return f"{value:.0e}"
    return f"{value / 1000:.3g}k" if abs(value) >= 10_000 else f"{value:.4g}"


def short(name: str) -> str:
    """Return as much of a name as fits into the columns there are."""
    if columns(name) <= LONG:
        return name
    while columns(name) > LONG - 1:
        name = name[:-1]
    return name.rstrip() + "…"


def columns(name: str) -> int:
    """Return about how wide a name is, in columns of text: two for a letter of Chinese or a face."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)


def printable(said: str) -> str:
    """Replace what no SVG may hold: control characters, and halves of characters from undecodable names."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in said
    )
