"""The steps of a recipe, one after another. Shapes: T moments, N symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kronos_quant.signals.steps.cross_section import neutralise, rank, winsorise, zscore
from kronos_quant.signals.steps.exposures import Exposures
from kronos_quant.signals.steps.settings import Neutralise, Rank, Smooth, Step, Winsorise
from kronos_quant.signals.steps.smoothing import smooth


def apply_steps(
    scores: NDArray[np.float64],
    steps: Sequence[Step],
    session: NDArray[np.int64],
    exposures: Callable[[], Exposures],
) -> NDArray[np.float64]:
    """float64[T, N]: the scores after the steps, in their order.

    session : int64[T], ascending place of each moment's session in the calendar.
    exposures : gives those of the same moments and symbols; called only where a step neutralises.
    """
    measured: Exposures | None = None
    for step in steps:
        if isinstance(step, Winsorise):
            scores = winsorise(scores, step.limit)
        elif isinstance(step, Rank):
            scores = rank(scores)
        elif isinstance(step, Smooth):
            scores = smooth(scores, session, step.sessions)
        elif isinstance(step, Neutralise):
            measured = measured or exposures()
            numbers = [name for name in step.exposures if name != "industry"]
            columns = [measured.measured(name, step.sessions) for name in numbers]
            wide = np.stack(columns, axis=2) if columns else np.empty((*scores.shape, 0))
            scores = neutralise(scores, wide, measured.industries() if "industry" in step.exposures else None)
        else:
            scores = zscore(scores)
    return scores


def history_needed(steps: Sequence[Step]) -> int:
    """Sessions before a date whose scores its own ones need."""
    return sum(step.sessions - 1 for step in steps if isinstance(step, Smooth))
