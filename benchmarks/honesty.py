"""Does the demo cry wolf?  `python benchmarks/honesty.py [--strength 0] [--seeds 20]`

Each seed makes its own market and its own training, as `kq demo` does (without the back-test), and prints the t of the
signal's rank IC on unseen dates. With strength 0 a correct program is beyond 2 standard errors in about 6% of the
seeds, and the mean of the t is about 0.
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path

from kronos_quant.evaluation.synthetic import measure_edge
from kronos_quant.workflows.demo import make_workspace
from kronos_quant.workflows.train import run_training

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--strength", type=float, default=0.0)
parser.add_argument("--seeds", type=int, default=20)
arguments = parser.parse_args()
logging.disable(logging.INFO)
found = []
started = time.perf_counter()
for seed in range(arguments.seeds):
    with tempfile.TemporaryDirectory() as folder:
        workspace, made = make_workspace(Path(folder), arguments.strength, seed)
        run_training(workspace, gpus=0)
        finding = measure_edge(workspace, made, arguments.strength)
    found.append(finding)
    print(f"seed {seed:2d}: rank IC {finding.ic}, oracle {finding.oracle}, captured {finding.captured:.2f}", flush=True)
ts = [finding.ic.t for finding in found]
within = sum(abs(t) <= 2 for t in ts)
print(f"strength {arguments.strength:g}: {within} of {len(ts)} within 2 standard errors")
print(f"mean t {statistics.mean(ts):+.2f}")
print(f"{(time.perf_counter() - started) / len(ts):.0f} s a seed")
