"""What is to be trained: a job with every setting filled in, and the networks it starts from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from kronos_quant.config import SCRATCH, ModelConfig, TrainConfig
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, Pair, PredictorConfig, load_pair
from kronos_quant.model.files import Undrawn

NO_RESULT = (
    "data_path", "workers", "backend", "trackers", "state_every_minutes", "state_every_steps", "pretraining_cutoff",
    "comet",
)  # fmt: skip
"""Settings that may change when a run is resumed. (data_path: its content is in the bars.)"""
LATER = ("dataset_begin_time", "dataset_end_time", "warm_up_steps")
"""Settings that runs of before did not have: not part of the identity while they are null."""
ZERO_SHOT, UNTRAINED = "zero-shot model", "untrained network"


class TrainingJob(BaseModel):
    """All that a process needs to train; written to job.json for the processes of a launch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    root: Path
    """The workspace."""
    folder: Path
    """The run's folder."""
    freq: str | None
    universe: str
    snapshot: str
    """Digest of the bars."""
    weights: str | None = None
    """Digest of the base's weights; None from scratch."""
    device: str
    """cpu, cuda or mps."""
    models: Path
    """Folder of local weights."""
    model: ModelConfig
    train: TrainConfig
    """With no null left in what a preset fills in."""

    @property
    def identity(self) -> str:
        """Digest of the settings and data that decide the result: folder, device, trackers and workers do not."""
        decides = self.model_dump(mode="json", exclude={"root", "folder", "models", "device"})
        decides |= {"model": _deciding(self.model), "train": _deciding(self.train)}
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    @property
    def from_scratch(self) -> bool:
        """Whether the networks begin with random weights."""
        return self.model.base == SCRATCH

    @property
    def start_name(self) -> str:
        """The name of the starting networks in reports."""
        return UNTRAINED if self.from_scratch else ZERO_SHOT


def _deciding(section: ModelConfig | TrainConfig) -> dict[str, Any]:
    """The settings of a section that decide the result, under the names that they had first."""
    values = section.model_dump(mode="json", by_alias=True).items()
    return {name: value for name, value in values if name not in NO_RESULT and not (name in LATER and value is None)}


@dataclass(frozen=True, slots=True)
class Networks:
    """The two networks being trained, and the longest window they are meant for."""

    tokenizer: KronosTokenizer
    predictor: Kronos
    max_context: int
    base_config: PredictorConfig
    """Configuration of the weights that training starts from, before the job's settings are applied."""

    @property
    def rotation_kept(self) -> bool:
        """Whether the predictor generates by the same rule as its base."""
        return self.predictor.config.dependency_rotation == self.base_config.dependency_rotation


def starting_networks(job: TrainingJob, base: Pair | None = None) -> Networks:
    """Random weights, or the base's, with the job's dropout and rotation. base : the loaded base, if it already is."""
    train = job.train
    if job.from_scratch:
        preset = PRESETS[job.model.preset]
        tokenizer, predictor, context = preset.tokenizer, preset.predictor, preset.max_context
        weights: tuple[dict[str, torch.Tensor], ...] = ()
    else:
        pair = load_base(job.model, job.models) if base is None else base
        tokenizer, predictor, context = pair.tokenizer.config, pair.predictor.config, pair.max_context
        weights = pair.tokenizer.state_dict(), pair.predictor.state_dict()
    base_config = predictor
    predictor = replace(predictor, dependency_rotation=train.dependency_rotation)
    if train.dropout is not None:
        p = train.dropout
        predictor = replace(predictor, ffn_dropout_p=p, resid_dropout_p=p, token_dropout_p=p)
    if train.attention_dropout is not None:
        predictor = replace(predictor, attn_dropout_p=train.attention_dropout)
    networks = Networks(KronosTokenizer(tokenizer), Kronos(predictor), train.max_context or context, base_config)
    for network, values in zip((networks.tokenizer, networks.predictor), weights, strict=False):
        network.load_state_dict(values)
    return networks


def load_base(model: ModelConfig, models: Path) -> Pair:
    """The weights that `model.base` names, from `models` or the Hub; raises CheckpointError."""
    return load_pair(model.base, model.tokenizer, models_dir=models, revision=model.revision)


def plain_predictor(config: PredictorConfig, weights: Mapping[str, torch.Tensor]) -> Kronos:
    """A predictor that holds these very tensors."""
    with torch.device("meta"), Undrawn():
        predictor = Kronos(config)
    predictor.load_state_dict(weights, assign=True)
    return predictor
