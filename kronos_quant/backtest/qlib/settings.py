"""What the section `qlib` of a strategy file says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from kronos_quant.config import Section

EXPRESSION = re.compile(r"(?:(?P<before>[\d.eE+-]+) *\* *)?\$volume(?: *\* *(?P<after>[\d.eE+-]+))?")
"""A share of the day's volume, as Qlib writes it; the only expressions that need no Qlib to be understood."""


class VolumeShares(Section):
    """The largest share of the day's own volume that an order fills.

    Read from a number, from Qlib's (`cum` or `current`, "0.1 * $volume"), which are the same where a bar is a day, or
    from either for `all`, `buy` and `sell`, of which the smaller one holds.
    """

    buy: float = Field(gt=0, description="of a purchase")
    sell: float = Field(gt=0, description="of a sale")

    @model_validator(mode="before")
    @classmethod
    def _of_qlibs(cls, data: Any) -> Any:
        given = data if isinstance(data, dict) else {"all": data}
        unknown = [str(name) for name in given if name not in ("all", "buy", "sell")]
        if unknown:
            raise ValueError(f"expected all, buy and sell, found {', '.join(unknown)}")
        shares = {name: volume_share(value) for name, value in given.items()}
        sides = {side: [shares[name] for name in ("all", side) if name in shares] for side in ("buy", "sell")}
        if not all(sides.values()):
            raise ValueError("Qlib wants both sides: give a number, or all, or buy and sell")
        if not all(share > 0 for share in shares.values()):
            raise ValueError(f"must be greater than 0, found {data!r}")
        return {side: min(of_side) for side, of_side in sides.items()}


def volume_share(value: Any) -> float:
    """The share that a number, or a pair of Qlib's, stands for. Raises ValueError for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    pair = isinstance(value, (list, tuple)) and len(value) == 2 and value[0] in ("cum", "current")
    found = EXPRESSION.fullmatch(value[1].strip()) if pair and isinstance(value[1], str) else None
    try:
        if found is not None and not (found["before"] and found["after"]):
            return float(found["before"] or found["after"] or 1.0)
    except ValueError:
        pass
    raise ValueError(f'expected a number, or [current, "0.1 * $volume"] as Qlib has it, found {value!r}')


class QlibSettings(Section):
    """What only the profile `qlib` asks for, by Qlib's names."""

    only_tradable: bool = Field(False, description="rank tradable symbols only, by the state of the day they trade in")
    forbid_all_trade_at_limit: bool = Field(True, description="a symbol at either limit is neither bought nor sold")
    impact_cost: float = Field(
        0.0, ge=0, description="of the value, times the square of the order's share of the day's value: added to a cost"
    )
    volume_threshold: VolumeShares | None = Field(
        None, description="largest share of the day's own volume that an order fills (0.1: 0.1 * $volume); null: any"
    )
    directory: Path | None = Field(
        None,
        description="Qlib directory whose $change decides the limits; null: market.qlib_dir of kq.yaml where that has "
        "the workspace's closes, else computed from the closes",
    )
