"""The tokens of every window, encoded once while the tokenizer is frozen.

Windows are encoded in their own order in chunks of one size, so that a window's tokens do not depend on the batch it is
drawn in, on the ranks, or on a resume: float rounding follows the shape of the work.
Shapes: n windows, T bars.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kronos_quant.display import progress
from kronos_quant.model import KronosTokenizer
from kronos_quant.training.processes import Ranks
from kronos_quant.windows import BarTable, WindowIndex, gather_arrays

logger = logging.getLogger(__name__)

CHUNK = 64
TOKEN_BYTES = 2 * 2**30
"""Largest token table per rank; with more windows, every pass encodes its own."""
EXCHANGE_CHUNKS = 4096
"""Chunks that ranks exchange at once."""


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Sub-tokens of the windows of an index, int16[n, T] each (ids below 2^16 as their two's complement)."""

    s1: Tensor
    s2: Tensor

    def select(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """int64[B, T] twice, of the windows `which`."""
        return self.s1[which].long() & 0xFFFF, self.s2[which].long() & 0xFFFF


def tokens_fit(windows: int, length: int) -> bool:
    """Whether the tokens of so many windows fit a token table."""
    return 4 * windows * length <= TOKEN_BYTES


@torch.no_grad()
def tokenize_index(
    tokenizer: KronosTokenizer, table: BarTable, index: WindowIndex, clip: float, ranks: Ranks
) -> TokenTable:
    """The tokens of every window; each rank encodes a share, with the frozen tokenizer on its device, and sends it."""
    length = index.lookback + index.predict
    chunks = -(-len(index) // CHUNK)
    tokens = torch.zeros((2, chunks * CHUNK, length), dtype=torch.int16)
    with progress("encoding windows", chunks) as advance:
        for chunk in range(ranks.rank, chunks, ranks.world):
            rows = np.minimum(np.arange(chunk * CHUNK, (chunk + 1) * CHUNK), len(index) - 1)
            values, _, _ = gather_arrays(table, index, rows, clip)
            s1, s2 = tokenizer.encode(torch.from_numpy(values).to(ranks.device))
            tokens[0, chunk * CHUNK : (chunk + 1) * CHUNK] = s1.cpu().to(torch.int16)
            tokens[1, chunk * CHUNK : (chunk + 1) * CHUNK] = s2.cpu().to(torch.int16)
            advance(ranks.world)
    for first in range(0, chunks * CHUNK, EXCHANGE_CHUNKS * CHUNK):
        part = tokens[:, first : first + EXCHANGE_CHUNKS * CHUNK]
        # every window is 0 on all ranks but one
        part.copy_(ranks.total(part.int()).to(torch.int16))
    return TokenTable(tokens[0, : len(index)], tokens[1, : len(index)])
