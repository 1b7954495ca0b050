"""Runs of fixed shape replayed as CUDA graphs: one launch in place of the thousands of small kernels of a run.

A graph repeats the kernels of one run on the same memory. That is the same computation only where the work depends on
shapes and settings alone and asks the host for nothing: the sampling of a chunk on an accelerator is written so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Run = Callable[..., Tensors]
"""Tensors on the device to tensors on the device."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CudaGraph:
    """A captured run: its own inputs and outputs, and what computes the ones from the others."""

    inputs: Tensors
    outputs: Tensors
    replay: Callable[[], None]

    def __call__(self, *inputs: Tensor) -> Tensors:
        """The outputs for other inputs of the same shapes, as tensors of their own."""
        for own, new in zip(self.inputs, inputs, strict=True):
            own.copy_(new)
        self.replay()
        return tuple(output.clone() for output in self.outputs)


class CudaGraphs:
    """Runs chunks on one device; on CUDA those of a shape that comes again are replayed.

    The first run of a shape is an ordinary one. At the second its graph is captured and compared with the ordinary
    run, bit for bit: one that differs, or cannot be captured, disables the graphs with a warning.
    """

    def __init__(self, device: torch.device) -> None:
        self.enabled = device.type == "cuda"
        self.seen: set[Hashable] = set()
        self.graphs: dict[Hashable, CudaGraph] = {}

    def run(self, key: Hashable, function: Run, *inputs: Tensor) -> Tensors:
        """function(*inputs); `key` names everything the function depends on except its inputs' numbers."""
        key = (key, *(part.shape for part in inputs))
        if key in self.graphs:
            return self.graphs[key](*inputs)
        outputs = function(*inputs)
        if self.enabled and key in self.seen:
            self._try_capture(key, function, inputs, outputs)
        self.seen.add(key)
        return outputs

    def drop(self) -> None:
        """Give back the memory of all graphs, and capture no more."""
        self.enabled = False
        self.graphs.clear()

    def _try_capture(self, key: Hashable, function: Run, inputs: Tensors, outputs: Tensors) -> None:
        try:
            graph = capture(function, inputs)
            same = all(torch.equal(a, b) for a, b in zip(graph(*inputs), outputs, strict=True))
        except RuntimeError as error:  # out of memory, or whatever the driver says of a capture
            reason = str(error).partition("\n")[0]
        else:
            if same:
                self.graphs[key] = graph
                return
            reason = "a replay differed from the run"
        logger.warning("continuing without CUDA graphs: %s", reason)
        self.drop()


def capture(function: Run, inputs: Tensors) -> CudaGraph:
    """Record function(*inputs) on the inputs' CUDA device; raises RuntimeError where that is not possible."""
    own = tuple(part.clone() for part in inputs)
    with torch.cuda.device(own[0].device):
        torch.cuda.empty_cache()  # the memory of the ordinary runs; a graph has its own
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            outputs = function(*own)
    return CudaGraph(own, outputs, graph.replay)
