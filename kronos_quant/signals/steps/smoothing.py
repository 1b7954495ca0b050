"""The step that looks back over dates. Shapes: T dates, N symbols."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smooth(scores: NDArray[np.float64], sessions: int) -> NDArray[np.float64]:
    """float64[T, N]: the mean of the scores of a date and the `sessions - 1` dates before it, as many as are known.

    NaN is no opinion: a date's NaN stays NaN, an earlier one is left out of the mean.
    """
    known = np.isfinite(scores)
    total, count = np.zeros_like(scores), np.zeros(scores.shape)
    for back in range(min(sessions, len(scores))):
        place, then = slice(back, None), slice(0, len(scores) - back)
        total[place] += np.where(known[then], scores[then], 0)
        count[place] += known[then]
    return np.where(known, total / np.maximum(count, 1), np.nan)
