"""Looks at the head of a picture before anybody decodes it: kinds that can harm and giants are refused.

It keeps nothing and decodes no pixel.
"""

from __future__ import annotations

import io
import re

from PIL import Image, UnidentifiedImageError

from cleaner.serve.problems import Problem
from cleaner.serve.settings import Limits

# No EPS (it would start Ghostscript), and no kind that is recognised by less than a signature.
KINDS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
SCANS = 200  # of one JPEG; real ones have about ten, and each is another pass over all pixels
PLAIN = re.compile(rb"P[123]\s")  # a megabyte of comments in one takes Pillow minutes
SCAN = b"\xff\xda"  # can't occur within the coded pixels themselves (ITU T.81, B.1.1.5)


def check_picture(data: bytes | bytearray, *, limits: Limits) -> None:
    """Raise a Problem for what should not be decoded: 415 no known kind, 413 too many pixels, 422 damaged."""
    if PLAIN.match(data):
        raise Problem(422, "The picture is a PPM, PGM or PBM of plain text; save it as PNG.")
    try:
        with Image.open(io.BytesIO(data), formats=KINDS) as image:
            width, height = image.size
            kind = image.format
    except UnidentifiedImageError:
        known = ", ".join(KINDS)
        raise Problem(415, f"This is not a picture of a kind known here ({known}).") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _giant(limits) from None
    except Exception:  # noqa: BLE001  readers raise whatever they stumble over in a broken header
        raise Problem(422, "The picture is damaged: its header can't be read.") from None
    if width * height > limits.pixels:
        raise _giant(limits)
    if kind in ("JPEG", "MPO") and data.count(SCAN) > SCANS:
        raise Problem(422, f"The picture has more than {SCANS} scans; save it anew.")


def _giant(limits: Limits) -> Problem:
    return Problem(413, f"The picture has more than {limits.pixels / 1e6:g} million pixels; make it smaller.")
