"""The Kronos network, its checkpoints, and fast sampling: bars or normalised windows in, sample paths out."""

from kronos_quant.model.card import ModelCard, read_card
from kronos_quant.model.checkpoint import Pair, load_pair
from kronos_quant.model.decoding import Context, check_horizon
from kronos_quant.model.files import file_digests, find_model
from kronos_quant.model.forecast import LEAST_PRICE_SHARE, QUANTILES, Forecast, Repairs
from kronos_quant.model.forecaster import Forecaster, forecast_bars
from kronos_quant.model.kronos import (
    PRESETS,
    Kronos,
    KronosTokenizer,
    PredictorConfig,
    Preset,
    TokenizerConfig,
    TokenizerLoss,
)
from kronos_quant.model.sampler import PathSampler, SamplePaths, resolve_device
from kronos_quant.model.sampling import Nucleus, Sampling, series_seed

__all__ = [
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
    "PathSampler",
    "PredictorConfig",
    "Preset",
    "Repairs",
    "SamplePaths",
    "Sampling",
    "TokenizerConfig",
    "TokenizerLoss",
    "check_horizon",
    "file_digests",
    "find_model",
    "forecast_bars",
    "load_pair",
    "read_card",
    "resolve_device",
    "series_seed",
]
