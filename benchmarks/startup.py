"""How long does `kq --help` take compared with `python -c "import typer"`?  `python benchmarks/startup.py [--runs 15]`

Each is started in turn, so that a busy moment of the machine meets both; medians are compared. The aim is a ratio of
at most 3.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
HELP = "import sys; sys.argv = ['kq', '--help']; from kq_cli.app import main; main()"
CODES = {
    "python": "pass",
    "import typer": "import typer",
    "kq --help": HELP,
    "import kronos_quant": "import kronos_quant",
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--runs", type=int, default=15)
arguments = parser.parse_args()
environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"}
seconds: dict[str, list[float]] = {name: [] for name in CODES}
for run in range(arguments.runs + 1):
    for name, code in CODES.items():
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
        if run:  # the first fills the disk cache and writes the .pyc files
            seconds[name].append(time.perf_counter() - started)
medians = {name: statistics.median(times) for name, times in seconds.items()}
for name, median in medians.items():
    print(
        f"{name:<20} {1000 * median:6.0f} ms (from {1000 * min(seconds[name]):.0f} to {1000 * max(seconds[name]):.0f})"
    )
print(f"kq --help takes {medians['kq --help'] / medians['import typer']:.2f} times as long as import typer")
