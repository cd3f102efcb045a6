"""Asks an exported graph with ONNX Runtime: bytes of squares in, probabilities out. It imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cleaner.errors import InputError
from cleaner.types import Floats

INPUT, OUTPUT = "images", "probabilities"
CLASSES = "classes"  # among the graph's metadata, JSON
QUIET = 3  # errors only: what the runtime warns of nobody can change


class Session:
    """An ONNX graph, ready to be asked from any thread, on the CPU.

    It takes uint8 [B, `size`, `size`, 3] and says probabilities float32 [B, K] of its K `classes`. `threads`
    is how many compute one answer; None for as many as there are cores. Raises InputError for a file that is
    no such graph.
    """

    def __init__(self, path: Path, *, threads: int | None = None):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # a thread that waits must not take the core from those that decode and answer
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            _, self.size, _, _ = self._session.get_inputs()[0].shape
            self.classes = tuple(json.loads(self._session.get_modelmeta().custom_metadata_map[CLASSES]))
            if self._session.get_outputs()[0].shape[1:] != [len(self.classes)]:
                raise ValueError(self.classes)
        except Exception as error:  # the runtime's errors have nothing in common but this
            raise InputError(f"{path} is damaged or is no exported model; export it again.") from error

    def __call__(self, squares: NDArray[np.uint8]) -> Floats:
        """Return the probabilities [B, K] of squares [B, S, S, 3]."""
        (said,) = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(squares)})
        return np.asarray(said, dtype=np.float32)
