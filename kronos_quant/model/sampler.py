"""Normalised windows to sample paths, in chunks of fixed shape.

A chunk always holds the same number of series (the last one is padded), whatever the batch, so that the numbers of a
series depend on nothing but its window, its seed and the settings: not on the batch, its order or free memory.
Letters: B series, S samples, L lookback, H horizon.
"""

from __future__ import annotations

import copy
import logging
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kronos_quant.arrays import Float32Array
from kronos_quant.bounds import LARGEST_CLIP, MOST_BARS, MOST_SAMPLES
from kronos_quant.errors import ConfigError, DataError, KronosQuantError, listed
from kronos_quant.inputs import as_count, as_number
from kronos_quant.model.checkpoint import check_fit, native_context
from kronos_quant.model.cuda_graphs import CudaGraphs
from kronos_quant.model.decoding import BarDecoder, BarEncoder, Context, PathDecoder, check_horizon
from kronos_quant.model.kronos import TIME_ROWS, Kronos, KronosTokenizer
from kronos_quant.model.sampling import DEFAULT_SAMPLING, Sampling
from kronos_quant.schema import FEATURES

Precision = Literal["float32", "bfloat16"]
StampArray = NDArray[np.integer]
Chunk = tuple[Tensor, ...]
"""x float32[B, L, 6], x_stamp [B, L, 5], y_stamp [B, H, 5] and seeds int64[B]."""

CHUNK_TOKENS, CHUNK_PATHS = 3 * 2**20, 5 * 2**15
"""Width times tokens of all lookbacks, and width times sample paths, of a chunk on a processor: the products of a step
run near its best from some 150 rows on, and a chunk of few series wastes little on padding."""
CHUNK_SERIES = 64
"""Most series of a chunk: the caches of more are fetched from memory at every step."""
ACCELERATOR_SCALE = 4
"""So many times as much is a chunk on an accelerator."""
LEAST_ROWS = 8
"""Products of fewer than 5 rows round differently."""

OTHER_BYTES = 2**26
"""Of a chunk, whatever its caches take."""

GROUP_CHUNKS = 16
"""Chunks whose results stay on the device together, until it runs out of memory."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SamplePaths:
    """Sample paths of some windows, in normalised units."""

    paths: Float32Array
    """float32[B, S, H, 6]: the future bars."""
    last: Float32Array
    """float32[B, 6]: the lookback's last bar as the tokenizer decodes it; the fair base of a return."""


class PathSampler:
    """Samples the bars that follow normalised windows, with a tokenizer and a predictor.

    The weights are copied or fused here, in eval mode: after further training, make another one.

    Parameters
    ----------
    tokenizer, predictor : networks that fit each other.
    max_context : longest window in bars; None takes the architecture's own (2048 for Kronos-mini, else 512).
    clip : normalised values are cut to +-clip.
    device : see `resolve_device`.
    dtype : of the matrix products of the predictor and of the tokenizer's decoder; its encoder always works in float32.
    context : see `decoding.Context`.

    Raises
    ------
    CheckpointError
        When the networks do not fit each other.
    ConfigError
        For settings out of range, and a device that is not there.
    """

    def __init__(
        self,
        tokenizer: KronosTokenizer,
        predictor: Kronos,
        max_context: int | None = None,
        clip: float = 5.0,
        device: str = "auto",
        dtype: Precision = "float32",
        context: Context = "exact",
    ) -> None:
        if not isinstance(tokenizer, KronosTokenizer) or not isinstance(predictor, Kronos):
            raise ConfigError(
                "tokenizer, predictor: expected KronosTokenizer and Kronos, "
                f"found {type(tokenizer).__name__} and {type(predictor).__name__}"
            )
        check_fit(tokenizer.config, predictor.config)
        if context not in ("exact", "trim"):
            raise ConfigError(f"context: expected exact or trim, got {context!r}")
        if dtype not in ("float32", "bfloat16"):
            raise ConfigError(f"dtype: expected float32 or bfloat16, got {dtype!r}")
        self.max_context = native_context(predictor.config) if max_context is None else max_context
        as_count(self.max_context, "max_context", most=MOST_BARS)
        self.clip = as_number(
            clip, "clip", lambda bound: 0 < bound <= LARGEST_CLIP, "a number above 0, at most 1,000,000"
        )
        self.device = resolve_device(device)
        self.tokenizer = copy.deepcopy(tokenizer).to(self.device).eval()
        narrow = torch.bfloat16 if dtype == "bfloat16" else torch.float32
        model = copy.deepcopy(predictor).to(self.device, torch.float32).eval()
        self.width = max(tokenizer.config.d_model, predictor.config.d_model)
        self.path_decoder = PathDecoder(model, self.max_context, context, narrow)
        self.bar_encoder = BarEncoder(self.tokenizer, self.max_context)
        self.bar_decoder = BarDecoder(self.tokenizer, self.max_context, narrow)
        self.graphs = CudaGraphs(self.device)

    def sample(
        self,
        x: Float32Array,
        x_stamp: StampArray,
        y_stamp: StampArray,
        samples: int,
        sampling: Sampling = DEFAULT_SAMPLING,
        seeds: NDArray[np.int64] | None = None,
    ) -> SamplePaths:
        """Sample `samples` paths of H bars for each window; a window's numbers depend on its own row and seed only.

        Parameters
        ----------
        x : float32[B, L, 6], normalised, no NaN.
        x_stamp, y_stamp : [B, L, 5] and [B, H, 5]: minute, hour, weekday, day, month.
        samples : paths per window.
        sampling : how tokens are chosen.
        seeds : int64[B] from `series_seed`; None numbers the rows.

        Raises
        ------
        DataError
            For arrays that do not fit.
        ConfigError
            For fewer than one path, and a horizon beyond 8 x `max_context`.
        """
        as_count(samples, "samples", most=MOST_SAMPLES)
        seeds = np.arange(len(x)) if seeds is None else seeds
        _check_windows(x, x_stamp, y_stamp, seeds)
        check_horizon(y_stamp.shape[1], self.max_context)
        kinds = (np.float32, np.int64, np.int64, np.int64)
        arrays = zip((x, x_stamp, y_stamp, seeds), kinds, strict=True)
        inputs = tuple(torch.from_numpy(np.array(part, dtype=kind)) for part, kind in arrays)
        rows = chunk_series(self.width, x.shape[1], samples, self.device.type)
        # the last chunk is filled up with copies of the last window
        places = [torch.arange(start, start + rows).clamp(max=len(x) - 1) for start in range(0, len(x), rows)]
        chunks = [tuple(part[place] for part in inputs) for place in places]
        done = self._run_all(chunks, sampling, samples)
        bars, last = (torch.cat(parts)[: len(x)].numpy() for parts in zip(*done, strict=True))
        return SamplePaths(bars, last)

    def chunk_bytes(self, lookback: int, horizon: int, samples: int) -> int:
        """About the bytes that one chunk of such windows takes while it runs, without the weights."""
        series = chunk_series(self.width, lookback, samples, self.device.type)
        caches = self.path_decoder.cache_bytes(series, lookback, horizon, samples)
        beyond = max(horizon - self.max_context, 0)  # bars that no cache holds: embedded, decoded and joined
        return OTHER_BYTES + caches * 3 // 2 + 3 * 4 * series * samples * beyond * self.width

    def _run_all(self, chunks: list[Chunk], sampling: Sampling, samples: int) -> list[tuple[Tensor, Tensor]]:
        """Run all chunks, a group at once; memory decides the size of a group, never the shape of a chunk."""
        done: list[tuple[Tensor, Tensor]] = []
        group = GROUP_CHUNKS
        while len(done) < len(chunks):
            try:
                results = [self._run(chunk, sampling, samples) for chunk in chunks[len(done) : len(done) + group]]
                done += [(bars.cpu(), last.cpu()) for bars, last in results]
            except torch.OutOfMemoryError as error:
                if group == 1:
                    raise _too_large(self.device, chunks[0], samples) from error
                group //= 2
                self.graphs.drop()
                logger.warning("out of memory on %s: continuing with %d chunks at once", self.device, group)
            else:
                continue
            torch.cuda.empty_cache()  # outside the handler, whose traceback still holds the tensors
        return done

    def _run(self, chunk: Chunk, sampling: Sampling, samples: int) -> tuple[Tensor, Tensor]:
        """Bars [B, S, H, 6] and last bars [B, 6] of one chunk, on the device."""

        def sample(x: Tensor, x_stamp: Tensor, y_stamp: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
            tokens = self.bar_encoder.encode(x.clamp(-self.clip, self.clip))
            paths = self.path_decoder.sample(tokens, x_stamp, y_stamp, sampling, seeds, samples)
            return self.bar_decoder.decode(tokens, paths)

        bars, last = self.graphs.run((sampling, samples), sample, *(part.to(self.device) for part in chunk))
        return bars, last


def chunk_series(width: int, lookback: int, samples: int, device: str = "cpu") -> int:
    """Series of a chunk: a power of two that depends on the shape of the work and the kind of device only."""
    scale = 1 if device == "cpu" else ACCELERATOR_SCALE
    limits = (CHUNK_TOKENS // (width * lookback), CHUNK_PATHS // (width * samples), CHUNK_SERIES)
    fitting, fewest = scale * min(limits), -(-LEAST_ROWS // samples)
    return max(1 << max(fitting.bit_length() - 1, 0), 1 << (fewest - 1).bit_length())


def resolve_device(device: str) -> torch.device:
    """The torch device of a name: auto (CUDA if there, else the CPU), cpu, cuda, cuda:N or mps.

    Raises ConfigError in one line when it is no such name or the machine lacks it.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not isinstance(device, str) or not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise ConfigError(f"device: expected auto, cpu, cuda, cuda:N or mps, got {device!r}")
    resolved = torch.device(device)
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device: {device} not found: this machine has {torch.cuda.device_count()} CUDA devices",
            hint="use --device auto",
        )
    if resolved.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device: mps not found on this machine", hint="use --device auto")
    return resolved


def _check_windows(x: Float32Array, x_stamp: StampArray, y_stamp: StampArray, seeds: NDArray[np.int64]) -> None:
    if x.ndim != 3 or 0 in x.shape or y_stamp.ndim != 3 or y_stamp.shape[1] == 0:
        raise DataError(f"windows: expected x [B, L, 6] and y_stamp [B, H, 5], found {x.shape} and {y_stamp.shape}")
    B, L, features = x.shape
    if features != len(FEATURES):
        raise DataError(f"windows: x: expected {len(FEATURES)} features, found {features}")
    expected = {"x_stamp": (B, L, len(TIME_ROWS)), "y_stamp": (B, y_stamp.shape[1], len(TIME_ROWS)), "seeds": (B,)}
    for name, array in (("x_stamp", x_stamp), ("y_stamp", y_stamp), ("seeds", seeds)):
        if array.shape != expected[name]:
            raise DataError(f"windows: {name}: expected shape {expected[name]}, found {array.shape}")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=(1, 2)))
    if len(bad):
        raise DataError(f"windows: x has values that are not finite in row {listed(bad)}", hint="kq doctor")
    limits = np.array(list(TIME_ROWS.values()))
    for name, stamps in (("x_stamp", x_stamp), ("y_stamp", y_stamp)):
        if (stamps < 0).any() or (stamps >= limits).any():
            raise DataError(
                f"windows: {name}: minute, hour, weekday, day, month must be from 0 to {(limits - 1).tolist()}"
            )


def _too_large(device: torch.device, chunk: Chunk, samples: int) -> KronosQuantError:
    series, lookback = chunk[0].shape[:2]
    return KronosQuantError(
        f"out of memory on {device}: {series} series of {lookback} bars with {samples} samples do not fit",
        hint="use fewer samples, a shorter lookback or --device cpu",
    )
