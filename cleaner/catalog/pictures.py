"""Opens one picture of any kind as plain upright RGB, and says in one sentence why it can't.

It decodes; it keeps nothing and changes no file.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cleaner.catalog.faults import RefusedFormat, fault_of
from cleaner.errors import UnreadableImage

REFUSED = {  # Pillow opens these, but can't decode them, or only by running another program on them
    "EPS": "an EPS drawing",
    "WMF": "a Windows metafile",
    "BUFR": "a BUFR file",
    "GRIB": "a GRIB file",
    "HDF5": "an HDF5 file",
    "MPEG": "an MPEG film",
}


def open_picture(source: Path | bytes, *, side: int | None = None) -> Image.Image:
    """Decode a whole image file, or the bytes of one, to RGB.

    Rotated as its EXIF says, transparency on white, 16 bits scaled to 8. With `side`, a JPEG is decoded at
    the smallest scale of which neither side falls below that many pixels, which is several times faster on
    photographs. Raises UnreadableImage with the reason.
    """
    return _decoded(source, side=side, finish=to_rgb)


def open_whole(path: Path, *, side: int | None = None) -> Image.Image:
    """Decode like `open_picture`, but grey of more than 8 bits to mode I;16 with the values of the file.

    Only values that 16 bits can't hold (floats, negative and larger ones) are scaled, from the least to the
    greatest. Raises UnreadableImage with the reason.
    """
    return _decoded(path, side=side, finish=lambda image: _deep(image) if _is_deep(image) else to_rgb(image))


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert a picture that is open already just as `open_picture` does. Raises UnreadableImage."""
    try:
        image.load()
        return to_rgb(upright(image))
    except Exception as error:  # as for files
        raise UnreadableImage(f"The picture can't be decoded ({error}).") from error


def opened(source: Path | bytes) -> Image.Image:
    """Open a file, or the bytes of one, as far as its header.

    Raises RefusedFormat for what Pillow leaves to another program.
    """
    image = Image.open(source if isinstance(source, Path) else BytesIO(source))
    if image.format in REFUSED:
        image.close()
        raise RefusedFormat(REFUSED[image.format])
    return image


def _decoded(
    source: Path | bytes, *, side: int | None, finish: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    name = source.name if isinstance(source, Path) else "The picture"
    try:
        with opened(source) as image:
            if side is not None:
                image.draft(image.mode, (side, side))
            image.load()
            return finish(upright(image))
    except Exception as error:  # decoders raise whatever they stumble over in a broken file
        raise UnreadableImage(fault_of(error, source=source, name=name).detail) from error


def kind_of(data: bytes) -> str:
    """Return the usual file suffix of an image's bytes, by their content: «.jpeg», «.png», …

    Raises UnreadableImage where they are no image.
    """
    try:
        with opened(data) as image:
            return f".{str(image.format).lower()}"
    except Exception as error:  # as for whole pictures
        raise UnreadableImage(fault_of(error, source=data, name="The picture").detail) from error


def turned(image: Image.Image) -> bool:
    """Say whether its EXIF orientation swaps width and height: 5 to 8 do (EXIF 2.32)."""
    try:
        return bool(image.getexif().get(0x0112, 1) >= 5)
    except Exception:  # noqa: BLE001  a damaged EXIF block costs the rotation, not the picture
        return False


def upright(image: Image.Image) -> Image.Image:
    """Return a copy of a decoded picture, rotated as its EXIF says."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001  a damaged EXIF block costs the rotation, not the picture
        return image


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _deep(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" or low < 0 or high > 65535:
        values = (values - low) / max(high - low, 1e-12) * 65535
    return Image.fromarray(values.round().astype(np.uint16))


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a decoded picture of any mode to RGB: transparency on white, deep greys scaled to 8 bits."""
    if _is_deep(image):
        return _deep_to_rgb(image)
    if image.has_transparency_data:
        on_white = Image.new("RGBA", image.size, "white")
        on_white.alpha_composite(image.convert("RGBA"))
        return on_white.convert("RGB")
    return image.convert("RGB")


def _deep_to_rgb(image: Image.Image) -> Image.Image:
    """Scale 10 to 32 bits to 8 by the depth that the brightest pixel shows; Pillow would clip to white."""
    values = np.asarray(image, dtype=np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if image.mode == "F" or low < 0:
        scaled = (values - low) / max(high - low, 1e-12) * 255
    else:
        depth = next((bits for bits in (8, 10, 12, 14, 16) if high < 2**bits), 32)
        scaled = values / (2**depth - 1) * 255
    eight_bits = np.nan_to_num(scaled, nan=0.0).clip(0, 255).round().astype(np.uint8)
    return Image.fromarray(eight_bits).convert("RGB")
