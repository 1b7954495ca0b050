"""The Kronos network, its checkpoints, and fast sampling: bars or normalised windows in, sample paths out."""

from kronos_quant.model.card import CARD_FILE, ModelCard, read_card
from kronos_quant.model.checkpoint import (
    Pair,
    check_fit,
    file_digests,
    find_model,
    load_pair,
    native_context,
    weights_digest,
)
from kronos_quant.model.decoding import Context
from kronos_quant.model.folder import read_json
from kronos_quant.model.forecast import LEAST_PRICE_SHARE, QUANTILES, Forecast, Repairs, quantile_name
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
from kronos_quant.model.sampling import Nucleus, Sampling, draw_tokens, series_seed, uniforms

__all__ = [
    "CARD_FILE",
    "LEAST_PRICE_SHARE",
    "PRESETS",
    "QUANTILES",
    "Context",
    "Forecast",
    "Forecaster",
    "Kronos",
    "KronosTokenizer",
    "ModelCard",
    "Nucleus",
    "Pair",
    "Paths",
    "PredictorConfig",
    "Preset",
    "Repairs",
    "Sampling",
    "TokenizerConfig",
    "TokenizerLoss",
    "check_fit",
    "draw_tokens",
    "file_digests",
    "find_model",
    "load_pair",
    "native_context",
    "quantile_name",
    "read_card",
    "read_json",
    "resolve_device",
    "series_seed",
    "uniforms",
    "weights_digest",
]
