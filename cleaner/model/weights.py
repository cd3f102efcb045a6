"""Weights from elsewhere: a file of one's own, or torchvision's or timm's, downloaded once.

It never unpickles, and it gives up on a dead network within seconds. It imports timm only for timm's.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import time
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.request import Request, build_opener

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import get_model_weights

from cleaner.errors import InputError, Stopped
from cleaner.model.bodies import Stats, is_torchvision, timm_name, usual_stats
from cleaner.progress import Progress, Report, Stop, never, quiet
from cleaner.writing import whole

PATIENCE = 10.0  # seconds without a byte after which there is no network
CHUNK = 2**20
HUB_FILE = "model.safetensors"
DOWNLOAD_FAILED = (OSError, HTTPException)


def pretrained(arch: str, *, report: Report = quiet, stopped: Stop = never) -> tuple[Path, Stats]:
    """Return the default weights of an architecture and how they want pixels normalised.

    Takes them from the cache of torch or of the Hugging Face hub, else downloads them into torch's; raises
    one of DOWNLOAD_FAILED if that fails, InputError if nobody offers any.
    """
    url, file, stats = _released(arch) if is_torchvision(arch) else _released_by_timm(arch)
    if not file.exists():
        fetch(url, file, report=report, stopped=stopped)
    return file, stats


def read_weights(file: Path, *, arch: str) -> dict[str, Tensor]:
    """Read a safetensors file or a torch state dict; InputError, one sentence, if it is neither."""
    remedy = f"give a safetensors file or a torch state dict of {arch}."
    if not file.is_file():
        raise InputError(f"There is no weights file {file}; {remedy}")
    try:
        state = _read(file)
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        EOFError,
        pickle.UnpicklingError,
        SafetensorError,
    ) as error:
        raise InputError(f"The weights file {file} can't be read; {remedy}") from error
    if not (isinstance(state, dict) and state and all(isinstance(v, Tensor) for v in state.values())):
        raise InputError(f"The weights file {file} holds something else than weights; {remedy}")
    return state


def fetch(
    url: str, target: Path, *, report: Report = quiet, stopped: Stop = never, patience: float = PATIENCE
) -> None:
    """Download a file whose name ends in the start of its SHA-256; all of it or nothing is left behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as part:
        with _opened(url, patience=patience) as answer:
            digest = _save(answer, part, name=target.name, report=report, stopped=stopped)
        expected = re.search(r"-([0-9a-f]{8,})\.", target.name)
        if expected and not digest.startswith(expected[1]):
            raise OSError(f"{url} is damaged")


def _released(arch: str) -> tuple[str, Path, Stats]:
    """Say where torchvision's default weights are, where they belong, and how they want pixels."""
    best = get_model_weights(arch).DEFAULT
    look = best.transforms()
    return best.url, _in_cache(Path(best.url).name), (tuple(look.mean), tuple(look.std))


def _released_by_timm(arch: str) -> tuple[str, Path, Stats]:
    """Say the same of timm's, which are on the hub, and in its cache if another program has used them.

    timm's own download hangs for most of a minute without a network, and can't be stopped.
    """
    import timm
    from huggingface_hub import constants, hf_hub_url, try_to_load_from_cache

    released = timm.get_pretrained_cfg(timm_name(arch))
    if not released or not released.has_weights:
        raise InputError(
            f"timm offers no pretrained weights of {arch}; name a file of your own as weights, or use "
            "another architecture."
        )
    hub = released.hf_hub_id
    if not hub:
        return released.url, _in_cache(Path(released.url).name), usual_stats(arch)
    found = try_to_load_from_cache(hub, HUB_FILE)
    file = Path(found) if isinstance(found, str) else _in_cache(f"{hub.replace('/', '--')}.safetensors")
    if constants.HF_HUB_OFFLINE and not file.exists():
        raise OSError("HF_HUB_OFFLINE is set")
    return hf_hub_url(hub, HUB_FILE), file, usual_stats(arch)


def _in_cache(name: str) -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", name)


def _read(file: Path) -> object:
    with file.open("rb") as start:
        is_safetensors = start.read(9)[8:] == b"{"
    return load_file(file) if is_safetensors else torch.load(file, map_location="cpu", weights_only=True)


def _opened(url: str, *, patience: float) -> HTTPResponse:
    """Open an address within `patience` seconds in all.

    A thread of its own, because a name server and each of a host's many addresses have a timeout each.
    """
    answers: Queue[HTTPResponse | Exception] = Queue()

    def ask() -> None:
        try:
            answers.put(
                build_opener().open(Request(url, headers={"User-Agent": "torch.hub"}), timeout=patience)
            )
        except (OSError, HTTPException, ValueError) as error:
            answers.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=patience)
    except Empty:
        raise TimeoutError(f"no answer within {patience:.0f} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _save(answer: HTTPResponse, partial: Path, *, name: str, report: Report, stopped: Stop) -> str:
    """Write what comes in and return its SHA-256; progress is counted in bytes."""
    begun, done, digest = time.monotonic(), 0, hashlib.sha256()
    total = int(answer.headers.get("Content-Length") or 0)
    with partial.open("wb") as out:
        while chunk := answer.read(CHUNK):
            if stopped():
                raise Stopped(f"The download of {name} was stopped; nothing of it was kept.")
            out.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            report(Progress("downloading", done, total, time.monotonic() - begun, f"weights {name}"))
    if total and done < total:
        raise OSError(f"{name} ended after {done} of {total} bytes")
    return digest.hexdigest()
