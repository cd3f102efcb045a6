"""A queue over generated pictures, for the notebook that the browser test serves."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from cleaner.errors import UnreadableImage
from cleaner.review.packing import Evidence
from cleaner.types import Queue, strings

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
LONG = "a class whose name goes on and on " * 15
VOCAB = (
    "beagle",
    "basset",
    "cat",
    HOSTILE,
    "שלום עולם",
    LONG,
    *(f"breed {number:03d}" for number in range(60)),
)
BROKEN = "dogs/0005 broken.jpg"


def queue(size: int, *, vocab: tuple[str, ...] = VOCAB) -> Queue:
    """Return a queue in which every third image is one the model agrees with."""
    rows = np.arange(size)
    labels = (rows % 6).astype(np.int32)
    suggested = np.where(rows % 3 == 2, labels, (labels + 1) % 6).astype(np.int32)
    confidence = np.linspace(0.999, 0.41, size, dtype=np.float32)
    return Queue(
        vocab=vocab,
        ids=strings([BROKEN if row == 5 else f"dogs/{row:04d}.jpg" for row in rows]),
        scores=np.linspace(1, 0, size, dtype=np.float32),
        labels=labels,
        suggested=suggested,
        confidence=confidence,
        given_probs=(1 - confidence).astype(np.float32),
        origins=strings(["held-out" if row % 4 else "in-sample" for row in rows]),
        late=np.zeros(size, dtype=bool),
    )


def picture(identity: str, *, scale: int = 1) -> bytes:
    """Draw an image of its own shape and colours, encoded as JPEG."""
    if identity == BROKEN:
        raise UnreadableImage(f"{identity} can't be read: it ends in the middle.")
    number = int(identity[5:9])
    width, height = [(320, 240), (240, 320), (320, 320), (40, 30)][number % 4]
    tint = np.random.default_rng(number).integers(40, 216, 3)
    ramp = np.linspace(0.35, 1.1, height)[:, None, None] * tint
    image = Image.fromarray(np.broadcast_to(ramp, (height, width, 3)).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse([width * 0.3, height * 0.3, width * 0.7, height * 0.7], fill=tuple(255 - tint.astype(int)))
    draw.text((4, 4), str(number), fill="white")
    encoded = io.BytesIO()
    image.resize((width * scale, height * scale)).save(encoded, "JPEG")
    return encoded.getvalue()


def full(identity: str) -> bytes:
    """Draw the same image larger."""
    return picture(identity, scale=4)


def evidence(identity: str) -> Evidence | None:
    """Call other images of the queue typical, and give a reason."""
    number = int(identity[5:9])
    ids = [f"dogs/{(number + step) % 60:04d}.jpg" for step in (6, 12, 18, 7, 13, 19)]
    return Evidence(tuple(ids[:3]), tuple(ids[3:]), ("3 of its 5 nearest neighbours are basset",))
