"""Values of the null fields of `train:`: one set for fine-tuning, one for each network size trained from scratch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from kronos_quant.config.sections import SCRATCH, ModelConfig, TrainConfig


@dataclass(frozen=True, slots=True)
class TrainingPreset:
    """Lengths and learning rates of a training."""

    tokenizer_epochs: int
    predictor_epochs: int
    samples_per_epoch: int
    validation_windows: int
    batch_size: int
    tokenizer_learning_rate: float
    predictor_learning_rate: float


# the published fine-tuning: 30 epochs of 2,000 steps of 50 windows, 400 batches of validation, rates 2e-4 and 4e-5
FINE_TUNING = TrainingPreset(30, 30, 100_000, 20_000, 50, 2e-4, 4e-5)
LORA_RATE = 10
"""Times the rate of all weights: an update of low rank learns best at about this (Schulman et al. 2025)."""
FROM_SCRATCH = {
    # minutes on a laptop's CPU
    "nano": TrainingPreset(4, 6, 9_600, 2_000, 32, 4e-3, 3e-3),
    # not tried at length: the published pre-training schedule is not known
    "mini": TrainingPreset(30, 30, 100_000, 20_000, 50, 1e-3, 1e-3),
    "small": TrainingPreset(30, 30, 100_000, 20_000, 50, 1e-3, 5e-4),
    "base": TrainingPreset(30, 30, 100_000, 20_000, 50, 1e-3, 3e-4),
}


def fill_presets(train: TrainConfig, model: ModelConfig) -> TrainConfig:
    """`train` with every null field set from the preset that fits `model.base` and `train.adapt`."""
    preset = FROM_SCRATCH[model.preset] if model.base == SCRATCH else FINE_TUNING
    if not train.adapt.whole:
        # embeddings that are frozen must keep the tokens that they were trained on
        preset = replace(preset, tokenizer_epochs=0)
    if train.adapt.lora is not None:
        preset = replace(preset, predictor_learning_rate=LORA_RATE * preset.predictor_learning_rate)
    missing = {name: value for name, value in asdict(preset).items() if getattr(train, name) is None}
    return train.model_copy(update=missing)
