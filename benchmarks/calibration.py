"""Do calibrated 90% intervals hold 90%?  `python benchmarks/calibration.py [--seeds 20]`

Forecasts of a made, far too confident model on 500 held-out dates, after 260 to learn from; symbols share a market
factor, and returns over a horizon overlap from date to date. Four kinds: shocks of Student's t with 5 degrees of
freedom and with 2.5 (heavy); a volatility that drifts (log AR(1), a half-life of 100 sessions, sd 0.4) and that the
model does not see; an overconfidence from 1.1 to 10 times that depends on the symbol, which the calibration does not
see. A cell is the mean over the seeds and its standard error, in percent; target: 88 to 92.
"""

import argparse
import time

import numpy as np

from kronos_quant.signals import LEVELS
from kronos_quant.signals.calibration import Calibration, calibrate
from kronos_quant.signals.moments import Moments

HELD_OUT, WARM = 500, 260
LOW, HIGH = LEVELS.index(0.05), LEVELS.index(0.95)
HORIZONS = (1, 5, 10, 20, 30, 60)
NORMAL_90 = 2 * 1.6449
"""Standard deviations between the ends of a normal's 90% interval."""


def volatility(rng: np.random.Generator, sessions: int, kind: str) -> np.ndarray:
    if kind != "drift":
        return np.ones(sessions)
    stays = 0.5 ** (1 / 100)
    state = rng.standard_normal(sessions)
    for t in range(1, sessions):
        state[t] = stays * state[t - 1] + np.sqrt(1 - stays**2) * state[t]
    return np.exp(0.4 * state)


def make(kind: str, seed: int, horizon: int, symbols: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Medians, spreads and outcomes, all float64[dates, symbols]."""
    rng = np.random.default_rng((seed, horizon, symbols, len(kind)))
    dates = HELD_OUT + WARM
    sessions = dates + horizon
    width = 0.02 * np.exp(0.4 * rng.standard_normal(symbols))
    df = 2.5 if kind == "heavy" else 5
    shocks = 0.6 * rng.standard_t(df, (sessions, 1)) + 0.8 * rng.standard_t(df, (sessions, symbols))
    shocks *= volatility(rng, sessions, kind)[:, None]
    total = np.vstack([np.zeros(symbols), np.cumsum(width * shocks, axis=0)])
    claimed = rng.uniform(0.1, 0.9, symbols) if kind == "by symbol" else np.full(symbols, 0.3)
    median = 0.005 * rng.standard_normal((dates, symbols))
    spread = np.broadcast_to(claimed * width * NORMAL_90, median.shape)
    return median, spread, total[horizon : horizon + dates] - total[:dates]


def cell(kind: str, horizon: int, symbols: int, seeds: int) -> str:
    bar = np.arange(HELD_OUT + WARM)
    moments = Moments(np.datetime64("2020-01-01", "us") + bar, [], bar, bar, np.ones(len(bar), dtype=bool), bar)
    held = []
    for seed in range(seeds):
        median, spread, realised = make(kind, seed, horizon, symbols)
        found = calibrate(median, spread, realised, moments, horizon, Calibration(), bar[WARM:]).quantiles
        inside = (realised[WARM:] >= found[..., LOW]) & (realised[WARM:] <= found[..., HIGH])
        assert np.isfinite(found).all()
        held.append(100 * inside.mean())
    return f"{np.mean(held):.1f} ± {np.std(held, ddof=1) / np.sqrt(seeds):.1f}"


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--seeds", type=int, default=20)
parser.add_argument("--symbols", type=int, nargs="+", default=[1, 5, 20, 100])
arguments = parser.parse_args()
started = time.perf_counter()
print(f"| kind | symbols | {' | '.join(f'{horizon} ahead' for horizon in HORIZONS)} |")
print(f"|---|---|{'---|' * len(HORIZONS)}")
for kind in ("usual", "heavy", "drift", "by symbol"):
    for symbols in arguments.symbols:
        cells = [cell(kind, horizon, symbols, arguments.seeds) for horizon in HORIZONS]
        print(f"| {kind} | {symbols} | {' | '.join(cells)} |", flush=True)
print(f"{arguments.seeds} seeds, {time.perf_counter() - started:.0f} s")
