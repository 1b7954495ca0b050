"""Running means over what all ranks saw."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kronos_quant.training.processes import Ranks

WINDOWS = "windows"


class Means:
    """Means of named scalars, weighted by the number of windows they were taken over."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.windows = 0.0

    def add(self, parts: dict[str, Tensor], windows: int) -> None:
        """Add a batch's means; sums are kept on the device, so that nothing waits for it."""
        for name, value in parts.items():
            wide = torch.float32 if value.device.type == "mps" else torch.float64
            self.sums[name] = self.sums.get(name, 0.0) + value.detach().to(wide) * windows
        self.windows += windows

    def over(self, ranks: Ranks) -> dict[str, float]:
        """The means over everything that all ranks added."""
        means = ranks.mean([value.item() for value in self.sums.values()], self.windows)
        return dict(zip(self.sums, means, strict=True))

    def saved(self, ranks: Ranks) -> list[dict[str, float]]:
        """The sums of each rank, to be put back by `restored`."""
        names = [*self.sums, WINDOWS]
        rows = ranks.every([*(value.item() for value in self.sums.values()), self.windows])
        return [dict(zip(names, row, strict=True)) for row in rows]

    @classmethod
    def restored(cls, saved: Sequence[dict[str, float]], ranks: Ranks) -> Means:
        """A rank's sums; another number of ranks than before gives all of them to the first."""
        means = cls()
        if len(saved) == ranks.world:
            mine = dict(saved[ranks.rank])
        else:
            names = saved[0].keys() if saved else ()
            mine = {name: sum(row[name] for row in saved) * ranks.first for name in names}
        means.windows = mine.pop(WINDOWS, 0.0)
        wide = torch.float32 if ranks.device.type == "mps" else torch.float64
        means.sums = {name: torch.tensor(value, dtype=wide, device=ranks.device) for name, value in mine.items()}
        return means
