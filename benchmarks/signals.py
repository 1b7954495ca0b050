"""How much of the time of `kq signal` is spent inside the model, and in how much memory.

`python benchmarks/signals.py [--symbols 300] [--sessions 5] [--preset small] [--samples 20] [--threads 2]`

A synthetic market, random weights (the time does not depend on their values), one process. Inside the model is the
time within `PathSampler.sample`; outside it are the plan with its digests, the windows, the scores and the writing. Two
ranges, one four times as long as the other, show whether the memory grows with the range; a second run of each must
call the model 0 times.
"""

import argparse
import logging
import resource
import tempfile
import time
from pathlib import Path

import torch

from kronos_quant.market import SyntheticSpec, make_market, store_bars, workspace_market
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, PathSampler
from kronos_quant.signals import open_source, scorer
from kronos_quant.workspace import init_workspace, open_workspace_folder

LOOKBACK, HORIZON = 90, 10

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--symbols", type=int, default=300)
parser.add_argument("--sessions", type=int, default=5, help="of the short range; the long one has four times as many")
parser.add_argument("--preset", default="small")
parser.add_argument("--samples", type=int, default=20)
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
torch.manual_seed(0)
logging.disable(logging.INFO)
scorer.cores = lambda: 1  # one process: its clock sees the model

spent = calls = 0
inside = PathSampler.sample


def timed(self, *given, **named):
    global spent, calls
    started = time.perf_counter()
    result = inside(self, *given, **named)
    spent, calls = spent + time.perf_counter() - started, calls + 1
    return result


PathSampler.sample = timed


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    init_workspace(root)
    model = root / "models" / "random"
    preset = PRESETS[arguments.preset]
    KronosTokenizer(preset.tokenizer).save_pretrained(model / "tokenizer")
    Kronos(preset.predictor).save_pretrained(model / "predictor")
    recipe = f"model: random\nlookback_window: {LOOKBACK}\nhorizon: {HORIZON}\nsamples: {arguments.samples}\n"
    (root / "signals" / "default.yaml").write_text(recipe)
    wanted = {"strength": 0.2, "symbols": arguments.symbols, "sessions": max(400, 5 * arguments.sessions + LOOKBACK)}
    store_bars(root, make_market(SyntheticSpec.model_validate(wanted)).batch)
    workspace = open_workspace_folder(root)
    source = open_source(workspace, "default", workspace_market(workspace))
    sessions = source.market.sessions()
    print(f"before any model call: {peak_mib():.0f} MiB")
    short, long = sessions[-5 * arguments.sessions : -4 * arguments.sessions], sessions[-4 * arguments.sessions :]
    for dates in (short, long):
        spent = calls = 0
        started = time.perf_counter()
        summary = source.ensure(dates, "cpu")
        took = time.perf_counter() - started
        print(
            f"{len(dates)} sessions, {summary.read(dates[-1:]).height} symbols on the last: {took:.1f} s, "
            f"{spent / took:.1%} inside the model, {calls} model calls, peak {peak_mib():.0f} MiB"
        )
        spent = calls = 0
        started = time.perf_counter()
        source.ensure(dates, "cpu")
        print(f"again: {calls} model calls, {time.perf_counter() - started:.1f} s")
