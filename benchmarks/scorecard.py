"""Is the scorecard honest?  `python benchmarks/scorecard.py [--seeds 1000]`

Made scores and returns, no model: 50 symbols, returns over h sessions from session to session, scores that stay (an
AR(1) over the sessions) or are drawn afresh. A planted rank IC must lie in its 95% interval in 93 to 97% of the
seeds, and pure noise must be called an edge in at most 5% (2.5% by its definition). Newey and West's interval with
fixed-b critical values, which the scorecard reports too, is measured as well, and their mean widths.
"""

import argparse
import math
import time

import numpy as np

from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import mean_interval, newey_west

SYMBOLS = 50
PLANTED = 0.05


def make(rng: np.random.Generator, dates: int, horizon: int, stays: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, and returns over the horizon with the planted rank IC and with none; all float64[dates, SYMBOLS]."""
    sessions = dates + horizon
    scores = rng.standard_normal((sessions, SYMBOLS))
    for t in range(1, sessions):
        scores[t] = stays * scores[t - 1] + math.sqrt(1 - stays**2) * scores[t]
    noise = rng.standard_normal((sessions, SYMBOLS))
    planted = noise + slope(horizon, stays) * scores  # row t is the return of session t + 1
    return scores[:dates], summed(planted, dates, horizon), summed(noise, dates, horizon)


def summed(daily: np.ndarray, dates: int, horizon: int) -> np.ndarray:
    total = np.vstack([np.zeros(SYMBOLS), np.cumsum(daily, axis=0)])
    return total[horizon : horizon + dates] - total[:dates]


def correlation() -> float:
    """Pearson's correlation of two normals whose rank IC over SYMBOLS is expected to be PLANTED.

    E = 6 / (pi (N + 1)) (asin r + (N - 2) asin(r / 2)): Moran, Biometrika 35 (1948). Solved by halving.
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        r = (low + high) / 2
        expected = 6 / (math.pi * (SYMBOLS + 1)) * (math.asin(r) + (SYMBOLS - 2) * math.asin(r / 2))
        low, high = (r, high) if expected < PLANTED else (low, r)
    return low


def slope(horizon: int, stays: float) -> float:
    """Link from a score to the next session's return that gives `correlation` over the horizon."""
    r = correlation()
    steps = np.arange(horizon)
    reach = (stays**steps).sum()
    spread = (stays ** np.abs(np.subtract.outer(steps, steps))).sum()
    return r * math.sqrt(horizon) / math.sqrt(reach**2 - r**2 * spread)


def row(dates: int, horizon: int, stays: float, seeds: int) -> str:
    held, called, wide_held, wide_called, widths = 0, 0, 0, 0, []
    for seed in range(seeds):
        rng = np.random.default_rng((seed, dates, horizon, round(10 * stays)))
        scores, planted, noise = make(rng, dates, horizon, stays)
        with_edge, without = rank_ic(scores, planted), rank_ic(scores, noise)
        ours, theirs = mean_interval(with_edge, horizon), newey_west(with_edge, horizon)
        held += ours.low <= PLANTED <= ours.high
        wide_held += theirs.low <= PLANTED <= theirs.high
        called += mean_interval(without, horizon).above_zero
        wide_called += newey_west(without, horizon).low > 0
        widths.append((ours.high - ours.low, theirs.high - theirs.low))
    mean_width = np.mean(widths, axis=0)
    cells = [f"{count / seeds:.1%}" for count in (held, called, wide_held, wide_called)]
    cells += [f"{width:.3f}" for width in mean_width]
    return f"| {horizon} | {dates} | {stays:g} | {' | '.join(cells)} |"


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seeds", type=int, default=1000)
arguments = parser.parse_args()
started = time.perf_counter()
print("| horizon | dates | score's AR(1) | held | called edge | NW held | NW called | width | NW width |")
print("|---|---|---|---|---|---|---|---|---|")
for horizon in (1, 5, 10):
    for dates in (60, 120, 250):
        for stays in (0.0, 0.9):
            print(row(dates, horizon, stays, arguments.seeds), flush=True)
print(f"{arguments.seeds} seeds a row, {time.perf_counter() - started:.0f} s")
