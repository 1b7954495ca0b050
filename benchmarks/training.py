"""A training step of the predictor against the published one.  `python benchmarks/training.py --upstream DIR`

DIR is a checkout of github.com/shiyu-coder/Kronos (its code needs the package einops). One process, one thread, random
weights of the published sizes, windows of 101 bars; the steps of both take turns, each is timed in CPU seconds of the
thread, and the ratio is the median of the rounds. The published step encodes its batch, samples the sibling, scores all
bars and updates with AdamW, as finetune/train_predictor.py does; ours is the loop's own step.
"""

import argparse
import statistics
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from kronos_quant.config import TrainConfig
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer
from kronos_quant.training.batches import Batch
from kronos_quant.training.objectives import PredictorObjective
from kronos_quant.training.optimise import Optimiser

LOOKBACK, BARS = 90, 101

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--upstream", type=Path, required=True)
parser.add_argument("--preset", choices=["mini", "small", "base"], default="small")
parser.add_argument("--batch", type=int, default=25)
parser.add_argument("--rounds", type=int, default=5)
arguments = parser.parse_args()
torch.set_num_threads(1)
torch.manual_seed(0)
sys.path.insert(0, str(arguments.upstream))
import model.kronos as published  # noqa: E402

preset = PRESETS[arguments.preset]
values = torch.randn(arguments.batch, BARS, 6).clamp(-5, 5)
stamp = torch.zeros(arguments.batch, BARS, 5, dtype=torch.int16)


def published_step():
    tokenizer_config, predictor_config = asdict(preset.tokenizer), asdict(preset.predictor)
    predictor_config.pop("dependency_rotation")
    tokenizer, predictor = (
        published.KronosTokenizer(**tokenizer_config).eval(),
        published.Kronos(**predictor_config).train(),
    )
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=4e-5, betas=(0.9, 0.95), weight_decay=0.1)
    floats = stamp.float()

    def step() -> None:
        with torch.no_grad():
            s1, s2 = tokenizer.encode(values, half=True)
        logits = predictor(s1[:, :-1], s2[:, :-1], floats[:, :-1])
        loss, _, _ = predictor.head.compute_loss(logits[0], logits[1], s1[:, 1:], s2[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(predictor.parameters(), max_norm=3.0)
        optimizer.step()

    return step


def our_step(*, kept_tokens: bool = True, **settings):
    config = TrainConfig.model_validate({"lookback_window": LOOKBACK, "predict_window": BARS - LOOKBACK, **settings})
    predictor_config = preset.predictor
    if config.attention_dropout is not None:
        predictor_config = replace(predictor_config, attn_dropout_p=config.attention_dropout)
    tokenizer, predictor = KronosTokenizer(preset.tokenizer), Kronos(predictor_config).train()
    objective = PredictorObjective(tokenizer, predictor, LOOKBACK, config.loss_region, config.teacher_forcing)
    optimiser = Optimiser(predictor, 4e-5, 1_000, config, torch.device("cpu"))
    batch = Batch(stamp, tokens=tokenizer.encode(values)) if kept_tokens else Batch(stamp, values)

    def step() -> None:
        inputs = objective.inputs(batch)
        with optimiser.autocast():
            parts = objective(*inputs)
        optimiser.backward(parts["loss"])
        optimiser.clip()
        optimiser.step(1)

    return step


def seconds(step) -> float:
    started = time.thread_time()
    step()
    return time.thread_time() - started


as_published = {"loss_region": "all", "attention_dropout": None}
cases = {
    "float32": our_step(),
    "bf16": our_step(precision="bf16"),
    "float32, loss on all bars": our_step(loss_region="all"),
    "bf16, loss on all bars": our_step(loss_region="all", precision="bf16"),
    "float32, all bars, published dropout, tokens not kept": our_step(kept_tokens=False, **as_published),
    "bf16, all bars, published dropout, tokens not kept": our_step(kept_tokens=False, precision="bf16", **as_published),
}
reference = published_step()
for step in (reference, *cases.values()):
    step()
rounds = [(seconds(reference), [seconds(step) for step in cases.values()]) for _ in range(arguments.rounds)]
print(f"Kronos-{arguments.preset}, batch {arguments.batch}, {BARS} bars, 1 thread, {arguments.rounds} rounds")
print(f"published step: {statistics.median(known for known, _ in rounds):.2f} CPU s")
for number, name in enumerate(cases):
    ratio = statistics.median(known / ours[number] for known, ours in rounds)
    print(f"{name + ':':<55} {statistics.median(ours[number] for _, ours in rounds):.2f} CPU s, {ratio:.2f} times")
