"""The sections of kq.yaml as pydantic models.

Of two names of a field the first is its own, the others are what the published fine-tuning guides call it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, NonNegativeInt, PositiveInt, model_validator

from kronos_quant.config.section import Section

SCRATCH = "scratch"
"""The value of `model.base` that starts training from random weights."""
RATIO_SLACK = 1e-9
"""Shares that are meant to make 1 differ from it in their last bits."""

ChooseBy = Literal["token_loss", "mae", "mse", "r2", "correlation", "direction", "rank_ic"]


class MarketConfig(Section):
    """Where the bars come from, and what a data directory does not say of itself."""

    qlib_dir: Path = Field(Path("~/.qlib/qlib_data/cn_data"), description="directory that `kq ingest qlib` reads")
    exchange: str = Field("", description="ISO 10383 code (XSHG, XNYS, XHKG, 24/7); empty: told by the symbols")
    freq: str | None = Field(None, description="bar frequency to use; null: the only one there is")
    universe: str = Field("all", description="universe to train on and to score; `all` is every stock")


class ModelConfig(Section):
    """The weights that training starts from."""

    base: str = Field(
        "NeoQuasar/Kronos-small",
        validation_alias=AliasChoices("base", "pretrained_predictor_path"),
        description="folder, name in models/, Hub id, or `scratch`",
    )
    tokenizer: str | None = Field(
        None,
        validation_alias=AliasChoices("tokenizer", "pretrained_tokenizer_path"),
        description="tokenizer for `base`; null: the one published with it",
    )
    revision: str | None = Field(None, description="revision of a Hub repository; null: its newest")
    preset: Literal["nano", "mini", "small", "base"] = Field("nano", description="sizes, with `base: scratch` only")
    pretraining_cutoff: date | None = Field(
        None, description="last date of the bars that `base` was pre-trained on; null: what its card says, if anything"
    )


class AugmentConfig(Section):
    """Changes of the training windows, drawn anew in every epoch; 0 is off. See `training.batches.augment`."""

    noise: float = Field(0.0, ge=0, le=1, description="standard deviation added, in those of the lookback")
    magnitude: float = Field(0.0, ge=0, lt=1, description="deviations from the mean are scaled by up to 1 +- this")
    time_warp: float = Field(0.0, ge=0, lt=1, description="time runs faster and slower by up to 1 +- this")
    slice: float = Field(0.0, ge=0, lt=1, description="up to this share of the bars is cut off, the rest stretched")

    @property
    def any(self) -> bool:
        """Whether a window is changed at all."""
        return bool(self.noise or self.magnitude or self.time_warp or self.slice)


class HeadConfig(Section):
    """A return head: a small network that ranks symbols by the predictor's context. See `training.head`."""

    epochs: int = Field(0, ge=0, description="passes over its dates, after the predictor is trained; 0: no head")
    loss: Literal["listwise", "pairwise"] = Field("listwise", description="of the order of a date's returns")
    hidden: int = Field(0, ge=0, description="units of a hidden layer; 0: a linear map")
    dates: int = Field(400, ge=1, description="training dates that it learns from, evenly spaced")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, a step a date")
    weight_decay: float = Field(0.1, ge=0, description="AdamW's, decoupled")


class AdaptConfig(Section):
    """Which part of the predictor learns: `full`, `{last_layers: N}` or `{lora: RANK}`. See `training.adapt`."""

    last_layers: int | None = Field(None, ge=1, description="the last N layers and the heads")
    lora: int | None = Field(None, ge=1, description="an update of this rank of every projection")

    @model_validator(mode="before")
    @classmethod
    def _full(cls, values: Any) -> Any:
        if isinstance(values, dict | cls):
            return values
        if values != "full":
            raise ValueError(f"expected full, {{last_layers: N}} or {{lora: RANK}}, found {values!r}")
        return {}

    @model_validator(mode="after")
    def _one(self) -> AdaptConfig:
        if self.last_layers is not None and self.lora is not None:
            raise ValueError("expected one of last_layers and lora, found both")
        return self

    @property
    def whole(self) -> bool:
        """Whether all of it learns."""
        return self.last_layers is None and self.lora is None

    def __str__(self) -> str:
        if self.whole:
            return "full"
        return f"last_layers {self.last_layers}" if self.lora is None else f"lora {self.lora}"


class TrainConfig(Section):
    """Windows, splits and optimisation. A null is filled in by `training.presets`: see `kq config show`."""

    data_path: Path | None = Field(None, description="CSV file, or folder of them, that `kq train` ingests first")
    universe: str | None = Field(
        None,
        validation_alias=AliasChoices("universe", "instrument"),
        description="of the windows; null: market.universe",
    )
    lookback_window: int = Field(90, ge=3, description="bars the model looks at")
    predict_window: int = Field(10, ge=1, description="bars it learns to forecast")
    max_context: int | None = Field(None, ge=2, description="longest window when forecasting; null: the base's")
    clip: float = Field(5.0, gt=0, description="bound of the normalised values, in standard deviations")
    max_missing_bars: int = Field(
        10,
        ge=0,
        validation_alias=AliasChoices("max_missing_bars", "max_missing"),
        serialization_alias="max_missing",
        description="sessions without a bar allowed inside one window",
    )
    train_time_range: tuple[date, date] | None = Field(None, description="target dates of training")
    val_time_range: tuple[date, date] | None = Field(
        None, description="target dates of validation; what overlaps training is lookback only"
    )
    test_time_range: tuple[date, date] | None = Field(None, description="target dates kept for testing; null: the rest")
    train_ratio: float = Field(0.7, gt=0, lt=1, description="without dates: first share of the sessions")
    val_ratio: float = Field(0.1, gt=0, lt=1, description="without dates: share after it")
    test_ratio: float | None = Field(None, ge=0, lt=1, description="checked only: testing has all that is left")
    embargo: int = Field(0, ge=0, description="sessions left out between two splits")
    tokenizer_epochs: int | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("tokenizer_epochs", "epochs"),
        description="0 keeps the base's tokenizer",
    )
    predictor_epochs: int | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("predictor_epochs", "basemodel_epochs", "epochs"),
        description="0 keeps the base's predictor",
    )
    samples_per_epoch: PositiveInt | Literal["all"] | None = Field(
        None,
        validation_alias=AliasChoices("samples_per_epoch", "n_train_iter"),
        description="windows an epoch, or `all`; never more than there are; null: by preset",
    )
    validation_windows: PositiveInt | Literal["all"] | None = Field(
        None,
        validation_alias=AliasChoices("validation_windows", "n_val_iter"),
        description="windows whose loss a validation measures, evenly spaced, or `all`; null: by preset",
    )
    decoded_windows: int = Field(
        400, ge=1, description="validation windows that are forecast and decoded, the same ones at every epoch"
    )
    decoded_horizon: int | None = Field(
        None, ge=1, description="bars ahead that they are forecast; null: predict_window"
    )
    decoded_samples: int = Field(20, ge=1, description="sample paths of each of them; their mean is the forecast")
    tokenizer_choose_by: Literal["loss", "reconstruction"] = Field(
        "loss", description="validation figure whose best epoch is kept of the tokenizer"
    )
    choose_by: ChooseBy = Field(
        "token_loss",
        description="the same of the predictor: its loss, or a figure of the decoded forecasts (returns over the last "
        "close; correlation, direction and rank_ic at the last bar)",
    )
    batch_size: int | None = Field(None, ge=1, description="windows a pass, over all ranks together")
    accumulation_steps: int = Field(1, ge=1, description="passes whose gradients make one step")
    workers: int = Field(
        0,
        ge=0,
        le=64,
        validation_alias=AliasChoices("workers", "num_workers"),
        description="threads that prepare batches",
    )
    adapt: AdaptConfig = Field(
        default_factory=lambda: AdaptConfig.model_validate({}),
        description="part of the predictor that learns: full, {last_layers: N} or {lora: RANK}",
    )
    tokenizer_learning_rate: float | None = Field(None, gt=0, description="peak rate; null: by preset")
    predictor_learning_rate: float | None = Field(None, gt=0, description="peak rate; null: by preset")
    schedule: Literal["one_cycle", "cosine", "constant"] = Field(
        "one_cycle", description="how the rate falls after the warm-up"
    )
    warm_up_share: float = Field(0.03, ge=0, lt=1, description="share of the steps in which the rate rises")
    weight_decay: float = Field(
        0.1, ge=0, validation_alias=AliasChoices("weight_decay", "adam_weight_decay"), description="AdamW's, decoupled"
    )
    betas: tuple[float, float] = Field((0.9, 0.95), description="AdamW's; also as adam_beta1, adam_beta2")
    max_grad_norm: float = Field(3.0, gt=0, description="gradients are scaled down to this norm")
    precision: Literal["float32", "bf16", "fp16"] = Field(
        "float32", description="of the passes; weights and their averages stay float32; fp16 needs CUDA"
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="of layers and input; null: as the base has it")
    attention_dropout: float | None = Field(
        0.0, ge=0, lt=1, description="of attention weights, which slows every step; null: as the base has it"
    )
    weight_average: float = Field(0.0, ge=0, lt=1, description="decay of the average that is kept; 0: none")
    loss_region: Literal["future", "all"] = Field(
        "future", description="bars that the loss counts: those after the lookback, or all (as published)"
    )
    teacher_forcing: bool = Field(True, description="s2 learns given the true s1; false: a sampled one (as published)")
    dependency_rotation: Literal["consistent", "published"] = Field(
        "consistent", description="`published` makes weights that the published code forecasts rightly with"
    )
    head: HeadConfig = Field(default_factory=lambda: HeadConfig.model_validate({}))
    augment: AugmentConfig = Field(default_factory=lambda: AugmentConfig.model_validate({}))
    patience: int = Field(3, ge=0, description="epochs without a better figure (choose_by) that end a phase; 0: never")
    checkpoint_every: int = Field(5, ge=1, description="epochs between two periodic checkpoints")
    state_every_minutes: float = Field(10.0, gt=0, description="longest time between two states to continue from")
    state_every_steps: int | None = Field(None, ge=1, description="steps between two such states besides")
    log_every_steps: int | None = Field(
        None, ge=1, validation_alias=AliasChoices("log_every_steps", "log_interval"), description="null: epochs only"
    )
    trackers: tuple[Literal["comet", "mlflow", "tensorboard"], ...] = Field((), description="besides log.jsonl")
    backend: Literal["nccl", "gloo"] | None = Field(None, description="between ranks; null: nccl on CUDA, else gloo")
    seed: int = Field(0, ge=0, description="of initial weights, window order, dropout and augmentation")

    @model_validator(mode="before")
    @classmethod
    def _adam(cls, values: Any) -> Any:
        """The guides give the two betas one by one."""
        if not isinstance(values, dict) or not {"adam_beta1", "adam_beta2"} & values.keys():
            return values
        if "betas" in values:
            raise ValueError("betas: given twice, also as adam_beta1 or adam_beta2")
        default = cls.model_fields["betas"].default
        rest = {name: value for name, value in values.items() if name not in ("adam_beta1", "adam_beta2")}
        return rest | {"betas": (values.get("adam_beta1", default[0]), values.get("adam_beta2", default[1]))}

    @model_validator(mode="after")
    def _ranges(self) -> TrainConfig:
        if (self.train_time_range is None) != (self.val_time_range is None):
            raise ValueError("train_time_range and val_time_range go together: give both or neither")
        if self.test_time_range is not None and self.train_time_range is None:
            raise ValueError("test_time_range: needs train_time_range and val_time_range too")
        for name in ("train_time_range", "val_time_range", "test_time_range"):
            span = getattr(self, name)
            if span is not None and span[0] > span[1]:
                raise ValueError(f"{name}: must start before it ends, found {span[0]} to {span[1]}")
        total = self.train_ratio + self.val_ratio
        if total > 1 + RATIO_SLACK:
            raise ValueError(f"train_ratio + val_ratio must be at most 1, found {total:g}")
        if self.test_ratio is not None and total + self.test_ratio > 1 + RATIO_SLACK:
            found = f"{total + self.test_ratio:g}"
            raise ValueError(f"train_ratio + val_ratio + test_ratio must be at most 1, found {found}")
        if self.decoded_horizon is not None and self.decoded_horizon > self.predict_window:
            found = f"{self.decoded_horizon} with predict_window {self.predict_window}"
            raise ValueError(f"decoded_horizon: must be at most predict_window, found {found}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: must be from 0 to below 1, found {self.betas[0]:g} and {self.betas[1]:g}")
        return self


class GatesConfig(Section):
    """What `kq check` lets pass; without gates it only reports."""

    max_rejected_share: float | None = Field(
        None, ge=0, le=1, description="rejected bars over all bars that were brought; null: any"
    )
    rules: dict[str, NonNegativeInt] = Field(
        default_factory=dict, description="rule of db/checks -> bars that may break it, kept or rejected"
    )


class WorkspaceConfig(Section):
    """kq.yaml."""

    market: MarketConfig = Field(default_factory=lambda: MarketConfig.model_validate({}))
    model: ModelConfig = Field(default_factory=lambda: ModelConfig.model_validate({}))
    train: TrainConfig = Field(default_factory=lambda: TrainConfig.model_validate({}))
    gates: GatesConfig = Field(default_factory=lambda: GatesConfig.model_validate({}))
