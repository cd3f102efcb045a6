"""A network as an ONNX graph: it must say what the network says, or there must be none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cleaner.errors import InputError, TrainingError
from cleaner.model.bodies import IMAGENET, body_of
from cleaner.model.device import body_arithmetic, exact
from cleaner.model.graph import reduction, write_graph
from cleaner.model.images import cached_side, fitted
from cleaner.model.network import build, quick_network, small_network
from cleaner.model.predict import predict
from cleaner.model.session import Session

CLASSES = ("cat", "dog", "größer <b>")


def _squares(size: int) -> np.ndarray:
    side = cached_side(size)
    return np.random.default_rng(0).integers(0, 256, (5, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("arch", ["resnet18", "timm/test_vit"])
def test_a_graph_agrees_with_its_network_for_any_number_of_images(tmp_path, arch):
    network, squares = build(arch, vocab=CLASSES, size=32).eval(), _squares(32)
    assert write_graph(tmp_path / "graph", network, squares=squares) < 1e-5
    session = Session(tmp_path / "graph", threads=1)
    assert (session.classes, session.size) == (CLASSES, 36)
    for count in (1, 3, 5):
        np.testing.assert_allclose(session(squares[:count]), predict(network, squares[:count]), atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]


@pytest.mark.parametrize(("side", "size"), [(54, 48), (252, 224), (40, 10), (20, 32)])
def test_the_graph_scales_as_torch_does(side, size):
    squares = np.random.default_rng(0).integers(0, 256, (2, 3, side, side), dtype=np.uint8)
    weights = reduction(side, size).numpy()
    scaled = weights @ (squares.astype(np.float32) @ weights.T)
    np.testing.assert_allclose(scaled, fitted(torch.from_numpy(squares), size), atol=1e-3)


def test_the_graph_of_a_quick_network_agrees_too(tmp_path):
    body = body_of("resnet18", size=32, stats=IMAGENET, weights=None)
    head = np.random.default_rng(0).normal(size=(body.dims + 1, len(CLASSES)))
    network, squares = quick_network(body, vocab=CLASSES, head=head), _squares(32)
    assert write_graph(tmp_path / "graph", network, squares=squares) < 1e-5
    with torch.inference_mode(), exact():
        images = torch.zeros(1, 3, 32, 32)
        embedding = body.embed(images).double().numpy()
        np.testing.assert_allclose(network(images), np.append(embedding, [[1]], axis=1) @ head, atol=1e-4)


def test_a_graph_that_disagrees_is_refused(tmp_path):
    network = small_network(CLASSES, size=32).eval()
    network.head[-1].bias.data[0] = float("nan")
    with pytest.raises(TrainingError, match="disagrees with the network by nan; nothing was exported"):
        write_graph(tmp_path / "graph", network, squares=_squares(32))


def test_what_is_no_graph_of_ours_is_refused_in_a_sentence(tmp_path):
    for content in (b"", b"no graph at all", b"\x08\x07"):
        (tmp_path / "graph").write_bytes(content)
        with pytest.raises(InputError, match="graph is damaged or is no exported model; export it again"):
            Session(tmp_path / "graph")


def test_what_is_exact_is_computed_in_float32_everywhere():
    with exact():
        with body_arithmetic(torch.device("cpu")):
            assert not torch.is_autocast_enabled("cpu")
        with body_arithmetic(torch.device("cuda")):
            assert not torch.is_autocast_enabled("cuda")
