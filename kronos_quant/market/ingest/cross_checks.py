"""What the fields of a Qlib directory say of each other: `change` of the close, `vwap` of amount and volume.

Neither is kept, for both follow from the bars. Where they do so on nearly every bar of a symbol, the few on which they
do not hold a damaged number: nothing else in the format tells a flipped byte. `change` is often of other units or of
raw prices, and `vwap` of lots or thousands; what a symbol's fields mean is what fits most of its bars.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import Float32Array

Flags = npt.NDArray[np.bool_]

CROSS_FIELDS = ("change", "vwap")

_LEAST_BARS = 20
_AGREEING = 0.95
"""Share of a symbol's bars that must fit, for the others to be suspicious."""

_ROUGHEST = 1e-3
"""Deviation of the agreeing bars, relative to the price, above which a field is of too few digits to judge by."""

_EXACT = 1e-5
"""The same for a vwap that is the mean of the prices: a true one lies near it in short bars, and is not it."""

_FLOAT32 = 6e-7
"""Deviation that a few float32 roundings explain."""

_BEYOND = 4.0
"""A bar deviates when it does so by this many times as much as the agreeing ones."""


def contradicted(columns: Mapping[str, Float32Array], others: Mapping[str, Float32Array], *, raw_volume: bool) -> Flags:
    """Which bars of one symbol another field of its source contradicts.

    columns : prices, volume, amount and factor, a value a bar, in order of time. others : those of CROSS_FIELDS that
    the source has, likewise. raw_volume : whether the volume is the shares really traded.
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
    # (at either end nothing tells the two apart)
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
