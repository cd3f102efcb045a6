"""Files that are hard to read, made from nothing: every container and mode, cut, flipped, faked."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")
REFUSED = ("EPS", "PDF", "PALM", "WMF", "BUFR", "GRIB", "HDF5")  # written by Pillow, but no pictures to it


def photograph(side: int = 48, *, seed: int = 0) -> Image.Image:
    """Return a colourful picture of smooth and sharp parts, as photographs have them."""
    random = np.random.default_rng(seed)
    coarse = random.integers(30, 226, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), dtype=float)
    grain = random.normal(0, 12, (side, side, 3))
    return Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """Return the bytes of an image file."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.save(out, format, **options)  # type: ignore[arg-type]
    return out.getvalue()


def whole(side: int = 48) -> Iterator[tuple[str, str, bytes]]:
    """Make a file of every container and mode that Pillow writes; yield format, mode and bytes."""
    Image.init()
    for format in sorted(Image.SAVE):
        for mode in MODES:
            if format in REFUSED:
                continue
            try:
                yield format, mode, encoded(_in_mode(mode, side=side), format)
            except (OSError, ValueError, KeyError, AttributeError, TypeError, SystemError):
                continue  # this container doesn't take this mode


def _in_mode(mode: str, *, side: int) -> Image.Image:
    image = photograph(side)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return Image.new("LAB", image.size, (120, 40, 90)) if mode == "LAB" else image.convert(mode)


def cut(content: bytes, *, step: int = 10) -> Iterator[tuple[int, bytes]]:
    """Cut a file at every `step`th byte; yield where, and what is left."""
    for length in range(step, len(content), step):
        yield length, content[:length]


def flipped(content: bytes, *, count: int, seed: int = 0) -> Iterator[bytes]:
    """Flip one to eight bits at random places, `count` times."""
    dice = random.Random(seed)
    for _ in range(count):
        broken = bytearray(content)
        for _ in range(dice.randint(1, 8)):
            broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        yield bytes(broken)


def huge() -> dict[str, bytes]:
    """Make headers that announce ten thousand million pixels, by file name."""
    side, side16 = 100_000, 65_535
    entries = [
        (256, 4, side),
        (257, 4, side),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (279, 4, 9),
    ]
    tags = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return {
        "huge.png": _png(side, side, data=zlib.compress(bytes(1000))),
        "huge.gif": b"GIF89a"
        + struct.pack("<HHBBBBHHHHB", side16, side16, 0, 0, 0, 44, 0, 0, side16, side16, 0)
        + b"\x08"
        + bytes(40),
        "huge.bmp": b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0),
        "huge.tif": b"II*\0" + struct.pack("<IH", 8, len(entries)) + tags + bytes(20),
        "huge.ppm": b"P6\n100000 100000\n255\n" + bytes(100),
    }


def bomb(side: int = 13_000) -> bytes:
    """Make a PNG of a few kilobytes that is `side` × `side` pixels when decoded, just below the limit."""
    row = bytes(1 + (side + 7) // 8)
    squeeze = zlib.compressobj(9)
    data = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    return _png(side, side, data=data, depth=1)


def _png(width: int, height: int, *, data: bytes, depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def endless(side: int = 2048, *, scans: int = 40_000) -> bytes:
    """Make a JPEG of well under a megabyte that takes minutes to decode: one scan, thousands of times over.

    A real file, by the rules of the format: each pass over all blocks refines what is there by nothing.
    """
    content = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True, quality=50)
    starts = [at for at in range(len(content) - 1) if content[at : at + 2] == b"\xff\xda"]
    refinement = content[starts[-1] : -2]
    return content[:-2] + refinement * scans + content[-2:]


def polyglots() -> dict[str, bytes]:
    """Make files that are two things at once, or another than their name says."""
    photo = photograph()
    jpeg, gif = encoded(photo, "JPEG"), encoded(photo.convert("P"), "GIF")
    junk = bytes(range(256)) * 8
    exif = b"Exif\0\0" + junk[:500]
    return {
        "zip.jpg": jpeg + b"PK\x03\x04" + junk,
        "html.gif": gif + b"<html><script>alert(1)</script>",
        "garbage.png": encoded(photo, "PNG") + junk,
        "profile.jpg": encoded(photo, "JPEG", icc_profile=junk),
        "exif.jpg": encoded(photo, "JPEG", exif=exif),
    }


def no_images() -> dict[str, bytes]:
    """Make files that are no images under names of images, and say nothing that an image could begin with."""
    return {
        "text.jpg": b"not a picture, but a line of text\n",
        "page.jpg": b"<!doctype html><html><body>404</body></html>",
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
        "paper.jpg": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "post.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        "zeros.jpg": bytes(4096),
        "noise.jpg": random.Random(0).randbytes(4096),
    }
