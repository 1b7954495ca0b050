"""Every file that the commands leave in a workspace is described, and nothing is described that no command writes."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from made import ROOT

from kronos_quant.schema import Figure, JsonFile, documents, flatten, table, table_at, tables

TRAIN = """
  state_every_steps: 1000
  head: {dates: 10, epochs: 1}
"""
EXPORTS = {
    "exports/signals.parquet": "signals.export",
    "exports/signals.csv": "signals.export",
    "exports/qlib.parquet": "signals.qlib",
    "exports/bars.parquet": "export.bars",
    "exports/bars.csv": "export.csv",
}
SOURCES = {"alpha.csv", "industry.csv"}
"""What the test itself puts there."""


def run_everything(folder: Path) -> None:
    """One of each command that leaves a file, on a market of 12 stocks."""
    import kronos_quant as kq
    from kronos_quant.market import export_bars
    from kronos_quant.workflows.backtest import run_backtest
    from kronos_quant.workflows.signal_store import export_signals

    config = folder / "kq.yaml"
    config.write_text(config.read_text() + TRAIN.lstrip("\n"))
    (folder / "signals" / "default.yaml").write_text("samples: 4\nhorizon: 3\npaths: true\n")
    (folder / "exports").mkdir()
    workspace = kq.open(folder)
    bars = workspace.bars()
    symbols = bars["symbol"].unique().sort()
    industries = pl.DataFrame({"symbol": symbols, "start": "2020-01-01", "end": "", "value": ["A", "B"] * 6 + ["A"]})
    industries.write_csv(folder / "industry.csv")
    workspace.ingest_intervals("industry", folder / "industry.csv")
    ex_date = bars["date"].unique().sort()[-5]
    workspace.ingest_dividends(pl.DataFrame({"symbol": symbols}).with_columns(ex_date=ex_date, cash=0.1))
    workspace.train(0)
    days = bars["date"].unique().sort()
    workspace.signals(start=days[-35], end=days[-1])
    scores = bars.filter(pl.col("date") >= days[-40]).select("date", "symbol", score="close", q05=-0.02, q95=0.02)
    scores.write_csv(folder / "alpha.csv")
    workspace.import_signals(folder / "alpha.csv", "mine", horizon=3)
    (folder / "strategies" / "short.yaml").write_text("recipe: mine\nstrategy: long_short_quantile\nevery: 5\n")
    runs = [run_backtest(workspace.folder, name, page=False) for name in ("topk", "short")]
    workspace.compare(*runs)
    workspace.evaluate("default")
    workspace.forecast(symbols[0], horizon=2)
    workspace.sweep("topk", ["topk=3,4"])
    for name in ("signals.parquet", "signals.csv"):
        export_signals(workspace.folder, folder / "exports" / name, file_format=name.split(".")[1])
    export_signals(workspace.folder, folder / "exports" / "qlib.parquet", file_format="qlib")
    for name in ("bars.parquet", "bars.csv"):
        export_bars(workspace.market(), folder / "exports" / name, name.split(".")[1])


@pytest.fixture(scope="module")
def used_folder(shared_folder, market_folder) -> Path:
    def make(folder: Path) -> None:
        shutil.copytree(market_folder, folder, dirs_exist_ok=True)
        run_everything(folder)

    return shared_folder("used", make)


def files_of(folder: Path, *endings: str) -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    # JSON Schemas describe themselves, and signals/.seen is of the program alone
    skipped = {*SOURCES, *(name for name in found if name.startswith((".kq/schemas/", "signals/.seen/")))}
    return {name: path for name, path in found.items() if path.suffix in endings and name not in skipped}


def has_below(described: JsonFile, keys: tuple[str, ...]) -> bool:
    """Whether there are figures below a key: it may hold null, {} or [] where they do not apply."""
    longer = (figure.key.split(".") for figure in described.figures if figure.key.count(".") >= len(keys))
    return any(Figure(key=".".join(parts[: len(keys)]), meaning="").describes(keys) for parts in longer)


def written(word: str) -> bool:
    """Whether the program has this name as a text, a field or a column."""
    return any(f'"{word}"' in text or f" {word}:" in text for text in SOURCE)


SOURCE = [path.read_text(encoding="utf-8") for path in (ROOT / "kronos_quant").rglob("*.py")]
STATEMENTS = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "db").rglob("*.sql"))


def test_every_parquet_and_csv_file_is_what_its_table_says(used_folder):
    seen = set()
    for name, path in files_of(used_folder, ".parquet", ".csv").items():
        described = table(EXPORTS[name]) if name in EXPORTS else table_at(name)
        assert described is not None, name
        if path.suffix == ".parquet":
            described.check(pl.Schema(pl.read_parquet_schema(path)))
        columns = pl.scan_csv(path).collect_schema().names() if path.suffix == ".csv" else pl.read_parquet_schema(path)
        found = {column: described.column(column) for column in columns}
        assert None not in found.values(), (name, found)
        seen |= {(described.name, column.name) for column in found.values()}
    names = {one.name for one in tables()}
    assert names - {name for name, _ in seen} == {"backtest.bars"}  # of intraday bars: tests/workflows/test_intraday.py
    for one in tables():
        for column in one.columns:
            if (one.name, column.name) not in seen and not column.is_pattern:
                assert written(column.name) or column.name in STATEMENTS, (one.name, column.name)


def test_every_key_of_every_json_file_has_its_figure(used_folder):
    seen, undescribed = set(), {}
    for name, path in files_of(used_folder, ".json", ".jsonl").items():
        fitting = [one for one in documents() if one.holds(name)]
        assert fitting, name
        described = min(fitting, key=lambda one: one.file.count("<"))
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        for keys, value in (pair for line in lines for pair in flatten(json.loads(line))):
            figure = described.figure(keys)
            if figure is not None:
                seen.add((described.name, figure.key))
            elif not (value in (None, {}, []) and has_below(described, keys)):
                undescribed[described.name, ".".join(keys)] = value
    assert undescribed == {}
    for one in documents():
        for figure in one.figures:
            last = next((part for part in reversed(figure.key.split(".")) if part.isidentifier()), "")
            if (one.name, figure.key) not in seen:
                assert written(last), f"{one.name}: nothing writes {figure.key}"
