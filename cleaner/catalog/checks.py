"""What is odd about how pictures look and how their files are made, from what was measured of them. Pure.

Each check returns how far beyond its threshold each image is, shape [N]: above 0 is a finding, 1 the worst.
All of these images can be used; nothing is left out because of a finding here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cleaner.types import Catalog, Finding, percent

Beyond: TypeAlias = NDArray[np.floating[Any]]
Check: TypeAlias = Callable[[Catalog], Beyond]
Sentence: TypeAlias = Callable[[Catalog, int], str]

DARK = 0.32
LIGHT = 0.95
BLURRY = 0.15
LOW_INFORMATION = 2.0
GREY = 8.0
GREY_SHARE = 0.2
TINY = 16
FAR = 3.0
ODD_RATIO = 0.35
USUAL = 0.3  # above this share of a dataset an oddity is how its images are
USUAL_FROM = 20  # images, below which nothing can be called usual
FORMATS = {
    "jpg": {"JPEG", "MPO"},
    "jpeg": {"JPEG", "MPO"},
    "jpe": {"JPEG", "MPO"},
    "jfif": {"JPEG", "MPO"},
    "png": {"PNG"},
    "gif": {"GIF"},
    "bmp": {"BMP", "DIB"},
    "webp": {"WEBP"},
    "tif": {"TIFF"},
    "tiff": {"TIFF"},
    "avif": {"AVIF"},
    "jp2": {"JPEG2000"},
    "ico": {"ICO"},
    "ppm": {"PPM"},
}


def look_findings(catalog: Catalog) -> list[Finding]:
    """Apply every check; return a finding for each image that is beyond a threshold.

    Severities run from 0.2, just beyond, to 0.5, as far as can be; for how the file is made from 0.1. What
    more than USUAL of the images share is told in one sentence instead.
    """
    if catalog.looks is None or not len(catalog):
        return []
    return [f for kind, (check, say) in CHECKS.items() for f in _of_kind(catalog, kind, check, say)]


def _of_kind(catalog: Catalog, kind: str, check: Check, say: Sentence) -> list[Finding]:
    beyond = np.nan_to_num(check(catalog))
    rows = np.flatnonzero(beyond > 0)
    share = len(rows) / len(catalog)
    if share > USUAL and len(catalog) >= USUAL_FROM:
        detail = f"{len(rows):,} of {len(catalog):,} images are found «{kind}»: here that is usual."
        return [Finding("", "usual here", 0.1, detail)]
    least, most = (0.1, 0.15) if kind in OF_THE_FILE else (0.2, 0.5)
    return [
        Finding(
            catalog.ids[row],
            kind,
            round(least + (most - least) * min(1.0, float(beyond[row])), 3),
            f"{catalog.paths[row]} {say(catalog, int(row))}.",
        )
        for row in rows
    ]


def dark(catalog: Catalog) -> Beyond:
    """Find pictures whose 99th percentile of brightness is below 0.32 (as CleanVision does)."""
    return (DARK - _looks(catalog)["bright"]) / DARK


def light(catalog: Catalog) -> Beyond:
    """Find pictures whose 5th percentile of brightness is above 0.95 (as CleanVision does)."""
    return (_looks(catalog)["dim"] - LIGHT) / (1 - LIGHT)


def blurry(catalog: Catalog) -> Beyond:
    """Find pictures whose Laplacian deviates by less than 0.15 of what their greys do, at 256 pixels.

    Of 480 photos as downloaded none is below 0.2; a Gaussian blur of 2 pixels at that size brings 99 % of
    them below 0.15. CleanVision takes the variance of edges at 64 pixels, without the contrast. What shows
    next to nothing is not called blurry as well.
    """
    looks = _looks(catalog)
    return np.where(looks["information"] < LOW_INFORMATION, 0.0, (BLURRY - looks["sharpness"]) / BLURRY)


def low_information(catalog: Catalog) -> Beyond:
    """Find pictures of less than 2 bits of entropy a channel.

    CleanVision's threshold is 1.4 for colour and 3 for grey files. The plainest of 480 photos, toys before
    white, have 2.35.
    """
    return (LOW_INFORMATION - _looks(catalog)["information"]) / LOW_INFORMATION


def grey_among_colour(catalog: Catalog) -> Beyond:
    """Find pictures whose channels differ by 8 of 255 at most, in classes where at most a fifth are such.

    By content: CleanVision goes by the mode of the file, and misses grey pictures saved in colour.
    """
    grey = _looks(catalog)["colour"] <= GREY
    counts = np.bincount(catalog.labels, minlength=len(catalog.vocab))
    shares = np.bincount(catalog.labels, weights=grey, minlength=len(catalog.vocab)) / np.maximum(counts, 1)
    rarity = (GREY_SHARE - shares[catalog.labels]) / GREY_SHARE
    return np.asarray(grey * rarity)


def too_small(catalog: Catalog) -> Beyond:
    """Find pictures of a side below 16 pixels or far below the others in size; see `_fence`.

    Where half of all sides are below 16, only the comparison counts.
    """
    size, (low, _) = _size(catalog), _fence(_size(catalog))
    sides = np.minimum(catalog.widths, catalog.heights)
    tiny = (sides < TINY) & (np.median(sides) >= TINY)
    return np.asarray(np.maximum(1 - size / low, np.where(tiny, 1 - sides / TINY, 0.0)))


def too_large(catalog: Catalog) -> Beyond:
    """Find pictures far above the others in size; see `_fence`."""
    size, (_, high) = _size(catalog), _fence(_size(catalog))
    return np.asarray(1 - high / size)


def odd_aspect_ratio(catalog: Catalog) -> Beyond:
    """Find pictures whose shorter side is less than 0.35 of the longer (CleanVision's threshold)."""
    return (ODD_RATIO - _ratio(catalog)) / ODD_RATIO


def animation(catalog: Catalog) -> Beyond:
    """Find files that hold more pictures than one."""
    return _looks(catalog)["several"].astype(float)


def odd_mode(catalog: Catalog) -> Beyond:
    """Find files of another mode than 8 bits of grey or colour, with transparency or without.

    A palette is what a GIF always has.
    """
    looks = _looks(catalog)
    palette = (looks["mode"] == b"P") & (looks["format"] == b"GIF")
    return np.asarray(~np.isin(looks["mode"], (b"L", b"RGB", b"RGBA")) & ~palette, dtype=float)


def wrong_extension(catalog: Catalog) -> Beyond:
    """Find files whose name ends as those of another kind of image do; unknown endings say nothing."""
    formats = _looks(catalog)["format"].astype(str)
    expected = [FORMATS.get(path.rpartition(".")[2].lower()) for path in catalog.paths]
    pairs = zip(formats, expected, strict=True)
    return np.array([float(known is not None and format not in known) for format, known in pairs])


def _fence(size: Beyond) -> tuple[float, float]:
    """Return the sizes that are far out: 3 interquartile ranges beyond the quartiles (Tukey 1977).

    On the logarithm of the size, for twice as large is as odd as half as large, and at least by a factor of
    2. CleanVision's are not logarithmic, which among photos of many sizes leaves none that is too small.
    """
    low, middle, high = np.log(np.percentile(size, (25, 50, 75)))
    reach = FAR * (high - low)
    return (
        float(np.exp(min(low - reach, middle - np.log(2)))),
        float(np.exp(max(high + reach, middle + np.log(2)))),
    )


def _looks(catalog: Catalog) -> NDArray[np.void]:
    assert catalog.looks is not None
    return catalog.looks


def _size(catalog: Catalog) -> Beyond:
    return np.sqrt(catalog.widths.astype(float) * catalog.heights)


def _ratio(catalog: Catalog) -> Beyond:
    return np.asarray(
        np.minimum(catalog.widths, catalog.heights) / np.maximum(catalog.widths, catalog.heights)
    )


def _look(catalog: Catalog, row: int, name: str) -> Any:
    return _looks(catalog)[row][name]


def _pixels(catalog: Catalog, row: int) -> str:
    return f"{catalog.widths[row]} × {catalog.heights[row]} pixels"


CHECKS: dict[str, tuple[Check, Sentence]] = {
    "dark": (
        dark,
        lambda c, row: (
            f"is dark: 99% of its pixels have {_look(c, row, 'bright'):.0%} of full brightness or less "
            f"(dark is below {percent(DARK)})"
        ),
    ),
    "light": (
        light,
        lambda c, row: (
            f"is nearly white: 95% of its pixels have {_look(c, row, 'dim'):.0%} of full brightness or "
            f"more (light is above {percent(LIGHT)})"
        ),
    ),
    "blurry": (
        blurry,
        lambda c, row: f"is blurry: its sharpness is {_look(c, row, 'sharpness'):.2f} (below {BLURRY} is)",
    ),
    "low information": (
        low_information,
        lambda c, row: (
            f"shows next to nothing: {_look(c, row, 'information'):.1f} bits a pixel "
            f"(below {LOW_INFORMATION} is low information)"
        ),
    ),
    "grey among colour": (
        grey_among_colour,
        lambda c, row: f"is grey, and most of {c.vocab[c.labels[row]]} are in colour",
    ),
    "too small": (
        too_small,
        lambda c, row: f"is small beside the others: {_pixels(c, row)}",
    ),
    "too large": (
        too_large,
        lambda c, row: f"is large beside the others: {_pixels(c, row)}",
    ),
    "odd aspect ratio": (
        odd_aspect_ratio,
        lambda c, row: f"is very long or tall: {_pixels(c, row)} (odd is 1 to {1 / ODD_RATIO:.1f} and more)",
    ),
    "animation": (
        animation,
        lambda _, __: "holds several pictures (an animation or pages); the first one is used",
    ),
    "odd mode": (
        odd_mode,
        lambda c, row: f"has pixels of mode {_look(c, row, 'mode').decode()}; they are converted to RGB",
    ),
    "wrong extension": (
        wrong_extension,
        lambda c, row: (
            f"is of the format {_look(c, row, 'format').decode()}, although its name ends in "
            f".{c.paths[row].rpartition('.')[2]}"
        ),
    ),
}
OF_THE_FILE = ("animation", "odd mode", "wrong extension")
