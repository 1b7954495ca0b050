"""How fast training is.

`python benchmarks/training.py --upstream DIR`: a step of the predictor against the published one. DIR is a checkout of
github.com/shiyu-coder/Kronos (its code needs the package einops). One process, one thread, random weights of the
published sizes, windows of 101 bars; the steps of both take turns, each is timed in CPU seconds of the thread, and the
ratio is the median of the rounds. The published step encodes its batch, samples the sibling, scores all bars and
updates with AdamW, as finetune/train_predictor.py does; ours is the loop's own step.

`python benchmarks/training.py --ranks 1,2`: trainings on a synthetic market by so many gloo processes of one thread
each, at the same global batch: what a launch takes to its first step, windows per second, and the efficiency, which is
the windows per second over ranks times those of one rank.

`python benchmarks/training.py --adapt full,last_layers:2,lora:8`: seconds of a step of the predictor and peak memory of
its process, with the part of it that learns; each in a process of its own on one thread.
"""

import argparse
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from kronos_quant.config import TrainConfig
from kronos_quant.market import ingest_synthetic
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer
from kronos_quant.training import launch
from kronos_quant.training.adapt import adapt_predictor
from kronos_quant.training.batches.loader import TrainingBatch
from kronos_quant.training.logs import read_launches
from kronos_quant.training.objectives import PredictorObjective
from kronos_quant.training.optimise import Optimiser
from kronos_quant.workflows.train import prepare_training
from kronos_quant.workspace import init_workspace, open_workspace_folder

LOOKBACK, BARS = 90, 101
SCALING = """\
market: {{exchange: XNYS}}
model: {{base: scratch, preset: {preset}}}
train: {{tokenizer_epochs: 1, predictor_epochs: 1, batch_size: {batch}, samples_per_epoch: {samples},
        validation_windows: 50, decoded_windows: 20}}
"""


def made_batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(size, BARS, 6).clamp(-5, 5), torch.zeros(size, BARS, 5, dtype=torch.int16)


def published_step(upstream: Path, size: str, batch: int):
    sys.path.insert(0, str(upstream))
    import model.kronos as published

    tokenizer_config, predictor_config = asdict(PRESETS[size].tokenizer), asdict(PRESETS[size].predictor)
    predictor_config.pop("dependency_rotation")
    tokenizer = published.KronosTokenizer(**tokenizer_config).eval()
    predictor = published.Kronos(**predictor_config).train()
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=4e-5, betas=(0.9, 0.95), weight_decay=0.1)
    values, stamp = made_batch(batch)
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


def our_step(size: str, count: int, *, kept_tokens: bool = True, **settings):
    return our_optimiser_and_step(size, count, kept_tokens=kept_tokens, **settings)[1]


def our_optimiser_and_step(size: str, count: int, *, kept_tokens: bool = True, **settings):
    config = TrainConfig.model_validate({"lookback_window": LOOKBACK, "predict_window": BARS - LOOKBACK, **settings})
    predictor_config = PRESETS[size].predictor
    if config.attention_dropout is not None:
        predictor_config = replace(predictor_config, attn_dropout_p=config.attention_dropout)
    tokenizer, predictor = KronosTokenizer(PRESETS[size].tokenizer), Kronos(predictor_config).train()
    predictor = adapt_predictor(predictor, config.adapt, 0)
    objective = PredictorObjective(tokenizer, predictor, LOOKBACK, config.loss_region, config.teacher_forcing)
    optimiser = Optimiser(predictor, 4e-5, 1_000, config, torch.device("cpu"))
    values, stamp = made_batch(count)
    batch = TrainingBatch(stamp, tokens=tokenizer.encode(values)) if kept_tokens else TrainingBatch(stamp, values)

    def step() -> None:
        inputs = objective.inputs(batch)
        with optimiser.autocast():
            parts = objective(*inputs)
        optimiser.backward(parts["loss"])
        optimiser.clip()
        optimiser.step(1)

    return optimiser, step


def seconds(step) -> float:
    started = time.thread_time()
    step()
    return time.thread_time() - started


def against_published(upstream: Path, size: str, batch: int, rounds: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    as_published = {"loss_region": "all", "attention_dropout": None, "kept_tokens": False}
    settings = {
        "float32": {},
        "bf16": {"precision": "bf16"},
        "float32, loss on all bars": {"loss_region": "all"},
        "bf16, loss on all bars": {"loss_region": "all", "precision": "bf16"},
        "float32, all bars, published dropout, tokens not kept": as_published,
        "bf16, all bars, published dropout, tokens not kept": as_published | {"precision": "bf16"},
    }
    cases = {name: our_step(size, batch, **changed) for name, changed in settings.items()}
    reference = published_step(upstream, size, batch)
    for step in (reference, *cases.values()):
        step()
    timed = [(seconds(reference), [seconds(step) for step in cases.values()]) for _ in range(rounds)]
    print(f"Kronos-{size}, batch {batch}, {BARS} bars, 1 thread, {rounds} rounds")
    print(f"published step: {statistics.median(known for known, _ in timed):.2f} CPU s")
    for number, name in enumerate(cases):
        ratio = statistics.median(known / ours[number] for known, ours in timed)
        print(f"{name + ':':<55} {statistics.median(ours[number] for _, ours in timed):.2f} CPU s, {ratio:.2f} times")


def scaling(size: str, batch: int, ranks: list[int], rounds: int, samples: int) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    logging.disable(logging.INFO)
    found: dict[int, list[dict]] = {count: [] for count in ranks}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        init_workspace(folder, SCALING.format(preset=size, batch=batch, samples=samples))
        ingest_synthetic(folder, strength=0.2, symbols=60, sessions=500, seed=0)
        workspace = open_workspace_folder(folder)
        for _ in range(rounds):
            for count in ranks:
                job_file = prepare_training(workspace, gpus=0).job_file
                launch(job_file, count)
                found[count] += read_launches(job_file.parent)
    print(
        f"Kronos-{size}, global batch {batch}, gloo, 1 thread a rank, {os.cpu_count()} cores, median of {rounds} rounds"
    )
    for count, launches in found.items():
        moments = {
            name: statistics.median(each["seconds_to"][name] for each in launches)
            for name in ("joined", "ready", "first_step")
        }
        print(f"{count} ranks: " + ", ".join(f"{name} {value:.1f} s" for name, value in moments.items()))
        for phase in ("tokenizer", "predictor"):
            rate = {n: statistics.median(each["windows_per_second"][phase] for each in found[n]) for n in found}
            efficiency = f", efficiency {rate[count] / count / rate[1]:.2f}" if 1 in rate else ""
            print(f"  {phase}: {rate[count]:.1f} windows/s, {rate[count] / count:.1f} a rank{efficiency}")


def adapting(size: str, batch: int, ways: list[str], rounds: int) -> None:
    print(f"Kronos-{size}, batch {batch}, {BARS} bars, 1 thread, float32, {rounds} steps after the first")
    for way in ways:
        command = [sys.executable, __file__, "--adapt-one", way, "--preset", size, "--batch", str(batch)]
        done = subprocess.run([*command, "--rounds", str(rounds)], check=True, capture_output=True, text=True)
        print(f"{way:<16} {done.stdout.strip()}", flush=True)


def adapting_one(size: str, batch: int, way: str, rounds: int) -> None:
    """In a process of its own: the peak is that of its whole life."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kind, _, number = way.partition(":")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    optimiser, step = our_optimiser_and_step(size, batch, adapt={kind: int(number)} if number else kind)
    step()
    taken = statistics.median(seconds(step) for _ in range(rounds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    learning = sum(value.numel() for value in optimiser.parameters.values())
    print(
        f"{learning / 1e6:7.2f} M weights learn, {taken:6.2f} CPU s a step, peak {peak / 2**20:.2f} GiB, "
        f"of which {(peak - before) / 2**20:.2f} GiB for the training"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path)
    parser.add_argument("--ranks", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--preset", choices=list(PRESETS), default="small")
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=200, help="windows of each phase, with --ranks")
    parser.add_argument("--adapt", type=lambda text: text.split(","))
    parser.add_argument("--adapt-one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.upstream:
        against_published(arguments.upstream, arguments.preset, arguments.batch, arguments.rounds)
    if arguments.ranks:
        scaling(arguments.preset, arguments.batch, arguments.ranks, arguments.rounds, arguments.samples)
    if arguments.adapt:
        adapting(arguments.preset, arguments.batch, arguments.adapt, arguments.rounds)
    if arguments.adapt_one:
        adapting_one(arguments.preset, arguments.batch, arguments.adapt_one, arguments.rounds)
