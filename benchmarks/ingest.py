"""How fast are bars taken in and read?  `python benchmarks/ingest.py [--symbols 800] [--sessions 3500]`

Makes a Qlib directory, then in the same run measures, each in a process of its own: a full ingest of ours (read,
checks, store, snapshot) against pyqlib's `QlibDataLoader.load` of six fields; the training frame from the finished
snapshot against the same load; one universe's panel of 250 sessions against `D.features`; and a window index of
5,000 symbols x 3,500 sessions. Prints seconds, ratios, peak memory and each process's whole processor time (imports
included, which the seconds do not count); the files are in the system's cache for both.

Shapes: T sessions, N symbols.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

FIELDS = ("open", "high", "low", "close", "volume", "amount")
UNIVERSE, UNIVERSE_SIZE, PANEL = "bench300", 300, 250
LOOKBACK, PREDICT, MAX_MISSING = 90, 10, 10
LAST_SESSION = date(2025, 6, 5)

Measure = Callable[[Path, Path, int], dict[str, float]]


def make_directory(folder: Path, symbols: int, sessions: int, seed: int = 0) -> int:
    """Write a Qlib directory of random walks with dividends, suspensions and late listings; return its bytes."""
    from kronos_quant.market.sessions import sessions_before

    rng = np.random.default_rng(seed)
    days = sessions_before("XSHG", LAST_SESSION, sessions)
    for name in ("calendars", "instruments"):
        (folder / name).mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("".join(f"{day}\n" for day in days))
    lines, size = [], 0
    for i in range(symbols):
        symbol = f"SH{600000 + i}" if i % 2 else f"SZ{i:06d}"
        first = int(rng.integers(0, sessions // 2)) if i % 5 == 0 else 0
        lines.append(f"{symbol}\t{days[first]}\t{days[-1]}\n")
        place = folder / "features" / symbol.lower()
        place.mkdir(parents=True)
        for name, values in made_stock(rng, sessions - first).items():
            content = np.concatenate([[first], values]).astype("<f4").tobytes()
            (place / f"{name}.day.bin").write_bytes(content)
            size += len(content)
    (folder / "instruments" / "all.txt").write_text("".join(lines))
    (folder / "instruments" / f"{UNIVERSE}.txt").write_text("".join(lines[:UNIVERSE_SIZE]))
    return size


def made_stock(rng: np.random.Generator, length: int) -> dict[str, np.ndarray]:
    """Seven fields float64[length] of one stock, adjusted as Qlib adjusts; NaN where it is suspended."""
    factor = np.repeat(np.cumprod(rng.uniform(1.0, 1.05, length // 250 + 1)), 250)[:length]
    raw = 20 * np.exp(np.cumsum(0.02 * rng.standard_normal(length)).clip(-3, 3))
    opened = raw * np.exp(0.005 * rng.standard_normal(length))
    reach = 0.01 * np.abs(rng.standard_normal((2, length)))
    high, low = np.maximum(opened, raw) * (1 + reach[0]), np.minimum(opened, raw) * (1 - reach[1])
    volume = 100 * np.exp(8 + 0.5 * rng.standard_normal(length)).round()
    prices = {name: values * factor for name, values in (("open", opened), ("high", high), ("low", low))}
    made = {**prices, "close": raw * factor, "volume": volume / factor, "amount": volume * raw, "factor": factor}
    suspended = rng.random(length) < 0.002
    return {name: np.where(suspended, np.nan, values) for name, values in made.items()}


def timed(work: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def our_ingest(folder: Path, root: Path, _: int) -> dict[str, float]:
    from kronos_quant.market import ingest_qlib

    seconds, report = timed(lambda: ingest_qlib(root, folder, exchange="XSHG"))
    return {"seconds": seconds, "bars": report.bars, "rejected": report.rejected}


def our_frame(folder: Path, root: Path, _: int) -> dict[str, float]:
    from kronos_quant.market import open_market
    from kronos_quant.windows import bar_table

    market = open_market(root)
    seconds, bars = timed(market.bars)
    table_seconds, _table = timed(lambda: bar_table(bars, market.sessions()))
    return {"seconds": seconds, "bars": len(bars), "with_table_seconds": seconds + table_seconds}


def our_panel(folder: Path, root: Path, _: int) -> dict[str, float]:
    from kronos_quant.market import open_market

    market = open_market(root)
    start, end = market.sessions()[-PANEL], market.sessions()[-1]
    seconds, bars = timed(lambda: market.bars(market.members(UNIVERSE, end), start, end))
    return {"seconds": seconds, "bars": len(bars)}


def start_qlib(folder: Path, kernels: int) -> None:
    import qlib

    workers = {"kernels": kernels} if kernels else {}
    qlib.init(provider_uri=str(folder), region="cn", logging_level=logging.ERROR, **workers)


def qlib_load(folder: Path, _: Path, kernels: int) -> dict[str, float]:
    from qlib.data.dataset.loader import QlibDataLoader

    start_qlib(folder, kernels)
    names = [f"${name}" for name in FIELDS]
    loader = QlibDataLoader(config=(names, names))
    seconds, frame = timed(lambda: loader.load("all"))
    return {"seconds": seconds, "bars": len(frame)}


def qlib_panel(folder: Path, _: Path, kernels: int) -> dict[str, float]:
    from qlib.data import D

    start_qlib(folder, kernels)
    days = D.calendar()[-PANEL:]
    names = [f"${name}" for name in FIELDS]
    seconds, frame = timed(lambda: D.features(D.instruments(UNIVERSE), names, days[0], days[-1]))
    return {"seconds": seconds, "bars": len(frame)}


def window_index(_: Path, __: Path, ___: int) -> dict[str, float]:
    """The index over 5,000 x 3,500 bars; values are zeros, for the index does not look at them."""
    from kronos_quant.windows import BarTable, build_index

    N, T = 5000, 3500
    days = np.tile(np.arange("2012-01-01", T, dtype="datetime64[D]"), N)
    table = BarTable(
        symbols=[f"SH{i:06d}" for i in range(N)],
        offset=np.arange(N + 1, dtype=np.int64) * T,
        values=np.zeros((N * T, 6), dtype=np.float32),
        factor=np.ones(N * T, dtype=np.float32),
        stamp=np.zeros((N * T, 5), dtype=np.int16),
        time=days.astype("datetime64[us]"),
        date=days,
        session=np.tile(np.arange(T, dtype=np.int32), N),
        own_session=np.arange(N * T, dtype=np.int32),
        symbol_id=np.repeat(np.arange(N, dtype=np.int32), T),
    )
    seconds, index = timed(lambda: build_index(table, LOOKBACK, PREDICT, MAX_MISSING))
    return {"seconds": seconds, "windows": len(index)}


MEASURES: dict[str, Measure] = {
    measure.__name__: measure for measure in (our_ingest, our_frame, our_panel, qlib_load, qlib_panel, window_index)
}


def in_child(name: str, folder: Path, root: Path, kernels: int = 0) -> dict[str, float]:
    """Run one measure in a fresh process; its result, and its peak memory in `peak_mb`."""
    command = [sys.executable, __file__, "--measure", name, str(folder), str(root), "--kernels", str(kernels)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def cpu_seconds() -> float:
    """Processor time of this process and its children: with other work on the machine it says more than the clock."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb() -> float:
    """Peak memory of this process, and of its largest child."""
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + child) / 1024


def compare(symbols: int, sessions: int, scratch: Path) -> None:
    """Make the data, measure, print."""
    folder, root = scratch / "qlib", scratch / "workspace"
    size = make_directory(folder, symbols, sessions)
    load_average = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{symbols:,} symbols x {sessions:,} sessions, {size / 2**20:,.0f} MB of .bin; {os.cpu_count()} cores")
    print(f"load average at the start (1, 5, 15 minutes): {load_average}", flush=True)
    results = {}
    for label, name, kernels in (
        ("QlibDataLoader.load, kernels=1", "qlib_load", 1),
        ("QlibDataLoader.load, default", "qlib_load", 0),
        ("our full ingest", "our_ingest", 0),
        ("our training frame", "our_frame", 0),
        ("D.features panel, kernels=1", "qlib_panel", 1),
        ("D.features panel, default", "qlib_panel", 0),
        ("our panel", "our_panel", 0),
        ("window index 5,000 x 3,500", "window_index", 0),
    ):
        result = results[label] = in_child(name, folder, root, kernels)
        others = ", ".join(f"{key} {value:,.6g}" for key, value in result.items() if key not in ("seconds", "peak_mb"))
        print(f"{label:<32} {result['seconds']:9.3f} s  peak {result['peak_mb']:7,.0f} MB  {others}", flush=True)
    for ours, theirs, wanted, inverse in (
        ("our full ingest", "QlibDataLoader.load", "at most 1.5", False),
        ("our training frame", "QlibDataLoader.load", "at least 30", True),
        ("our panel", "D.features panel", "at least 20", True),
    ):
        for kernels in ("kernels=1", "default"):
            ratio = results[ours]["seconds"] / results[f"{theirs}, {kernels}"]["seconds"]
            print(f"{ours} against {theirs}, {kernels}: {1 / ratio if inverse else ratio:.2f} ({wanted})")
    table = results["our training frame"]["with_table_seconds"]
    print(f"with the window table, kernels=1: {results['QlibDataLoader.load, kernels=1']['seconds'] / table:.2f}")


def main() -> None:
    """Parse, then compare, or run one measure for `in_child`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=800)
    parser.add_argument("--sessions", type=int, default=3500)
    parser.add_argument("--measure", nargs=3, metavar=("NAME", "QLIB_DIR", "WORKSPACE"), help="used by this file")
    parser.add_argument("--kernels", type=int, default=0, help="used by this file; 0: pyqlib's default")
    arguments = parser.parse_args()
    if arguments.measure:
        name, folder, root = arguments.measure
        result = MEASURES[name](Path(folder), Path(root), arguments.kernels)
        print(json.dumps({**result, "peak_mb": peak_mb(), "process_cpu": cpu_seconds()}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        compare(arguments.symbols, arguments.sessions, Path(scratch))


if __name__ == "__main__":
    main()
