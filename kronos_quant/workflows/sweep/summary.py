"""What a sweep found, in words and for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.errors import counted, listed
from kronos_quant.validity import Luck

SHOWN = (
    "annual_return", "annual_volatility", "sharpe_ratio", "deflated_sharpe_probability", "max_drawdown", "turnover",
    "annual_cost",
)  # fmt: skip
BEST = 10


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """A finished sweep: its folder, its trials (settings and figures, a row each), and what was left out.

    luck : the tests of the trial with the highest Sharpe ratio, None where no trial has one
    resumed : trials that were there from before; refused : why combinations make no strategy
    """

    folder: Path
    settings: tuple[str, ...]
    trials: pl.DataFrame
    luck: Luck | None
    resumed: int
    refused: list[str]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "folder": self.folder,
            "trials": len(self.trials),
            "resumed": self.resumed,
            "left_out": self.refused,
            "seconds": self.seconds,
            "best": self.best().to_dicts(),
            "luck": None if self.luck is None else self.luck.as_dict(),
        }

    def best(self) -> pl.DataFrame:
        """The trials with the highest Sharpe ratios."""
        return ranked(self.trials).head(BEST).select(*self.settings, *SHOWN)

    def lines(self) -> list[str]:
        """The outcome in words."""
        again = f", {self.resumed:,} of them from before" if self.resumed else ""
        count = counted(len(self.trials), "trial")
        told = [f"{count} in {self.seconds:.1f} s{again}"]
        if self.refused:
            make = "makes" if len(self.refused) == 1 else "make"
            told.append(f"{counted(len(self.refused), 'combination')} {make} no strategy: {listed(self.refused, 2)}")
        told.append(f"the {min(BEST, len(self.trials))} best by Sharpe ratio, chosen among {count}:")
        best = self.best().rename({"deflated_sharpe_probability": "deflated"})
        with pl.Config(tbl_rows=BEST, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
                       tbl_formatting="NOTHING", float_precision=4, tbl_width_chars=160):  # fmt: skip
            told += str(best).splitlines()
        told.append("the best of many trials looks better than it is; the maps show whether its neighbours agree")
        if self.luck is not None:
            told += ["the best of them:", *(f"  {line}" for line in self.luck.lines())]
        return [*told, f"page: {self.folder / 'sweep.html'}", f"folder: {self.folder}"]


def ranked(trials: pl.DataFrame) -> pl.DataFrame:
    """The trials by Sharpe ratio, the highest first; those without one last."""
    order = pl.col("sharpe_ratio").fill_nan(None)
    return trials.sort(order, descending=True, nulls_last=True, maintain_order=True)
