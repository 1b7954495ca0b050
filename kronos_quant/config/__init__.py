"""kq.yaml as pydantic models, and the one way a YAML file of a user's is read.

Recipes and strategies have their models in their own rooms (`signals.recipe`, `backtest.strategy`) and are read with
the same `load_yaml`.
"""

from kronos_quant.config.parts import AdaptConfig, AugmentConfig, CometConfig, HeadConfig
from kronos_quant.config.presets import fill_presets
from kronos_quant.config.reading import ResolvedConfig, Setting, describe, load_workspace_config, load_yaml
from kronos_quant.config.section import Day, Section, read_values
from kronos_quant.config.sections import (
    SCRATCH,
    ChooseBy,
    GatesConfig,
    MarketConfig,
    ModelConfig,
    TrainConfig,
    WorkspaceConfig,
)
from kronos_quant.config.yaml_text import parse_yaml

__all__ = [
    "SCRATCH",
    "AdaptConfig",
    "AugmentConfig",
    "ChooseBy",
    "CometConfig",
    "Day",
    "GatesConfig",
    "HeadConfig",
    "MarketConfig",
    "ModelConfig",
    "ResolvedConfig",
    "Section",
    "Setting",
    "TrainConfig",
    "WorkspaceConfig",
    "describe",
    "fill_presets",
    "load_workspace_config",
    "load_yaml",
    "parse_yaml",
    "read_values",
]
