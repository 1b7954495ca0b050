"""What a rank is told to do, and the networks that it starts from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from kronos_quant.config import SCRATCH, ModelConfig, TrainConfig
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, PredictorConfig, load_pair
from kronos_quant.model.files import Undrawn

NO_RESULT = (
    "data_path", "workers", "backend", "trackers", "state_every_minutes", "state_every_steps", "pretraining_cutoff",
    "comet",
)  # fmt: skip
"""Settings that may change when a run is gone on with. (data_path: what it holds is in the bars.)"""
LATER = ("dataset_begin_time", "dataset_end_time", "warm_up_steps")
"""Settings that older runs did not have: left out of the identity while they are null, so that those can be resumed."""


class TrainingJob(BaseModel):
    """All that a rank needs to know; written to job.json for the ranks of a launch."""

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
    """Where local weights lie."""
    model: ModelConfig
    train: TrainConfig
    """With no null left in what a preset fills in."""

    @property
    def identity(self) -> str:
        """Digest of what decides the result: another place, device, tracker or number of workers does not."""
        decides = self.model_dump(mode="json", by_alias=True, exclude={"root", "folder", "models", "device"})
        for section in ("model", "train"):
            decides[section] = {
                name: value
                for name, value in decides[section].items()
                if name not in NO_RESULT and not (name in LATER and value is None)
            }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    @property
    def from_scratch(self) -> bool:
        """Whether the networks begin with random weights."""
        return self.model.base == SCRATCH


@dataclass(frozen=True, slots=True)
class Networks:
    """The two networks being trained, and the longest window they are meant for."""

    tokenizer: KronosTokenizer
    predictor: Kronos
    max_context: int
    base_config: PredictorConfig
    """Of the weights that the training starts from, as they forecast without it."""

    @property
    def rotation_kept(self) -> bool:
        """Whether the predictor generates by the rule that its base does."""
        return self.predictor.config.dependency_rotation == self.base_config.dependency_rotation


def starting_networks(job: TrainingJob) -> Networks:
    """Random weights, or the base's, with the dropout and the rotation that the job asks for."""
    train = job.train
    if job.from_scratch:
        preset = PRESETS[job.model.preset]
        tokenizer, predictor, context = preset.tokenizer, preset.predictor, preset.max_context
        weights: tuple[dict[str, torch.Tensor], ...] = ()
    else:
        pair = load_pair(job.model.base, job.model.tokenizer, models_dir=job.models, revision=job.model.revision)
        tokenizer, predictor, context = pair.tokenizer.config, pair.predictor.config, pair.max_context
        weights = pair.tokenizer.state_dict(), pair.predictor.state_dict()
    base = predictor
    predictor = replace(predictor, dependency_rotation=train.dependency_rotation)
    if train.dropout is not None:
        p = train.dropout
        predictor = replace(predictor, ffn_dropout_p=p, resid_dropout_p=p, token_dropout_p=p)
    if train.attention_dropout is not None:
        predictor = replace(predictor, attn_dropout_p=train.attention_dropout)
    networks = Networks(KronosTokenizer(tokenizer), Kronos(predictor), train.max_context or context, base)
    for network, values in zip((networks.tokenizer, networks.predictor), weights, strict=False):
        network.load_state_dict(values)
    return networks


def plain_predictor(config: PredictorConfig, weights: Mapping[str, torch.Tensor]) -> Kronos:
    """A predictor that holds these very tensors."""
    with torch.device("meta"), Undrawn():
        predictor = Kronos(config)
    predictor.load_state_dict(weights, assign=True)
    return predictor
