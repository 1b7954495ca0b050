"""Is a Qlib directory's volume adjusted (raw volume = volume x factor) or the shares that were really traded?

Qlib's own dumps divide the volume by the factor, others keep it; the directory does not say. Where there is an amount,
it tells: amount / (volume x adjusted price) is one number (a unit) for an adjusted volume, and follows 1 / factor for a
raw one. Without it whole numbers do: shares are traded whole, and a volume divided by a factor is not whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import Float32Array

_LEAST_STEP = 0.03
"""Spread of the log factor from which it shows above the noise of a mean price, relative."""

_LARGEST_EXACT = 2.0**19
"""Above it a float32 rounds a volume by more than a tenth of a share once it is multiplied by a factor."""

_WHOLE = 0.1
"""A volume is whole when it is this near to a whole number; one in five of any numbers is."""

_WHOLE_SHARE = 0.9
_BARS_ASKED = 250
"""Of a symbol; more of them tell the same."""

_MAJORITY = 0.6


@dataclass(slots=True)
class VolumeVotes:
    """What the symbols of a directory say."""

    adjusted: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def add(self, symbol: str, columns: dict[str, Float32Array]) -> None:
        """Ask one symbol, by the source's own numbers: close, volume and, where there are, amount and factor.

        A symbol without a factor, or whose factor hardly moves, has nothing to say.
        """
        volume, factor = columns.get("volume"), columns.get("factor")
        if volume is None or factor is None:
            return
        if len(volume) > _BARS_ASKED:
            step = len(volume) // _BARS_ASKED
            columns = {name: values[::step] for name, values in columns.items()}
            volume, factor = columns["volume"], columns["factor"]
        usable = (volume > 0) & (factor > 0) & (columns["close"] > 0)
        if "amount" in columns and (columns["amount"][usable] > 0).any():
            is_adjusted = _by_amount(columns, usable & (columns["amount"] > 0))
        else:
            is_adjusted = _by_whole_shares(volume[usable].astype(np.float64), factor[usable].astype(np.float64))
        if is_adjusted is not None:
            (self.adjusted if is_adjusted else self.raw).append(symbol)

    def verdict(self) -> str:
        """ "adjusted", "raw", or "assumed adjusted" where nothing or too little tells."""
        votes = len(self.adjusted) + len(self.raw)
        if len(self.raw) > _MAJORITY * votes:
            return "raw"
        return "adjusted" if len(self.adjusted) > _MAJORITY * votes else "assumed adjusted"

    def notes(self) -> list[str]:
        """What a user should know of it."""
        votes = len(self.adjusted) + len(self.raw)
        told = {
            "raw": f"volume is not adjusted (so {len(self.raw)} of {votes} symbols show): it is the raw volume",
            "adjusted": "",
            "assumed adjusted": f"volume taken as adjusted; {len(self.raw)} of {votes} symbols speak against it",
        }[self.verdict()]
        return [told] if told and votes else []


def _by_amount(columns: dict[str, Float32Array], usable: npt.NDArray[np.bool_]) -> bool | None:
    price, volume, amount, factor = (
        np.log(columns[name][usable].astype(np.float64)) for name in ("close", "volume", "amount", "factor")
    )
    if not len(factor) or np.ptp(factor) < _LEAST_STEP:
        return None
    unit = amount - volume - price
    return bool(_spread(unit) < _spread(unit + factor))


def _spread(values: npt.NDArray[np.float64]) -> float:
    """Mean distance from the median: few bad rows do not decide it."""
    return float(np.abs(values - np.median(values)).mean())


def _by_whole_shares(volume: npt.NDArray[np.float64], factor: npt.NDArray[np.float64]) -> bool | None:
    telling = (volume < _LARGEST_EXACT) & (volume * factor < _LARGEST_EXACT) & (np.abs(factor - 1) > _LEAST_STEP)
    if not telling.any():
        return None
    as_given, multiplied = _whole_share(volume[telling]), _whole_share((volume * factor)[telling])
    if (as_given >= _WHOLE_SHARE) == (multiplied >= _WHOLE_SHARE):
        return None
    return multiplied > as_given


def _whole_share(volume: npt.NDArray[np.float64]) -> float:
    return float((np.abs(volume - np.round(volume)) < _WHOLE).mean())
