"""The predictor's context of the last bar seen, of many windows.

Windows are run in their own order in chunks of one size, so that a window's numbers depend on nothing but itself.
Shapes: n windows, L lookback, D width of the predictor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kronos_quant.progress import progress
from kronos_quant.windows import WindowIndex, gather_arrays

if TYPE_CHECKING:
    from kronos_quant.training.phases import Training

CHUNK = 64


@torch.no_grad()
def last_contexts(training: Training, index: WindowIndex) -> Tensor:
    """float32[n, D] on the CPU, of the networks as they stand; the ranks run a share each and hand it to the others.

    Raises KeyboardInterrupt when the user wants to stop and no other rank waits.
    """
    data, ranks, networks, L = training.data, training.ranks, training.networks, index.lookback
    tokenizer, predictor = networks.tokenizer.to(ranks.device).eval(), networks.predictor.to(ranks.device).eval()
    chunks = -(-len(index) // CHUNK)
    found = torch.zeros(chunks * CHUNK, predictor.config.d_model)
    with progress("contexts", chunks) as advance:
        for chunk in range(ranks.rank, chunks, ranks.world):
            if training.stop.asked and ranks.world == 1:
                raise KeyboardInterrupt
            rows = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK)
            values, stamp, _ = gather_arrays(data.table, index, np.minimum(rows, len(index) - 1), data.clip)
            seen, times = (torch.from_numpy(part[:, :L]).to(ranks.device) for part in (values, stamp))
            found[rows] = predictor.context(*tokenizer.encode(seen), times)[:, -1].float().cpu()
            advance(ranks.world)
    # every window is 0 on all ranks but one
    return ranks.total(found)[: len(index)]
