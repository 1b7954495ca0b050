"""The model that a training began from, with the same recipe: what was the training worth?"""

from __future__ import annotations

import logging
import time

from kronos_quant.errors import CheckpointError
from kronos_quant.evaluation.stored import StoredRecipe
from kronos_quant.model.library import ModelLibrary
from kronos_quant.signals import ZERO_SHOT, ComputedSource, SignalStore, find_weights, score_devices, zero_shot_name
from kronos_quant.signals.generate import duration
from kronos_quant.signals.recipe import resolve_recipe
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)

LONG_SECONDS = 600
"""What takes longer is only computed on request."""


def zero_shot_signals(
    workspace: WorkspaceFolder, main: StoredRecipe, *, required: bool
) -> tuple[StoredRecipe | None, list[str]]:
    """The signals of the base of a recipe's model on the same dates, computed where they are missing; and notes.

    None for an import, a blend, a model trained from scratch or of unknown origin, and, with a note that says so,
    where the base is not on this machine (nothing is fetched) or, unless it is required, would take LONG_SECONDS.
    """
    trained = main.source
    base = trained.weights.card.base if isinstance(trained, ComputedSource) else None
    if not isinstance(trained, ComputedSource) or not base or trained.weights.card.from_scratch:
        return None, []
    left_out = f"{ZERO_SHOT} {base} left out:"
    if trained.recipe.own_score is not None:
        return None, [f"{left_out} the recipe has its own code, which this command does not run."]
    try:
        source = _source(workspace, trained, base) if ModelLibrary(workspace).is_local(base) else None
    except CheckpointError as error:
        return None, [f"{left_out} {error}"]
    if source is None:
        return None, [f"{left_out} its weights are not on this machine."]
    logger.info("%s %s on the same dates (--no-zero-shot skips it)", ZERO_SHOT, base)
    reason = None if required else _too_long(source, main)
    if reason is not None:
        return None, [f"{left_out} {reason}"]
    found = source.ensure(main.dates)
    return StoredRecipe(ZERO_SHOT, source, found.dates, []), []


def _too_long(source: ComputedSource, main: StoredRecipe) -> str | None:
    """Compute two of the missing sessions, to say whether the others would take too long."""
    missing = source.coverage(source.needed(main.dates))[1]
    if len(missing) <= 2:
        return None
    for on in missing[:2]:  # with the first one the model is read
        begun = time.perf_counter()
        source.ensure([on])
        took = time.perf_counter() - begun
    left = took * (len(missing) - 2) / len(score_devices())
    if left > LONG_SECONDS:
        return (
            f"its signals of {len(missing) - 2} more sessions would take about {duration(left)} (kq evaluate "
            "--zero-shot computes them, once)."
        )
    return None


def _source(workspace: WorkspaceFolder, trained: ComputedSource, base: str) -> ComputedSource:
    """The recipe with its base in the place of its model, and all that the model's card says spelled out."""
    resolved = trained.recipe
    given = {"model": base, "lookback_window": resolved.lookback, "horizon": resolved.horizon}
    recipe, weights = resolved.recipe.model_copy(update=given), find_weights(workspace, base)
    zero = resolve_recipe(recipe, weights, resolved.universe, resolved.freq, zero_shot_name(resolved.name))
    return ComputedSource(trained.market, zero, SignalStore(workspace.signal_store, zero), weights)
