"""How fast is sampling compared with the published code?  `python benchmarks/inference.py --upstream DIR`

DIR is a checkout of the published Kronos code. Both run on the same random weights, windows and machine, in one
process, on one thread (on CUDA: one device). First the greedy tokens and the logits of both are compared; then rounds
of both alternate. The published code does the same work for every series, so it runs on fewer of them and its time is
scaled. Time is the thread's processor time, which a busy machine disturbs least.

Prints for each case the ratio (median of the rounds), the arithmetic ceiling (operations of the published code over
those of the least that gives the same tokens, counted by torch), the share of this machine's measured rate of matrix
products, and the sampler's share of the run. For bfloat16 it prints how far the predictor is from its float32 self:
the share of equal greedy tokens and the divergence (KL, nats) of the first choice of s1 and s2, and the largest
distance between the distributions of the last close (Kolmogorov and Smirnov, mean over the series) and the distance
of two float32 runs with other seeds.

Shapes: B series, S samples, L lookback, H horizon.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from scipy.stats import ks_2samp
from torch.utils.flop_counter import FlopCounterMode

from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, PathSampler, PredictorConfig, Sampling, decoding
from kronos_quant.windows import stamps

TEMPERATURE, TOP_P = 0.6, 0.9
CLOSE = 3
PUBLISHED_SECONDS = 8.0
"""A round of the published code runs as many series as take about this long."""
LOGIT_TOLERANCE = 1e-4


class Case(NamedTuple):
    """One job, and the ratio that it must reach."""

    model: str
    series: int
    lookback: int
    horizon: int
    samples: int
    context: str
    dtype: str
    asked: float


CASES = {
    "small": Case("small", 64, 90, 10, 5, "exact", "float32", 27),
    "small-bf16": Case("small", 64, 90, 10, 5, "exact", "bfloat16", 45),
    "mini": Case("mini", 64, 90, 10, 5, "exact", "float32", 18),
    "mini-bf16": Case("mini", 64, 90, 10, 5, "exact", "bfloat16", 28),
    "long": Case("small", 8, 400, 120, 1, "exact", "float32", 10),
    "long-trim": Case("small", 8, 400, 120, 1, "trim", "float32", 38),
    "sliding": Case("small", 8, 512, 48, 5, "exact", "float32", 4.2),
    "sliding-trim": Case("small", 8, 512, 48, 5, "trim", "float32", 55),
}


class Accuracy(NamedTuple):
    """bfloat16 against float32."""

    equal_tokens: float
    divergence: float
    distance: float
    distance_of_seeds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one case gave."""

    case: str
    ratio: float
    asked: float
    rounds: list[float]
    ceiling: float
    series_a_second: float
    share_of_peak: float
    published_share_of_peak: float
    sampler_share: float
    published_series: int
    largest_logit_difference: float | None
    accuracy: Accuracy | None


@dataclass(frozen=True, slots=True)
class Work:
    """The arrays of a case."""

    x: np.ndarray
    x_stamp: np.ndarray
    y_stamp: np.ndarray

    def part(self, series: int) -> Work:
        return Work(self.x[:series], self.x_stamp[:series], self.y_stamp[:series])


class Runner:
    """Both implementations with the same weights."""

    def __init__(self, case: Case, upstream: ModuleType, device: str) -> None:
        self.case, self.device = case, torch.device(device)
        self.upstream = upstream
        preset = PRESETS[case.model]
        torch.manual_seed(0)
        tokenizer, predictor = KronosTokenizer(preset.tokenizer), Kronos(published_rule(preset.predictor))
        # the published shapes of two presets share one window, whatever mini could take: the cases say 512
        self.max_context = 512
        self.networks = (tokenizer, predictor)
        self.ours = self.sampler(case.dtype)
        self.their_tokenizer = upstream.KronosTokenizer(**asdict(preset.tokenizer))
        config = asdict(preset.predictor)
        del config["dependency_rotation"]
        self.their_model = upstream.Kronos(**config)
        self.their_tokenizer.load_state_dict(tokenizer.state_dict())
        self.their_model.load_state_dict(predictor.state_dict())
        for module in (self.their_tokenizer, self.their_model):
            module.to(self.device).eval()

    def sampler(self, dtype: str) -> PathSampler:
        settings = {"device": str(self.device), "dtype": dtype, "context": self.case.context}
        return PathSampler(*self.networks, self.max_context, **settings)

    def our_run(self, work: Work, *, greedy: bool = False) -> None:
        sampling = Sampling(TEMPERATURE, int(greedy), 1.0 if greedy else TOP_P)
        self.ours.sample(work.x, work.x_stamp, work.y_stamp, self.case.samples, sampling)

    def their_run(self, work: Work, *, greedy: bool = False) -> None:
        x, x_stamp, y_stamp = (
            torch.from_numpy(np.asarray(part, dtype=np.float32)).to(self.device)
            for part in (work.x, work.x_stamp, work.y_stamp)
        )
        self.upstream.kronos.auto_regressive_inference(
            self.their_tokenizer, self.their_model, x, x_stamp, y_stamp, self.max_context, self.case.horizon,
            T=TEMPERATURE, top_k=int(greedy), top_p=TOP_P, sample_count=self.case.samples,
        )  # fmt: skip


def published_rule(config: PredictorConfig) -> PredictorConfig:
    """The configuration under the published rule of the dependency layer."""
    return replace(config, dependency_rotation="published")


def made_work(case: Case) -> Work:
    """Random normalised windows on 5-minute stamps."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.series, case.lookback, 6)).astype(np.float32)
    start = np.datetime64("2024-03-04T09:35", "us")
    times = start + np.timedelta64(5, "m") * np.arange(case.lookback + case.horizon)
    stamp = np.broadcast_to(stamps(times), (case.series, len(times), 5)).copy()
    return Work(x, stamp[:, : case.lookback], stamp[:, case.lookback :])


class Published(NamedTuple):
    """One greedy run of the published code on one series."""

    logits: list[torch.Tensor]
    seconds: float
    operations: int


def published_run(runner: Runner, one: Work) -> Published:
    """What the published code chooses from, how long it takes, and what it computes."""
    with their_choices(runner.upstream) as logits, FlopCounterMode(display=False) as counter:
        seconds = clocked(lambda: runner.their_run(one, greedy=True), runner.device)
    return Published(logits, seconds, counter.get_total_flops())


def check_same(runner: Runner, one: Work, published: Published) -> float:
    """Raise SystemExit unless the greedy tokens of both agree; return the largest difference of their logits."""
    with our_choices() as ours:
        runner.our_run(one, greedy=True)
    largest = 0.0
    for step, (chunk, theirs) in enumerate(zip(ours, published.logits, strict=True)):
        mine = chunk[: len(theirs)]
        if not torch.equal(mine.argmax(-1), theirs.argmax(-1)):
            raise SystemExit(f"{runner.case}: the greedy tokens differ at choice {step}")
        largest = max(largest, (mine - theirs).abs().max().item())
    if largest > LOGIT_TOLERANCE:
        raise SystemExit(f"{runner.case}: logits differ by {largest:.1e}, allowed {LOGIT_TOLERANCE:.0e}")
    return largest


def accuracy(runner: Runner, work: Work) -> Accuracy:
    """How far bfloat16 is from float32, on the same windows."""
    wide = runner.sampler("float32")
    first = []
    for sampler in (wide, runner.ours):
        with our_choices() as seen:
            sampler.sample(work.x, work.x_stamp, work.y_stamp[:, :1], 1, Sampling(0.0))
        first.append(seen[:2])
    (s1, s2), (s1_narrow, s2_narrow) = first
    same = s1.argmax(-1) == s1_narrow.argmax(-1)  # s2 depends on the s1 that was chosen
    pairs = ((s1, s1_narrow), (s2[same], s2_narrow[same]))
    equal = torch.cat([a.argmax(-1) == b.argmax(-1) for a, b in pairs]).float().mean().item()
    divergence = torch.cat([kl(a, b) for a, b in pairs]).mean().item()
    few = work.part(8)
    seeds = np.arange(len(few.x))

    def closes(sampler: PathSampler, offset: int) -> np.ndarray:
        arrays = (few.x, few.x_stamp, few.y_stamp)
        return sampler.sample(*arrays, 200, Sampling(1.0, 0, TOP_P), seeds + offset).paths[:, :, -1, CLOSE]

    reference = closes(wide, 0)

    def distance(other: np.ndarray) -> float:
        return float(np.mean([ks_2samp(a, b).statistic for a, b in zip(reference, other, strict=True)]))

    return Accuracy(equal, divergence, distance(closes(runner.ours, 0)), distance(closes(wide, 1000)))


def kl(exact: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Divergence of each row's distribution, in nats."""
    p, q = exact.double().log_softmax(-1), other.double().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)


@contextmanager
def our_choices() -> Iterator[list[torch.Tensor]]:
    """Collect the logits [B * S, V] that our decoder chooses from."""
    seen: list[torch.Tensor] = []
    draw = decoding.draw_tokens

    def noted(logits: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(logits.detach().float())
        return draw(logits, *rest)

    with mock.patch.object(decoding, "draw_tokens", noted):
        yield seen


@contextmanager
def their_choices(upstream: ModuleType) -> Iterator[list[torch.Tensor]]:
    """Collect the logits that the published code chooses from."""
    seen: list[torch.Tensor] = []
    choose = upstream.kronos.sample_from_logits

    def noted(logits: torch.Tensor, **settings: Any) -> torch.Tensor:
        seen.append(logits.detach().clone())
        return choose(logits, **settings)

    with mock.patch.object(upstream.kronos, "sample_from_logits", noted):
        yield seen


@contextmanager
def sampler_clock() -> Iterator[list[float]]:
    """Sum the time spent choosing tokens."""
    spent = [0.0]
    draw = decoding.draw_tokens

    def timed_draw(*arguments: Any) -> torch.Tensor:
        started = time.thread_time()
        tokens = draw(*arguments)
        spent[0] += time.thread_time() - started
        return tokens

    with mock.patch.object(decoding, "draw_tokens", timed_draw):
        yield spent


def measured_peak(dtype: torch.dtype, device: torch.device) -> float:
    """Operations per second of a large matrix product, the best of ten."""
    a, b = (torch.randn(2048, 2048, device=device, dtype=dtype) for _ in range(2))
    return 2 * 2048**3 / min(clocked(lambda: a @ b, device) for _ in range(10))


def clocked(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call: processor time of this thread, or, on CUDA, until the device is done."""
    if device.type != "cpu":
        torch.cuda.synchronize()
    clock = time.thread_time if device.type == "cpu" else time.perf_counter
    started = clock()
    work()
    if device.type != "cpu":
        torch.cuda.synchronize()
    return clock() - started


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of matrix products and attention in one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def measure(name: str, case: Case, upstream: ModuleType, device: str, rounds: int) -> Outcome:
    """Check one case, then time it."""
    work, runner = made_work(case), Runner(case, upstream, device)
    one = work.part(1)
    published = published_run(runner, one)
    comparable = case.dtype == "float32" and case.context == "exact"
    difference = check_same(runner, one, published) if comparable else None
    our_operations = operations(lambda: runner.our_run(work))
    series = int(np.clip(PUBLISHED_SECONDS / published.seconds, 1, case.series))
    ours, theirs, peaks = [], [], []
    for _ in range(rounds):
        # of the same minute: on a shared machine it changes
        peaks.append(measured_peak(getattr(torch, case.dtype), runner.device))
        ours.append(clocked(lambda: runner.our_run(work), runner.device))
        theirs.append(clocked(lambda: runner.their_run(work.part(series)), runner.device) * case.series / series)
    with sampler_clock() as spent:
        whole = clocked(lambda: runner.our_run(work), runner.device)
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    shares = [our_operations / a / peak for a, peak in zip(ours, peaks, strict=True)]
    their_operations = published.operations * case.series
    their_shares = [their_operations / b / peak for b, peak in zip(theirs, peaks, strict=True)]
    return Outcome(
        case=name,
        ratio=statistics.median(ratios),
        asked=case.asked,
        rounds=[round(ratio, 2) for ratio in ratios],
        ceiling=their_operations / our_operations,
        series_a_second=case.series / statistics.median(ours),
        share_of_peak=statistics.median(shares),
        published_share_of_peak=statistics.median(their_shares),
        sampler_share=spent[0] / whole,
        published_series=series,
        largest_logit_difference=difference,
        accuracy=accuracy(runner, work) if case.dtype == "bfloat16" else None,
    )


def load_published(folder: Path) -> ModuleType:
    """The published package `model` of a checkout."""
    if not (folder / "model" / "kronos.py").is_file():
        raise SystemExit(f"{folder}: no model/kronos.py: name a checkout of the published code")
    sys.path.insert(0, str(folder))
    try:
        importlib.import_module("model.kronos")
    except ModuleNotFoundError as error:
        raise SystemExit(f"the published code needs {error.name}: pip install {error.name}") from error
    return sys.modules["model"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, required=True, help="checkout of the published Kronos code")
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    upstream = load_published(arguments.upstream)
    narrow = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    print(f"torch {torch.__version__}, {arguments.device}, bfloat16 products in hardware: {narrow}")
    outcomes = []
    for name in arguments.case or CASES:
        outcome = measure(name, CASES[name], upstream, arguments.device, arguments.rounds)
        outcomes.append(asdict(outcome))
        same = outcome.largest_logit_difference
        print(
            f"{name:13s} {outcome.ratio:6.1f} times (asked {outcome.asked:g}, ceiling {outcome.ceiling:.1f}); "
            f"{outcome.series_a_second:.1f} series/s, {outcome.share_of_peak:.0%} of peak "
            f"(published {outcome.published_share_of_peak:.0%}), sampler "
            f"{outcome.sampler_share:.1%}; published on {outcome.published_series}; "
            + (f"tokens equal, logits within {same:.1e}" if same is not None else "other numbers, by definition"),
            flush=True,
        )
        if outcome.accuracy:
            near = outcome.accuracy
            print(
                f"{'':13s} bfloat16: {near.equal_tokens:.1%} of first tokens equal, KL {near.divergence:.1e}; "
                f"last close: distance {near.distance:.3f}, of two seeds in float32 {near.distance_of_seeds:.3f}"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(outcomes, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
