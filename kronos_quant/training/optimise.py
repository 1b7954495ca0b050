"""One step of the weights: learning-rate schedule, AdamW, clipping, precision, and the running average.

The rate is a function of the step alone, and everything that the next step depends on is in `tensors` and `scaler`: a
resumed training equals an uninterrupted one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from kronos_quant.config import TrainConfig
from kronos_quant.errors import ConfigError

logger = logging.getLogger(__name__)

Schedule = Literal["one_cycle", "cosine", "constant"]

# of torch's OneCycleLR, as the published fine-tuning sets them
ONE_CYCLE_START = 1 / 10
ONE_CYCLE_END = 1e-4 / 10
MOMENTS = ("exp_avg", "exp_avg_sq", "step")
AVERAGE_START = 10.0
"""The average forgets faster in its first steps: decay min(d, (1 + t) / (10 + t)), as TensorFlow's does."""


def rate_share(step: int, steps: int, kind: Schedule, warm_up_share: float) -> float:
    """The learning rate of step number `step` (from 0) of `steps`, as a share of its peak.

    one_cycle : from 1/10 up to 1 along a half cosine, then down to 1e-5. cosine : linearly up from 1 / (warm-up + 1),
    then a half cosine down to 0. constant : the same rise, then 1.
    """
    warm_up = warm_up_share * steps
    if kind == "one_cycle":
        peak = warm_up - 1
        if step <= peak:
            return _between(ONE_CYCLE_START, 1.0, step / peak if peak > 0 else 1.0)
        fallen = (step - peak) / max(steps - 1 - peak, 1e-9)
        return _between(1.0, ONE_CYCLE_END, min(fallen, 1.0))
    rise = math.ceil(warm_up)
    if step < rise:
        return (step + 1) / (rise + 1)
    return 1.0 if kind == "constant" else _between(1.0, 0.0, (step - rise) / max(steps - rise, 1))


def warm_up_share(config: TrainConfig, steps: int) -> float:
    """The share of a phase's `steps` in which the rate rises; `warm_up_steps` is converted where it is given."""
    if config.warm_up_steps is None or not steps:
        return config.warm_up_share
    wanted = min(config.warm_up_steps, steps)
    share = wanted / steps
    return share if share * steps <= wanted else math.nextafter(share, 0.0)


def _between(start: float, end: float, share: float) -> float:
    """Along a half cosine from start to end."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


class Optimiser:
    """AdamW over the parameters of `trained` that learn."""

    def __init__(
        self, trained: nn.Module, peak_rate: float, steps: int, config: TrainConfig, device: torch.device
    ) -> None:
        self.parameters = {name: value for name, value in trained.named_parameters() if value.requires_grad}
        self.config, self.peak_rate, self.steps, self.device = config, peak_rate, steps, device
        self.adam = torch.optim.AdamW(
            self.parameters.values(),
            lr=peak_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.average: dict[str, Tensor] = {}
        if config.weight_average:
            self.average = {name: value.detach().clone() for name, value in self.parameters.items()}

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the forward pass."""
        if self.config.precision == "float32":
            return nullcontext()
        dtype = torch.bfloat16 if self.config.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def rate(self, step: int) -> float:
        """The learning rate of step number `step` (from 0)."""
        share = warm_up_share(self.config, self.steps)
        return self.peak_rate * rate_share(step, self.steps, self.config.schedule, share)

    def clip(self) -> Tensor:
        """Scale the gradients down to the largest norm allowed; returns their norm before."""
        self.scaler.unscale_(self.adam)
        return nn.utils.clip_grad_norm_(self.parameters.values(), self.config.max_grad_norm)

    def step(self, step: int) -> None:
        """Step number `step` (from 0) with the gradients added since the last one, then forget them."""
        for group in self.adam.param_groups:
            group["lr"] = self.rate(step)
        self.scaler.step(self.adam)
        self.scaler.update()
        self.adam.zero_grad(set_to_none=True)
        decay = min(self.config.weight_average, (1 + step) / (AVERAGE_START + step))
        for name, value in self.average.items():
            value.lerp_(self.parameters[name].detach(), 1 - decay)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The parameters are their running averages inside the block, when there are any."""
        raw = {name: self.parameters[name].detach().clone() for name in self.average}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(raw)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that the next step depends on."""
        kept = {f"weight.{name}": value.detach() for name, value in self.parameters.items()}
        kept |= {f"average.{name}": value for name, value in self.average.items()}
        for name, value in self.parameters.items():
            moments = self.adam.state.get(value, {})
            kept |= {f"{moment}.{name}": moments[moment] for moment in MOMENTS if moment in moments}
        return kept

    def load(self, tensors: Mapping[str, Tensor], scaler: Mapping[str, Any]) -> None:
        """Load the values of `tensors` and of the scaler's `state_dict`."""
        self._put({name: tensors[f"weight.{name}"] for name in self.parameters})
        for name, value in self.average.items():
            value.copy_(tensors[f"average.{name}"])
        state = {
            number: {moment: tensors[f"{moment}.{name}"].clone() for moment in MOMENTS}
            for number, name in enumerate(self.parameters)
            if f"step.{name}" in tensors
        }
        self.adam.load_state_dict({"state": state, "param_groups": self.adam.state_dict()["param_groups"]})
        if scaler:
            self.scaler.load_state_dict(dict(scaler))

    def _put(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in values.items():
                self.parameters[name].copy_(value)


def resolve_precision(config: TrainConfig, device: str) -> TrainConfig:
    """The settings with `precision: auto` replaced: bf16 on CUDA, fp16 where it has no bf16, float32 elsewhere."""
    if config.precision != "auto":
        return config
    half = "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp16"
    precision = half if device == "cuda" else "float32"
    logger.info("precision: auto is %s on %s", precision, device)
    return config.model_copy(update={"precision": precision})


def check_precision(config: TrainConfig, device: str) -> None:
    """Raise ConfigError for a precision that the device does not support."""
    if config.precision == "fp16" and device != "cuda":
        raise ConfigError(f"train.precision: fp16 needs CUDA; this runs on {device}", hint="use bf16 or float32")
