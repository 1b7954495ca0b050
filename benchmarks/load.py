"""How much processor time do the listing commands take in a large workspace?  `python benchmarks/load.py [FOLDER]`

Makes, in FOLDER (default: a temporary one; kept and used again where it is there), a market of 5,000 symbols x 3,500
sessions written straight as a snapshot, 5,000 runs of five kinds and 100,000 trials in the ledger, and a store of
2,000 dates of two recipes. Then runs each command in a process of its own and prints its processor seconds, those
beside the imports. The imports are measured by a process that only imports what the command had
imported at its end. `kq signal list` comes twice: the first compares the store with the bars, the second recalls it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[1]
KINDS = ("train", "signal", "backtest", "evaluate", "sweep")
LOOKBACK, HORIZON = 90, 10
MODULES = """
import sys, json
from kq_cli.app import main
sys.argv[0] = "kq"
try:
    main()
finally:
    print("MODULES " + json.dumps([name for name in sys.modules if not name.startswith("__")]), file=sys.stderr)
"""
IMPORTS = """
import importlib, json, sys
for name in json.load(open(sys.argv[1])):
    try:
        importlib.import_module(name)
    except Exception:
        pass
"""


def make_runs(root: Path, count: int, snapshot: str) -> None:
    """Runs of five kinds with the manifest of today's code, a minute apart; each back-test with returns."""
    from kronos_quant.files import to_json
    from kronos_quant.runs.manifest import Inputs, new_manifest

    base = new_manifest("", "", Inputs(snapshot, "0" * 64, {"train": 1})) | {"status": "finished", "process": None}
    first, rng = datetime(2025, 1, 1, tzinfo=UTC), np.random.default_rng(0)
    daily = pl.DataFrame({"date": [date(2024, 1, 1) + timedelta(days=day) for day in range(250)]})
    for i in range(count):
        began, kind = first + timedelta(minutes=i), KINDS[i % len(KINDS)]
        run_id = f"{began:%Y%m%d-%H%M%S}000-{i:04x}"
        folder = root / "runs" / kind / run_id
        folder.mkdir(parents=True)
        stamp = began.isoformat(timespec="seconds")
        own = {"kind": kind, "id": run_id, "started": stamp, "finished": stamp}
        (folder / "manifest.json").write_text(to_json(base | own) + "\n")
        (folder / "metrics.json").write_text('{"sharpe_ratio": 0.5}\n')
        if kind == "backtest":
            (folder / "config.yaml").write_text(f"strategy: {{topk: {i}}}\n")
            daily.with_columns(pl.Series("return", 0.01 * rng.standard_normal(daily.height))).write_parquet(
                folder / "returns.parquet"
            )


def make_trials(root: Path, count: int, batch: int = 50) -> None:
    """A ledger of `count` trials of 250 sessions, `batch` of them a file."""
    from kronos_quant.validity.trials import TrialRow, record_trials

    rng = np.random.default_rng(0)
    dates = [date(2024, 1, 1) + timedelta(days=day) for day in range(250)]
    for start in range(0, count, batch):
        returns = 0.01 * rng.standard_normal((batch, len(dates)))
        rows = [TrialRow(f"{start + i:064x}", "{}", returns[i], returns[i]) for i in range(batch)]
        record_trials(root / "runs", "sweep/load", "0" * 64, "0" * 64, dates, rows)


def make_market(root: Path, symbols: int, sessions: int) -> None:
    """A snapshot of random walks, written as `publish` writes one; a small ingest gives the rest of its files."""
    import pyarrow.parquet as pq

    from kronos_quant import schema
    from kronos_quant.market import SyntheticSpec, store_bars
    from kronos_quant.market import make_market as make_small
    from kronos_quant.market.sessions import sessions_before

    store_bars(root, make_small(SyntheticSpec(symbols=5, sessions=60)).batch)
    folder = root / "db" / "snapshots" / (root / "db" / "snapshots" / "CURRENT").read_text().strip()
    names = [f"LOAD{i:04d}" for i in range(symbols)]
    days = sessions_before("XNYS", date(2025, 6, 5), sessions)
    rng = np.random.default_rng(0)
    with_types = pl.DataFrame(schema=schema.BARS).to_arrow().schema
    times = np.array(days, dtype="datetime64[D]")
    with pq.ParquetWriter(folder / "bars.day.parquet", with_types, compression="lz4") as writer:
        for start in range(0, symbols, 50):
            part = names[start : start + 50]
            shape = (len(part), sessions)
            close = 20 * np.exp(np.cumsum(0.02 * rng.standard_normal(shape), axis=1).clip(-3, 3)).ravel()
            opened = close * np.exp(0.005 * rng.standard_normal(close.size))
            volume = np.exp(10 + rng.standard_normal(close.size)).round()
            columns = {
                "symbol": np.repeat(part, sessions),
                "date": np.tile(times, len(part)),
                "time": np.tile(times.astype("datetime64[us]"), len(part)),
                "open": opened,
                "high": np.maximum(opened, close) * 1.01,
                "low": np.minimum(opened, close) * 0.99,
                "close": close,
                "volume": volume,
                "amount": volume * close,
                "factor": np.ones(close.size),
            }
            frame = pl.DataFrame(columns).select(list(schema.BARS)).cast(schema.BARS)
            writer.write_table(frame.to_arrow().cast(with_types), row_group_size=1 << 18)
    pl.DataFrame({"date": days}).write_parquet(folder / "sessions.day.parquet")
    old = pl.read_parquet(folder / "instruments.parquet")
    rows = {"symbol": names, "first_date": days[0], "last_date": days[-1], "exchange": "XNYS", "kind": "stock"}
    others = old.head(1).select(name for name in old.columns if name not in rows)
    instruments = pl.DataFrame(rows).join(others, how="cross").select(old.columns)
    instruments.cast(dict(old.schema)).write_parquet(folder / "instruments.parquet")
    meta = json.loads((folder / "meta.json").read_text())
    span = {"sessions": sessions, "bars": symbols * sessions, "symbols": symbols}
    meta["freqs"]["day"] |= span | {"first": str(days[0]), "last": str(days[-1])}
    (folder / "meta.json").write_text(json.dumps(meta))


def make_store(root: Path, dates: int) -> None:
    """Two recipes of random weights with rows of a few symbols on each date, whole and of today's bars."""
    from kronos_quant.market import workspace_market
    from kronos_quant.model import PRESETS, Kronos, KronosTokenizer
    from kronos_quant.signals import open_source
    from kronos_quant.signals.generate import make_plan
    from kronos_quant.signals.scores import score_paths
    from kronos_quant.workspace import open_workspace_folder

    preset, model = PRESETS["nano"], root / "models" / "random"
    KronosTokenizer(preset.tokenizer).save_pretrained(model / "tokenizer")
    Kronos(preset.predictor).save_pretrained(model / "predictor")
    for path in (root / "signals").glob("*.yaml"):
        path.unlink()
    workspace = open_workspace_folder(root)
    market = workspace_market(workspace)
    plan = None
    for name, samples in (("default", 20), ("other", 40)):
        text = f"model: random\nlookback_window: {LOOKBACK}\nhorizon: {HORIZON}\nsamples: {samples}\n"
        (root / "signals" / f"{name}.yaml").write_text(text)
        source = open_source(workspace, name, market)
        plan = plan or make_plan(market, source.recipe, source.store, market.sessions()[-dates:])
        paths = np.random.default_rng(0).uniform(90, 110, (20, samples, HORIZON))
        scores = score_paths(paths, np.full(20, 100.0))
        for work in plan.missing:
            keys = {"date": work.on, "asof": datetime.combine(work.on, datetime.min.time())}
            rows = pl.DataFrame({"symbol": [f"LOAD{i:04d}" for i in range(20)]}).with_columns(
                *(pl.lit(value).alias(column) for column, value in keys.items())
            )
            source.store.write(work.on, pl.concat([rows, scores], how="horizontal"), work.seen)


def spent(arguments: list[str], folder: Path) -> tuple[float, str, int]:
    """Processor seconds, what it wrote to stderr, and the exit code."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}"}
    child = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    text = child.stderr.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, text, child.returncode


def measure(root: Path, command: str, runs: int) -> None:
    """Print a command's processor time, the part of it that is not imports."""
    whole, imports = [], []
    with tempfile.TemporaryDirectory() as scratch:
        names = Path(scratch) / "names.json"
        for _ in range(runs):
            seconds, text, code = spent(["-c", MODULES, *command.split()], root)
            names.write_text(text.rpartition("MODULES ")[2])
            whole.append(seconds)
            imports.append(spent(["-c", IMPORTS, str(names)], root)[0])
    beside = statistics.median(a - b for a, b in zip(whole, imports, strict=True))
    print(
        f"kq {command:<60} {statistics.median(whole):6.2f} s, beside imports {beside:6.2f} s, exit {code}", flush=True
    )


COMMANDS = (
    "signal list", "signal list", "signal show default", "signal prune", "doctor", "runs", "compare {one} {two}",
    "model list", "snapshot list", "snapshot prune", "universe", "history LOAD0000", "config show",
)  # fmt: skip


def main() -> None:
    """Parse, make the load where it is not there, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--symbols", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=3500)
    parser.add_argument("--dates", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.folder or Path(scratch) / "load"
        if not (root / "kq.yaml").is_file():
            make_load(root, arguments)
        backtests = sorted(path.name for path in (root / "runs" / "backtest").glob("[0-9]*"))
        for command in COMMANDS:
            measure(root, command.format(one=backtests[-1], two=backtests[-2]), arguments.repeats)


def make_load(root: Path, sizes: argparse.Namespace) -> None:
    """Make the workspace."""
    from kronos_quant.workspace import init_workspace

    init_workspace(root, "market:\n  exchange: XNYS\n")
    make_market(root, sizes.symbols, sizes.sessions)
    make_runs(root, sizes.runs, "0" * 64)
    make_trials(root, sizes.trials)
    make_store(root, sizes.dates)


if __name__ == "__main__":
    main()
