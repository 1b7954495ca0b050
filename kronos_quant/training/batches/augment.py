"""Augmentation of training windows, against over-fitting on a small market. All changes are off by default.

Applied to normalised windows, in this order: window slicing, time warping, magnitude scaling, noise. The first two move
all features along time together, so that high and low stay around open and close. Each window has a generator of its
own, keyed by (seed, epoch, window): independent of batch, rank and worker.
Shapes: B windows, T bars, 6 features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kronos_quant import schema
from kronos_quant.arrays import FloatArray
from kronos_quant.config import AugmentConfig

WARP_KNOTS = 4
"""Points at which the speed of time is drawn; it changes smoothly between them."""
PRICE_COUNT = len(schema.PRICES)


def augment(
    values: NDArray[np.float32], windows: NDArray[np.int64], config: AugmentConfig, seed: int, epoch: int, clip: float
) -> NDArray[np.float32]:
    """`values` float32[B, T, 6] of the windows number int64[B], with the changes of `config`, within +-clip."""
    changed = np.empty_like(values)
    for i, window in enumerate(windows.tolist()):
        rng = np.random.default_rng((seed, epoch, window))
        bars = values[i].astype(np.float64)
        if config.slice:
            bars = interpolate(bars, slice_places(len(bars), config.slice, rng))
        if config.time_warp:
            bars = interpolate(bars, warp_places(len(bars), config.time_warp, rng))
        if config.magnitude:
            bars = bars * magnitude_factors(config.magnitude, rng)
        if config.noise:
            bars = bars + rng.normal(scale=config.noise, size=bars.shape)
        changed[i] = np.clip(bars, -clip, clip)
    return changed


def slice_places(length: int, share: float, rng: np.random.Generator) -> FloatArray:
    """float64[T]: the place on the time axis of each new bar; a random part of it is stretched to the whole."""
    kept = (length - 1) * (1 - share * rng.random())
    first = (length - 1 - kept) * rng.random()
    return first + np.linspace(0, kept, length)


def warp_places(length: int, strength: float, rng: np.random.Generator) -> FloatArray:
    """float64[T]: ascending from 0 to T - 1, at a speed that varies smoothly between 1 - strength and 1 + strength."""
    knots = 1 + strength * rng.uniform(-1, 1, WARP_KNOTS)
    speed = np.interp(np.linspace(0, WARP_KNOTS - 1, length - 1), np.arange(WARP_KNOTS), knots)
    passed = np.concatenate([[0.0], np.cumsum(speed)])
    values: FloatArray = passed / passed[-1] * (length - 1)
    return values


def magnitude_factors(strength: float, rng: np.random.Generator) -> FloatArray:
    """float64[6]: one factor for the prices, one for volume and amount, each from 1 - strength to 1 + strength."""
    price, traded = 1 + strength * rng.uniform(-1, 1, 2)
    return np.array([price] * PRICE_COUNT + [traded] * (len(schema.FEATURES) - PRICE_COUNT))


def interpolate(bars: FloatArray, places: FloatArray) -> FloatArray:
    """The bars float64[T, 6] read at fractional places, linearly between neighbours."""
    left = np.minimum(places.astype(np.int64), len(bars) - 2)
    share = (places - left)[:, None]
    values: FloatArray = bars[left] * (1 - share) + bars[left + 1] * share
    return values
