"""The Kronos network, its checkpoints, and fast sampling: normalised windows in, sample paths out."""

from kronos_quant.model.checkpoint import (
    CARD_FILE,
    Pair,
    check_fit,
    find_model,
    load_pair,
    native_context,
    weights_digest,
)
from kronos_quant.model.forecaster import Forecaster, Paths, resolve_device
from kronos_quant.model.kronos import (
    PRESETS,
    Kronos,
    KronosTokenizer,
    PredictorConfig,
    Preset,
    TokenizerConfig,
    TokenizerLoss,
)
from kronos_quant.model.sampling import Sampling, draw_tokens, series_seed, uniforms

__all__ = [
    "CARD_FILE",
    "PRESETS",
    "Forecaster",
    "Kronos",
    "KronosTokenizer",
    "Pair",
    "Paths",
    "PredictorConfig",
    "Preset",
    "Sampling",
    "TokenizerConfig",
    "TokenizerLoss",
    "check_fit",
    "draw_tokens",
    "find_model",
    "load_pair",
    "native_context",
    "resolve_device",
    "series_seed",
    "uniforms",
    "weights_digest",
]
