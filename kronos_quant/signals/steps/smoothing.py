"""The step that looks back over sessions. Shapes: T moments, N symbols."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smooth(scores: NDArray[np.float64], session: NDArray[np.int64], sessions: int) -> NDArray[np.float64]:
    """float64[T, N]: the mean of the scores of a moment and those before it of the last `sessions` sessions.

    session : int64[T], ascending place of each moment's session in the calendar; its own session is one of them.
    NaN is no opinion: a moment's NaN stays NaN, an earlier one is left out of the mean.
    """
    known = np.isfinite(scores)
    means = np.full_like(scores, np.nan)
    for t, start in enumerate(np.searchsorted(session, session - sessions, side="right")):
        there = known[start : t + 1]
        total = np.where(there, scores[start : t + 1], 0).sum(axis=0)
        means[t] = np.where(known[t], total / np.maximum(there.sum(axis=0), 1), np.nan)
    return means
