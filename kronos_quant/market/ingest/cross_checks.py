"""What the fields of a Qlib directory say about each other.

`find_contradictions`: the close against `change`, amount and volume against `vwap`. Neither field is stored, as both
follow from the bars. Where they agree on nearly every bar of a symbol, the few bars on which they disagree hold a
damaged number: nothing else in the format reveals a flipped byte. `change` often has other units or refers to raw
prices, and `vwap` to lots or thousands; the reading that fits most bars of a symbol is taken.

`VolumeVotes`: is the volume adjusted (raw volume = volume x factor), or the shares that were really traded? Qlib's own
dumps divide the volume by the factor, others keep it; the directory does not say. Where there is an amount, it decides:
amount / (volume x adjusted price) is one number (a unit) for an adjusted volume, and follows 1 / factor for a raw one.
Without it whole numbers decide: shares trade whole, and a volume divided by a factor is not whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import Float32Array

Flags = npt.NDArray[np.bool_]

CROSS_FIELDS = ("change", "vwap")

_LEAST_BARS = 20
_AGREEING = 0.95  # share of a symbol's bars that must fit, for the others to be suspicious
_ROUGHEST = 1e-3  # deviation of the agreeing bars, relative to the price, above which a field has too few digits
_EXACT = 1e-5  # the same for a vwap that is the mean of the prices, which a true vwap of a short bar comes close to
_FLOAT32 = 6e-7  # deviation that a few float32 roundings explain
_BEYOND = 4.0  # a bar deviates when it does so by this many times as much as the agreeing ones

_LEAST_STEP = 0.03  # spread of the log factor from which it shows above the noise of a mean price
_LARGEST_EXACT = 2.0**19  # above it a float32 rounds a volume times a factor by more than a tenth of a share
_WHOLE = 0.1  # a volume is whole within this distance of a whole number; one in five random numbers is
_WHOLE_SHARE = 0.9
_BARS_SAMPLED = 250  # per symbol
_MAJORITY = 0.6


def find_contradictions(
    columns: Mapping[str, Float32Array], others: Mapping[str, Float32Array], *, raw_volume: bool
) -> Flags:
    """bool per bar of one symbol: contradicted by another field (CROSS_FIELDS, those that the source has).

    raw_volume : the volume is the shares really traded.
    """
    flags = np.zeros(len(columns["close"]), dtype=np.bool_)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        wide = {name: values.astype(np.float64) for name, values in columns.items()}
        if "change" in others:
            flags |= _by_change(wide, others["change"].astype(np.float64))
        if "vwap" in others:
            flags |= _by_vwap(wide, others["vwap"].astype(np.float64), raw_volume)
    return flags


def _by_change(wide: Mapping[str, npt.NDArray[np.float64]], change: npt.NDArray[np.float64]) -> Flags:
    """Bars whose close fits neither the change to it nor the change from it to the next bar."""
    flags = np.zeros(len(change), dtype=np.bool_)
    if len(change) < _LEAST_BARS:
        return flags
    candidates = []
    for close in (wide["close"], wide["close"] / wide["factor"]):
        true = close[1:] / close[:-1] - 1
        candidates += [np.abs(change[1:] / unit - true) / (1 + np.abs(true)) for unit in (1.0, 100.0)]
    wrong = _deviating(candidates, _ROUGHEST)
    # a damaged close shows twice, to it and from it; a change that is wrong alone was itself damaged
    # (at either end the two cannot be distinguished)
    flags[1:-1] = wrong[:-1] & wrong[1:]
    flags[0] = wrong[0] and not flags[1]
    flags[-1] = wrong[-1] and not flags[-2]
    return flags


def _by_vwap(wide: Mapping[str, npt.NDArray[np.float64]], vwap: npt.NDArray[np.float64], raw_volume: bool) -> Flags:
    """Bars whose vwap does not fit amount / volume, or the mean of the prices, where it is that on the others."""
    paid = wide["amount"] / wide["volume"] * (wide["factor"] if raw_volume else 1.0)
    unit = np.nanmedian(vwap / paid) if np.isfinite(vwap / paid).any() else np.nan
    mean = np.mean([wide[name] for name in ("open", "high", "low", "close")], axis=0)
    return _deviating([np.abs(vwap / (paid * unit) - 1)], _ROUGHEST) | _deviating([np.abs(vwap / mean - 1)], _EXACT)


def _deviating(candidates: list[npt.NDArray[np.float64]], roughest: float) -> Flags:
    """Where the reading that fits best does not fit; nowhere if none fits nearly all bars to `roughest`."""
    best, bound = None, roughest
    for deviation in candidates:
        known = deviation[np.isfinite(deviation)]
        if len(known) < _LEAST_BARS:
            continue
        usual = float(np.quantile(known, _AGREEING))
        if usual < bound:
            best, bound = deviation, usual
    if best is None:
        return np.zeros(len(candidates[0]), dtype=np.bool_)
    return np.greater(best, max(_FLOAT32, _BEYOND * bound), where=np.isfinite(best), out=np.isposinf(best))


@dataclass(slots=True)
class VolumeVotes:
    """What the symbols of a directory indicate about their volume."""

    adjusted: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def add(self, symbol: str, columns: dict[str, Float32Array]) -> None:
        """Count one symbol's vote; without a factor, or with a nearly constant one, it has none."""
        volume, factor = columns.get("volume"), columns.get("factor")
        if volume is None or factor is None:
            return
        if len(volume) > _BARS_SAMPLED:
            step = len(volume) // _BARS_SAMPLED
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
        """ "adjusted", "raw", or "assumed adjusted" without a clear majority."""
        votes = len(self.adjusted) + len(self.raw)
        if len(self.raw) > _MAJORITY * votes:
            return "raw"
        return "adjusted" if len(self.adjusted) > _MAJORITY * votes else "assumed adjusted"

    def notes(self) -> list[str]:
        """What a user should know about it."""
        votes = len(self.adjusted) + len(self.raw)
        note = {
            "raw": f"volume is raw, not adjusted (evidence from {len(self.raw)} of {votes} symbols)",
            "adjusted": "",
            "assumed adjusted": f"volume assumed adjusted; {len(self.raw)} of {votes} symbols indicate raw volume",
        }[self.verdict()]
        return [note] if note and votes else []


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
    usable = (volume < _LARGEST_EXACT) & (volume * factor < _LARGEST_EXACT) & (np.abs(factor - 1) > _LEAST_STEP)
    if not usable.any():
        return None
    as_given, multiplied = _whole_share(volume[usable]), _whole_share((volume * factor)[usable])
    if (as_given >= _WHOLE_SHARE) == (multiplied >= _WHOLE_SHARE):
        return None
    return multiplied > as_given


def _whole_share(volume: npt.NDArray[np.float64]) -> float:
    return float((np.abs(volume - np.round(volume)) < _WHOLE).mean())
