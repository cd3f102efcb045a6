"""Keep a trained network in one safetensors file: weights, and as metadata what is needed to use them.

It unpickles nothing, and never leaves half a file.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cleaner.errors import InputError, TrainingError
from cleaner.model.bodies import Body, body_of
from cleaner.model.network import Network, QuickNetwork, build, quick_network
from cleaner.writing import whole

KEY = "cleaner"  # the one entry of the file's metadata, JSON
FORMAT = 2


def save_network(path: Path, network: Network, *, with_body: bool = True) -> None:
    """Write a network to a file, all of it or nothing; TrainingError if there is no space for it.

    Without its body, which others have, a quick network takes next to no room.
    """
    about = {
        "format": FORMAT,
        "arch": network.arch,
        "vocab": network.vocab,
        "size": network.size,
        "mean": network.stats[0],
        "std": network.stats[1],
        "quick": isinstance(network, QuickNetwork),
    }
    kept = network.state_dict() if with_body else network.head.state_dict(prefix="head.")
    tensors = {name: tensor.cpu().contiguous() for name, tensor in kept.items()}
    try:
        with whole(path) as part:
            part.touch()
            mode = part.stat().st_mode  # as of every other file here; safetensors' are for their owner alone
            save_file(tensors, part, metadata={KEY: json.dumps(about)})
            part.chmod(mode)
    except SafetensorError as error:  # which is all that it says of a full disk
        raise TrainingError(
            f"The network can't be written to {path.parent} ({error}); free some space and train again."
        ) from error


def load_network(path: Path, *, body: Body | None = None) -> Network:
    """Read a network back, on the CPU and ready to predict; InputError if the file is no such.

    `body` is that of a quick network which was saved without.
    """
    if not path.is_file():
        raise InputError(f"There is no saved network {path}; train one first.")
    try:
        return _load(path, body=body)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{path} is damaged or was not saved by this program; train again.") from error


def _load(path: Path, *, body: Body | None) -> Network:
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()[KEY])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    if about["format"] != FORMAT:
        raise ValueError(about["format"])
    vocab, stats = tuple(about["vocab"]), (tuple(about["mean"]), tuple(about["std"]))
    with torch.random.fork_rng(devices=[]):  # the random weights that are replaced at once cost no randomness
        if about.get("quick"):
            known = body or body_of(about["arch"], size=about["size"], stats=stats, weights=None)
            network: Network = quick_network(known, vocab=vocab)
        else:
            network = build(about["arch"], vocab=vocab, size=about["size"], stats=stats)
    lent = body.state_dict(prefix="body.") if body else {}
    network.load_state_dict(lent | weights)
    return network.eval()
