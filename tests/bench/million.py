"""Times a project of very many small files: opening, first check and rescans; and their memory.

`python tests/bench/million.py` makes a million files in a temporary folder (4 GB of blocks) and removes them.
Each step runs in a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from PIL import Image

from cleaner import Project

EACH = 1000  # files in a folder


def make(root: Path, *, files: int) -> None:
    """Write images of about 200 bytes, no two alike: a number is in a comment behind the pixels."""
    random = np.random.default_rng(0)
    for number in range(-(-files // EACH)):
        folder = root / f"class {number:04d}"
        folder.mkdir(parents=True)
        kind = ("PNG", "GIF")[number % 2]
        with io.BytesIO() as made:
            Image.fromarray(random.integers(0, 255, (5, 5, 3), dtype=np.uint8)).quantize().save(made, kind)
            data = made.getvalue()
        for index in range(min(EACH, files - number * EACH)):
            (folder / f"{index:04d}.{kind.lower()}").write_bytes(data + b"%d %d" % (number, index))


def change(root: Path, *, every: int) -> None:
    """Move one file in so many to another class, remove one, alter one, add one."""
    folders = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    files = [sorted(folder.iterdir()) for folder in folders]
    flat = [path for names in files for path in names]
    for row in range(0, len(flat) - 4, every):
        flat[row].rename(folders[(row // EACH + 1) % len(folders)] / f"moved-{row}{flat[row].suffix}")
        flat[row + 1].unlink()
        with flat[row + 2].open("ab") as file:
            file.write(b"changed")
        shutil.copy(flat[row + 3], flat[row + 3].with_name(f"new-{row}{flat[row + 3].suffix}"))


def step(name: str, root: Path) -> None:
    """Open the dataset as a project, check it, and say what both took."""
    at_rest = _memory()
    start = time.perf_counter()
    project = Project.open(root)
    opened = time.perf_counter() - start
    start = time.perf_counter()
    findings = project.verify()
    took = time.perf_counter() - start
    catalog, kept = project.catalog, project.home / "catalog.npz"
    each = (_memory() - at_rest) / max(len(catalog), 1)
    print(
        f"{name:28} open {opened:5.1f} s  check {took:7.1f} s  peak {each:6,.0f} bytes per item  "
        f"{len(catalog):,} images, {len(catalog.departed):,} departed, {len(findings):,} findings; "
        f"file {kept.stat().st_size / max(len(catalog), 1):.0f} bytes per item",
        flush=True,
    )


def _memory() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Make the files, take the steps, remove the files."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--step", nargs=2, metavar=("NAME", "FOLDER"))
    given = arguments.parse_args()
    if given.step:
        step(given.step[0], Path(given.step[1]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "photos"
        start = time.perf_counter()
        make(root, files=given.files)
        took = time.perf_counter() - start
        print(f"{given.files:,} files made in {took:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True)
        for name in ("first check", "rescan, nothing changed", "rescan, 0.4 % changed"):
            if "0.4" in name:
                change(root, every=1000)
            subprocess.run([sys.executable, __file__, "--step", name, str(root)], check=True)


if __name__ == "__main__":
    main()
