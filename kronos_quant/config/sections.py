"""The sections of kq.yaml as pydantic models.

Of two names of a field the first is its own; the others are earlier names, or those of the published fine-tuning
guides, whose remaining settings `config.guides` translates.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, Lt
from pydantic import AliasChoices, Field, model_validator

from kronos_quant.bounds import (
    LARGEST_CLIP,
    LEAST_LOOKBACK,
    MOST_BARS,
    MOST_BARS_COUNTED,
    MOST_WINDOWS,
    BarCount,
    EpochCount,
    SampleCount,
    Seed,
    SessionCount,
    StepCount,
)
from kronos_quant.config.guides import translate_train
from kronos_quant.config.parts import LARGEST_DECAY, LARGEST_RATE, AdaptConfig, AugmentConfig, CometConfig, HeadConfig
from kronos_quant.config.section import Day, Section

SCRATCH = "scratch"
"""The value of `model.base` that starts training from random weights."""
RATIO_SLACK = 1e-9
"""Shares that are meant to make 1 differ from it in their last bits."""

ChooseBy = Literal["token_loss", "mae", "mse", "r2", "correlation", "direction", "rank_ic"]
"""Validation figures that may select the predictor's best epoch."""
DateRange = tuple[Day, Day]
Beta = Annotated[float, Ge(0), Lt(1)]
WindowCount = Annotated[StepCount, Ge(1)]
LARGEST_NORM = 1e30
"""Of a gradient: float32 holds no larger square."""
LONGEST_MINUTES = 7 * 24 * 60


class MarketConfig(Section):
    """Where the bars come from, and what a data directory does not state itself."""

    units: ClassVar = {"sessions": "delisted_after"}

    qlib_dir: Path = Field(
        Path("~/.qlib/qlib_data/cn_data"),
        validation_alias=AliasChoices("qlib_dir", "qlib_data_path"),
        description="Qlib data directory that `kq ingest qlib` reads",
    )
    exchange: str = Field(
        "",
        description="exchange of the symbols: XSHG, XNYS, XHKG or 24/7 (ISO 10383); empty: inferred from the symbols",
    )
    freq: str | None = Field(
        None, description="bar frequency: day, 1min, 5min, 15min, 30min or 60min; null: the only stored one"
    )
    universe: str = Field("all", description="universe to train on and to score, such as csi300; all: every stock")
    delisted_after: int = Field(
        250,
        ge=1,
        le=MOST_BARS,
        description="sessions without a bar after which a listing counts as over, where no table of listings states it",
    )


class ModelConfig(Section):
    """The weights that training starts from."""

    base: str = Field(
        "NeoQuasar/Kronos-small",
        validation_alias=AliasChoices("base", "pretrained_predictor_path"),
        description="weights that training starts from: a folder, a name in models/, a Hub id, or scratch (random)",
    )
    tokenizer: str | None = Field(
        None,
        validation_alias=AliasChoices("tokenizer", "pretrained_tokenizer_path"),
        description="tokenizer of `base`: a folder, a name or a Hub id; null: the one published with it",
    )
    revision: str | None = Field(None, description="revision of the Hub repository; null: the newest")
    preset: Literal["nano", "mini", "small", "base"] = Field(
        "nano", description="network size; used only with `base: scratch`"
    )
    pretraining_cutoff: Day | None = Field(
        None,
        description="last date of the bars that `base` was pre-trained on; null: as its model card states, if it does",
    )


class TrainConfig(Section):
    """Windows, splits and optimisation. What is null is set by `config.presets`: see `kq config show`."""

    units: ClassVar = {
        "bars": "lookback_window predict_window max_context decoded_horizon",
        "standard deviations": "clip",
        "sessions": "max_missing_bars embargo",
        "fraction": "train_ratio val_ratio test_ratio warm_up_share",
        "epochs": "tokenizer_epochs predictor_epochs patience checkpoint_every",
        "windows": "samples_per_epoch validation_windows decoded_windows batch_size",
        "paths": "decoded_samples",
        "passes": "accumulation_steps",
        "threads": "workers",
        "steps": "warm_up_steps state_every_steps log_every_steps",
        "minutes": "state_every_minutes",
        "probability": "dropout attention_dropout",
    }

    data_path: Path | None = Field(
        None, description="CSV file or folder of CSV files that `kq train` ingests first; null: none"
    )
    universe: str | None = Field(
        None,
        validation_alias=AliasChoices("universe", "instrument"),
        description="universe to train on; null: market.universe",
    )
    lookback_window: BarCount = Field(90, ge=LEAST_LOOKBACK, description="bars of history in a window")
    predict_window: BarCount = Field(10, ge=1, description="bars to forecast in a window")
    max_context: BarCount | None = Field(
        None, ge=2, description="longest window when forecasting, in bars; null: that of the base model"
    )
    clip: float = Field(
        5.0, gt=0, le=LARGEST_CLIP, description="bound of the normalised values, in standard deviations"
    )
    max_missing_bars: BarCount = Field(
        10,
        ge=0,
        validation_alias=AliasChoices("max_missing_bars", "max_missing"),
        serialization_alias="max_missing",
        description="sessions without a bar allowed inside a window",
    )
    dataset_begin_time: Day | None = Field(
        None, description="first date of any target bar, in every split; lookbacks may start earlier; null: unbounded"
    )
    dataset_end_time: Day | None = Field(
        None, description="last date of any target bar, in every split; null: unbounded"
    )
    train_time_range: DateRange | None = Field(
        None, description="first and last date of the target bars of training; null: split by train_ratio"
    )
    val_time_range: DateRange | None = Field(
        None,
        description="first and last date of the target bars of validation; overlap with training is lookback only; "
        "null: split by val_ratio",
    )
    test_time_range: DateRange | None = Field(
        None, description="first and last date of the target bars kept for testing; null: everything after validation"
    )
    train_ratio: float = Field(
        0.7, gt=0, lt=1, description="share of sessions for training, the earliest; used only without train_time_range"
    )
    val_ratio: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of sessions for validation, after training; used only without val_time_range",
    )
    test_ratio: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of sessions for testing, only checked: testing has all that remain; null: no check",
    )
    embargo: SessionCount = Field(0, ge=0, description="sessions left out between two splits")
    tokenizer_epochs: EpochCount | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("tokenizer_epochs", "epochs"),
        description="tokenizer epochs; 0: keep the base model's tokenizer; null: by preset",
    )
    predictor_epochs: EpochCount | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("predictor_epochs", "basemodel_epochs", "epochs"),
        description="predictor epochs; 0: keep the base model's predictor; null: by preset",
    )
    samples_per_epoch: WindowCount | Literal["all"] | None = Field(
        None,
        validation_alias=AliasChoices("samples_per_epoch", "n_train_iter"),
        description="windows per epoch, at most all there are, or all; null: by preset",
    )
    validation_windows: WindowCount | Literal["all"] | None = Field(
        None,
        validation_alias=AliasChoices("validation_windows", "n_val_iter"),
        description="windows per validation loss, evenly spaced, or all; null: by preset",
    )
    decoded_windows: StepCount = Field(
        400, ge=1, description="validation windows that are forecast after every epoch, the same ones each time"
    )
    decoded_horizon: BarCount | None = Field(
        None, ge=1, description="horizon of these forecasts, in bars; null: predict_window"
    )
    decoded_samples: SampleCount = Field(
        20, ge=1, description="sample paths per forecast window; the forecast is their mean"
    )
    tokenizer_choose_by: Literal["loss", "reconstruction"] = Field(
        "loss", description="validation figure that selects the tokenizer's best epoch"
    )
    choose_by: ChooseBy = Field(
        "token_loss",
        description="validation figure that selects the predictor's best epoch: the loss, or a figure of the forecast "
        "returns from the last close (correlation, direction and rank_ic at the last bar)",
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=MOST_WINDOWS,
        description="windows per pass, over all processes together (not per GPU); null: by preset",
    )
    accumulation_steps: int = Field(
        1, ge=1, le=MOST_WINDOWS, description="passes whose gradients are summed for one optimiser step"
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        validation_alias=AliasChoices("workers", "num_workers"),
        description="threads that prepare batches, per process",
    )
    adapt: AdaptConfig = Field(
        default_factory=lambda: AdaptConfig.model_validate({}),
        description="part of the predictor that is trained: full, {last_layers: N} or {lora: RANK}",
    )
    tokenizer_learning_rate: float | None = Field(
        None, gt=0, le=LARGEST_RATE, description="peak learning rate of the tokenizer; null: by preset"
    )
    predictor_learning_rate: float | None = Field(
        None, gt=0, le=LARGEST_RATE, description="peak learning rate of the predictor; null: by preset"
    )
    schedule: Literal["one_cycle", "cosine", "constant"] = Field(
        "one_cycle", description="course of the learning rate after the warm-up"
    )
    warm_up_share: float = Field(0.03, ge=0, lt=1, description="share of the optimiser steps in which the rate rises")
    warm_up_steps: StepCount | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("warm_up_steps", "warmup_steps"),
        description="optimiser steps in which the rate rises, at most all of a phase; null: by warm_up_share",
    )
    weight_decay: float = Field(
        0.1,
        ge=0,
        le=LARGEST_DECAY,
        validation_alias=AliasChoices("weight_decay", "adam_weight_decay"),
        description="AdamW weight decay, decoupled",
    )
    betas: tuple[Beta, Beta] = Field(
        (0.9, 0.95),
        json_schema_extra={"also": ["adam_beta1", "adam_beta2"]},
        description="AdamW decay rates of the two moments, each from 0 to below 1",
    )
    max_grad_norm: float = Field(
        3.0, gt=0, le=LARGEST_NORM, description="largest gradient norm; larger gradients are scaled down to it"
    )
    precision: Literal["float32", "bf16", "fp16", "auto"] = Field(
        "float32",
        json_schema_extra={"also": ["use_amp"]},
        description="number format of the passes (weights stay float32); fp16 needs CUDA; auto: bf16 or fp16 on CUDA, "
        "float32 elsewhere",
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="dropout probability of layers and input; null: that of the base model"
    )
    attention_dropout: float | None = Field(
        0.0,
        ge=0,
        lt=1,
        description="dropout probability of attention weights, slower when above 0; null: that of the base model",
    )
    weight_average: float = Field(
        0.0, ge=0, lt=1, description="decay of the running average of the weights that is kept; 0: no average"
    )
    loss_region: Literal["future", "all"] = Field(
        "future", description="bars counted in the predictor loss: future (after the lookback) or all (as published)"
    )
    teacher_forcing: bool = Field(
        True, description="condition s2 on the true s1; false: on a sampled one (as published)"
    )
    dependency_rotation: Literal["consistent", "published"] = Field(
        "consistent",
        description="rotary positions of the s2 layer; published: for weights that the published code runs",
    )
    head: HeadConfig = Field(
        default_factory=lambda: HeadConfig.model_validate({}), description="return head: a network that ranks symbols"
    )
    augment: AugmentConfig = Field(
        default_factory=lambda: AugmentConfig.model_validate({}), description="random changes of the training windows"
    )
    patience: EpochCount = Field(
        3, ge=0, description="epochs without improvement of choose_by before a phase stops early; 0: never"
    )
    checkpoint_every: EpochCount = Field(5, ge=1, description="epochs between two periodic checkpoints")
    state_every_minutes: float = Field(
        10.0, gt=0, le=LONGEST_MINUTES, description="longest time between two saved states, in minutes"
    )
    state_every_steps: StepCount | None = Field(
        None, ge=1, description="optimiser steps between two saved states, in addition; null: by time only"
    )
    log_every_steps: StepCount | None = Field(
        None,
        ge=1,
        validation_alias=AliasChoices("log_every_steps", "log_interval"),
        description="optimiser steps between two log lines; null: one line per epoch",
    )
    trackers: tuple[Literal["comet", "mlflow", "tensorboard"], ...] = Field(
        (),
        json_schema_extra={"also": ["use_comet"]},
        description="experiment trackers in addition to log.jsonl: comet, mlflow, tensorboard",
    )
    comet: CometConfig = Field(
        default_factory=lambda: CometConfig.model_validate({}),
        validation_alias=AliasChoices("comet", "comet_config"),
        description="Comet project and workspace; the key is read from COMET_API_KEY",
    )
    backend: Literal["nccl", "gloo"] | None = Field(
        None, description="communication between processes; null: nccl on CUDA, else gloo"
    )
    seed: Seed = Field(0, ge=0, description="seed of initial weights, window order, dropout and augmentation")

    @model_validator(mode="before")
    @classmethod
    def _guide_names(cls, values: Any) -> Any:
        return translate_train(values, cls.model_fields["betas"].default) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _ranges(self) -> TrainConfig:
        if (self.train_time_range is None) != (self.val_time_range is None):
            raise ValueError("train_time_range and val_time_range go together: give both or neither")
        if self.test_time_range is not None and self.train_time_range is None:
            raise ValueError("test_time_range: needs train_time_range and val_time_range too")
        bounds = self.dataset_begin_time or date.min, self.dataset_end_time or date.max
        if bounds[0] > bounds[1]:
            raise ValueError(f"dataset_end_time: must be after dataset_begin_time, found {bounds[0]} and {bounds[1]}")
        for name in ("train_time_range", "val_time_range", "test_time_range"):
            span = getattr(self, name)
            if span is not None and span[0] > span[1]:
                raise ValueError(f"{name}: must start before it ends, found {span[0]} to {span[1]}")
            if span is not None and (span[1] < bounds[0] or span[0] > bounds[1]):
                found = f"{span[0]} to {span[1]}, outside dataset_begin_time and dataset_end_time"
                raise ValueError(f"{name}: must lie within the dataset, found {found}")
        return self

    @model_validator(mode="after")
    def _shares(self) -> TrainConfig:
        total = self.train_ratio + self.val_ratio
        if total > 1 + RATIO_SLACK:
            raise ValueError(f"train_ratio + val_ratio must be at most 1, found {total:g}")
        if self.test_ratio is not None and total + self.test_ratio > 1 + RATIO_SLACK:
            found = f"{total + self.test_ratio:g}"
            raise ValueError(f"train_ratio + val_ratio + test_ratio must be at most 1, found {found}")
        if self.decoded_horizon is not None and self.decoded_horizon > self.predict_window:
            found = f"{self.decoded_horizon} with predict_window {self.predict_window}"
            raise ValueError(f"decoded_horizon: must be at most predict_window, found {found}")
        return self


class GatesConfig(Section):
    """Limits that `kq check` enforces; without gates it only reports."""

    units: ClassVar = {"fraction": "max_rejected_share", "bars": "rules"}

    max_rejected_share: float | None = Field(
        None, ge=0, le=1, description="largest share of rejected bars among all ingested bars, fraction; null: no limit"
    )
    rules: dict[str, Annotated[int, Ge(0), Le(MOST_BARS_COUNTED)]] = Field(
        default_factory=dict,
        description="largest number of bars, kept or rejected, that may break a rule of db/checks, by rule name",
    )


class WorkspaceConfig(Section):
    """kq.yaml."""

    market: MarketConfig = Field(
        default_factory=lambda: MarketConfig.model_validate({}), description="where the bars come from"
    )
    model: ModelConfig = Field(
        default_factory=lambda: ModelConfig.model_validate({}), description="the weights that training starts from"
    )
    train: TrainConfig = Field(
        default_factory=lambda: TrainConfig.model_validate({}), description="windows, splits and optimisation"
    )
    gates: GatesConfig = Field(
        default_factory=lambda: GatesConfig.model_validate({}), description="limits that `kq check` enforces"
    )
