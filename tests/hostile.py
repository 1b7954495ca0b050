"""Hypothesis strategies for what a stranger, a mistake or a damaged disk may give to a command."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from fuzzing import Case
from hypothesis import strategies as st
from pydantic import BaseModel

from kronos_quant.backtest.strategy import Strategy
from kronos_quant.config import WorkspaceConfig
from kronos_quant.config.section import field_names
from kronos_quant.signals.recipe import Recipe

TEXTS = (
    "", " ", "~", "~nobody/x", "*", "b*[1]", "?", "..", "../../x", "/", "//", ".", "-", "--", "-1", "C:\\new",
    "D:/a", "NUL",
    "con.csv", "a\0b", "a\nb", "a\tb", "\x1b[31m", "\u202e", "\ufeff", "中文", "🙂", "ＡＡＡ", "é", "x" * 300,
    "x" * 5000, "nan",
    "inf", "-inf", "1e400", "0x10", "1_000", "=cmd()", "true", "null", "${HOME}", "%s", "{}", "[]", "a.b", "a:b",
    "a/b", "a b",
    "day", "s3://x/y", "http://127.0.0.1:1/x", "/dev/null", "2024-13-45", "0001-01-01", "9999-12-31",
    "2024-06-03T25:00",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 10, 10**6, 10**11, 2**31, 2**63, 10**25, -(10**25), 0.0, -0.0, 0.5, 1e-320, 1e39, 1e300)
BYTES = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b"\r", b",", b'"', b"'", b":", b"- ", b"&a ", b"*a",
    b"!!python/none ",
    b"{" * 60, b"[" * 3000, b"\t", b"%", b"\x1b", b"\x80", b"nan", b"1e999", b"9" * 400, b"\xe4\xb8",
)  # fmt: skip


@cache
def texts() -> st.SearchStrategy[str]:
    """Text, mostly of the kinds that programs stumble over."""
    return st.sampled_from(TEXTS) | st.text(max_size=12)


@cache
def names() -> st.SearchStrategy[str]:
    """What stands for a name on a command line, which holds no NUL and no half characters."""
    return texts().filter(lambda text: "\0" not in text and text.isprintable() | text.isascii()).map(
        lambda text: text.encode("utf-8", "ignore").decode()
    )  # fmt: skip


@cache
def scalars() -> st.SearchStrategy[Any]:
    """Single values of a YAML or JSON file."""
    dates = st.sampled_from((date(1, 1, 1), date(2024, 6, 3), date(9999, 12, 31), datetime(2024, 6, 3, 9, 30)))
    return (
        st.none()
        | st.booleans()
        | st.sampled_from(NUMBERS)
        | st.integers(-3, 200)
        | st.floats()
        | dates
        | texts()
        | st.binary(max_size=4)
    )


@cache
def values() -> st.SearchStrategy[Any]:
    """Values of a YAML or JSON file."""
    return st.recursive(
        scalars(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3), max_leaves=5
    )


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with up to three places cut, doubled, overwritten or grown."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from((0, 1, 2, 8, 100, 10**6))))
        kind = draw(st.sampled_from(("cut", "doubled", "bytes", "junk")))
        middle = {"cut": b"", "doubled": content[start:end] * 2}.get(kind)
        if middle is None:
            middle = draw(st.sampled_from(BYTES)) if kind == "bytes" else draw(st.binary(max_size=8))
        content = content[:start] + middle + content[end:]
    return content


@st.composite
def settings_of(draw: st.DrawFn, model: type[BaseModel]) -> dict[str, Any]:
    """Some fields of a model, by any of their names, with any values."""
    fields = {each: field.annotation for name, field in model.model_fields.items() for each in field_names(model, name)}
    drawn: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(sorted(fields)) | texts())
        inner = fields.get(name)
        nested = isinstance(inner, type) and issubclass(inner, BaseModel) and draw(st.booleans())
        drawn[name] = draw(settings_of(inner)) if nested else draw(values())
    return drawn


@st.composite
def yaml_files(draw: st.DrawFn, model: type[BaseModel], usual: dict[str, Any]) -> bytes:
    """A YAML file with usual settings, some wrong ones, and sometimes damage."""
    data = (usual if draw(st.booleans()) else {}) | draw(settings_of(model))
    flow = draw(st.sampled_from((False, None, True)))
    text = yaml.safe_dump(data, allow_unicode=draw(st.booleans()), default_flow_style=flow, sort_keys=False)
    content = text.encode("utf-8", "surrogatepass")
    return draw(damaged(content)) if draw(st.integers(0, 3)) == 0 else content


@st.composite
def csv_files(draw: st.DrawFn, usual: pl.DataFrame) -> bytes:
    """A CSV file of a table, with wrong columns, cells and rows, and sometimes damage."""
    header, *rows = [line.split(",") for line in usual.write_csv().splitlines()]
    table = [header, *rows[: draw(st.integers(0, len(rows)))]]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(("cell", "column", "row", "doubled", "header", "short")))
        at = draw(st.integers(0, len(table) - 1))
        row = table[at]
        place = draw(st.integers(0, max(0, len(row) - 1)))
        if kind == "cell" and row:
            row[place] = draw(texts() | st.sampled_from(NUMBERS).map(str))
        elif kind == "column":
            table = [[*each[:place], *each[place + 1 :]] for each in table]
        elif kind == "row" and at:
            del table[at]
        elif kind == "doubled":
            table.insert(at, list(row))
        elif kind == "header" and table[0]:
            table[0][min(place, len(table[0]) - 1)] = draw(st.sampled_from((*header, *TEXTS)))
        elif kind == "short":
            table[at] = row[:place]
    separator = draw(st.sampled_from((",", ",", ",", ";", "\t")))
    text = draw(st.sampled_from(("\n", "\r\n"))).join(separator.join(row) for row in table)
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-16", "gb18030")))
    content = text.encode(encoding, "ignore")
    return draw(damaged(content)) if draw(st.integers(0, 3)) == 0 else content


KINDS = (
    pl.Int8, pl.UInt64, pl.Float32, pl.Float64, pl.String, pl.Boolean, pl.Date, pl.Datetime("ns"),
    pl.Datetime("ms", "UTC"),
    pl.Binary, pl.Categorical, pl.Null, pl.Decimal(10, 2), pl.Duration("us"), pl.Time,
)  # fmt: skip


@st.composite
def parquet_files(draw: st.DrawFn, usual: pl.DataFrame) -> bytes:
    """A Parquet file of a table, with columns of other kinds, names and values, and sometimes damage."""
    frame = usual.head(draw(st.integers(0, usual.height)))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(frame.columns)) if frame.columns else None
        kind = draw(st.sampled_from(("cast", "drop", "rename", "null", "list", "struct", "value", "add")))
        if kind == "add" or name is None:
            added = pl.Series(draw(texts()).replace("\0", ""), [draw(st.sampled_from((1.0, "x", None)))] * frame.height)
            frame = frame.with_columns(added)
        elif kind == "cast":
            frame = cast(frame, name, draw(st.sampled_from(KINDS)))
        elif kind == "drop":
            frame = frame.drop(name)
        elif kind == "rename":
            new = draw(texts() | st.sampled_from(frame.columns))
            frame = frame.rename({name: new}) if new not in frame.columns else frame
        elif kind == "value":
            value = draw(st.sampled_from((*NUMBERS[:10], *NUMBERS[12:], float("nan"), float("inf"), *TEXTS[:30])))
            changed = pl.Series([value] * frame.height, dtype=pl.String if isinstance(value, str) else pl.Float64)
            frame = frame.with_columns(changed.alias(name))
        else:
            shapes = {"null": pl.lit(None), "list": pl.concat_list(name), "struct": pl.struct(name)}
            frame = frame.with_columns(shapes[kind].alias(name))
    written = io.BytesIO()
    frame.write_parquet(written)
    return draw(damaged(written.getvalue())) if draw(st.integers(0, 2)) == 0 else written.getvalue()


def cast(frame: pl.DataFrame, name: str, kind: Any) -> pl.DataFrame:
    """A column in another kind, where Polars knows how."""
    try:
        return frame.with_columns(pl.col(name).cast(kind, strict=False))
    except pl.exceptions.PolarsError:
        return frame


@st.composite
def folders(draw: st.DrawFn, usual: dict[str, bytes], to: str) -> dict[str, bytes]:
    """A folder's files, some damaged, missing, empty or beside others of odd names."""
    files = dict(usual)
    for name in draw(st.lists(st.sampled_from(sorted(files)), max_size=3, unique=True)):
        kind = draw(st.sampled_from(("damaged", "missing", "empty", "moved", "other")))
        content = files.pop(name)
        if kind == "damaged":
            files[name] = draw(damaged(content))
        elif kind == "empty":
            files[name] = b""
        elif kind == "moved":
            files[name.replace("/", draw(st.sampled_from(("/x/", "/.", "/a[b]", "/中"))), 1)] = content
        elif kind == "other":
            files[name] = draw(st.sampled_from(sorted(usual.values())))
    return {f"{to}/{name}": content for name, content in files.items()}


@st.composite
def checkpoints(draw: st.DrawFn, usual: dict[str, bytes], to: str) -> dict[str, bytes]:
    """A model's folder, with other values in config.json, another header of the weights, or damaged files."""
    files = dict(usual)
    for name in draw(st.lists(st.sampled_from(sorted(files)), max_size=2, unique=True)):
        if name.endswith(".json"):
            held = json.loads(files[name])
            keys = st.sampled_from(sorted(held)) | texts()
            held |= draw(st.dictionaries(keys, values().filter(_is_json), min_size=1, max_size=3))
            files[name] = json.dumps(held).encode()
        else:
            length = struct.unpack("<Q", files[name][:8])[0]
            header, rest = files[name][8 : 8 + length], files[name][8 + length :]
            header = draw(damaged(header))
            stated = draw(st.sampled_from((len(header), len(header), 0, 2**40, 2**64 - 1)))
            files[name] = struct.pack("<Q", stated) + header + rest
    return draw(folders(files, to))


def _is_json(value: Any) -> bool:
    try:
        return bool(json.dumps(value))
    except (TypeError, ValueError):
        return False


@st.composite
def environments(draw: st.DrawFn) -> dict[str, str]:
    """Variables KQ_*, of known fields and others."""
    known = [
        f"KQ_{section}__{name}".upper()
        for section, field in WorkspaceConfig.model_fields.items()
        for name in field.annotation.model_fields  # type: ignore[union-attr]
    ]
    sections = [f"KQ_{section}".upper() for section in WorkspaceConfig.model_fields]
    other = (
        "KQ_",
        "KQ__",
        "KQ_TRAIN__",
        "KQ_TRAIN__X",
        "KQ_X__Y",
        "KQ_TRAIN__ADAPT__LORA",
        "KQ_DEBUGS",
        "KQ_MODEL__PRESET__X",
    )
    keys = st.sampled_from((*known, *sections, *other))
    words = names() | values().filter(_is_json).map(json.dumps)
    return draw(st.dictionaries(keys, words.filter(lambda text: "\0" not in text), min_size=1, max_size=3))


class Material:
    """Whole inputs, which the doors change: tables, a Qlib directory, a pair of networks."""

    def __init__(self, workspace: Path, qlib: Path, pair: Path) -> None:
        from kronos_quant.market import open_market

        bars = open_market(workspace).bars()
        named = bars.filter(pl.col("symbol").is_in(["MADE0001", "MADE0002"])).sort("time", "symbol")
        self.bars = named.tail(40).select(
            timestamps=pl.col("date"), symbol="symbol", open="open", high="high", low="low", close="close",
            volume="volume",
            amount="amount",
        )  # fmt: skip
        self.scores = named.tail(20).select("date", "symbol", score=pl.col("close").cast(pl.Float64) % 1)
        days = named["date"].unique().sort()
        self.intervals = pl.DataFrame(
            {"symbol": ["MADE0001", "MADE0002"], "start": [days[0], days[3]], "end": [None, days[9]]}
        )
        self.last = str(days[-1])
        self.qlib, self.pair = contents(qlib), contents(pair)


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


Doors = dict[str, st.SearchStrategy[Case]]


def with_file(
    name: str, content: st.SearchStrategy[bytes], commands: Sequence[tuple[str, ...]]
) -> st.SearchStrategy[Case]:
    """One made file, which errors of the commands name."""
    made = st.tuples(st.sampled_from(list(commands)), content)
    return made.map(lambda drawn: Case(drawn[0], {name: drawn[1]}, named=name.rpartition("/")[2]))


def with_folder(
    files: Callable[[dict[str, bytes], str], st.SearchStrategy[dict[str, bytes]]],
    usual: dict[str, bytes],
    commands: Sequence[tuple[str, ...]],
) -> st.SearchStrategy[Case]:
    """A made folder `made`."""
    return st.tuples(st.sampled_from(list(commands)), files(usual, "made")).map(lambda drawn: Case(drawn[0], drawn[1]))


def name_lines(last: str) -> st.SearchStrategy[Case]:
    """Command lines with any names, dates and numbers in their places."""
    lines = (
        "history _", "history _ --since _", "universe _", "universe all --date _", "signal show _",
        "signal show mine --date _",
        "signal show mine --top _", "signal diff mine _", "signal list", "compare _", "model show _",
        "export bars _",
        "export bars out.parquet --symbols _", "export bars out --format _", "export bars out.csv --freq _",
        "export bars out.parquet --start _ --end _", "signal export _ --recipe mine",
        "signal export out.csv --recipe _",
        "ingest csv _", "ingest csv bars.csv --symbol _ --exchange XNYS", "ingest csv bars.csv --exchange _",
        "ingest csv bars.csv --labels _", "ingest csv bars.csv --amount _", "ingest table _", "ingest qlib _",
        "ingest universe _ list.csv",
        "ingest intervals _ list.csv", "ingest synthetic --symbols _", "signal import scores.csv --name _",
        "signal import scores.csv --name new --score _", "signal import scores.csv --name new --horizon _",
        "signal import _ --name new",
        "backtest _", "snapshot prune --keep _", "config show _", "config fields _", "check --html _",
        "check --checks _", "model add _",
        "model add pair --name _", "sweep strategies/own.yaml --grid _", "signal prune --older-than _",
    )  # fmt: skip

    def fill(drawn: tuple[str, list[str]]) -> Case:
        line, given = drawn
        rest = iter(given)
        return Case(tuple(next(rest) if word == "_" else word for word in line.split()))

    number = st.sampled_from(NUMBERS).map(str)
    grid = st.tuples(st.sampled_from(("topk", "n_drop", "costs.x", "account", "")), names()).map("=".join)
    return st.tuples(
        st.sampled_from(lines), st.lists(names() | number | grid | st.just(last), min_size=2, max_size=2)
    ).map(fill)


def doors(material: Material) -> Doors:
    """Every way into a workspace -> cases that come through it."""
    usual_strategy = {"scores_file": "scores.csv", "topk": 4, "n_drop": 1, "account": 1_000_000}
    usual_config = {"market": {"exchange": "XNYS"}, "model": {"base": "scratch", "preset": "nano"}}
    readers = [
        ("config", "show"),
        ("signal", "list"),
        ("snapshot", "list"),
        ("universe", "all"),
        ("history", "MADE0001"),
    ]
    tables = [
        ("ingest", "table", "made.parquet", *more) for more in ((), ("--symbol", "MADE0001"), ("--exchange", "XNYS"))
    ]
    return {
        "configuration": with_file("kq.yaml", yaml_files(WorkspaceConfig, usual_config), readers),
        "recipe": with_file(
            "signals/made.yaml",
            yaml_files(Recipe, {"samples": 2, "horizon": 2}),
            [("signal", "show", "made"), ("signal", "diff", "mine", "made"), ("evaluate", "made",
            "--no-zero-shot")],
        ),
        "strategy": with_file(
            "strategies/made.yaml", yaml_files(Strategy, usual_strategy), [("backtest", "strategies/made.yaml")]
        ),
        "bars": with_file(
            "made.csv",
            csv_files(material.bars),
            [("ingest", "csv", "made.csv"), ("ingest", "csv", "made.csv", "--symbol", "MADE0001", "--exchange",
            "XNYS")],
        ),
        "lists": with_file(
            "made.csv",
            csv_files(material.intervals),
            [("ingest", "universe", "mine", "made.csv"), *(("ingest", "intervals", kind,
            "made.csv") for kind in ("st", "listing", "industry")), ("ingest", "calendar", "made.csv")],
        ),
        "scores": with_file("made.csv", csv_files(material.scores), [("signal", "import", "made.csv", "--name",
        "made")]),
        "bars_parquet": with_file("made.parquet", parquet_files(material.bars), tables),
        "scores_parquet": with_file(
            "made.parquet", parquet_files(material.scores), [("signal", "import", "made.parquet", "--name",
            "made")]
        ),
        "qlib": with_folder(folders, material.qlib, [("ingest", "qlib", "made"), ("ingest", "qlib", "made",
        "--exchange", "XNYS")]),
        "checkpoint": with_folder(
            checkpoints, material.pair, [("model", "add", "made"), ("model", "show", "made"), ("model", "add",
            "made", "--name", "new")]
        ),
        "environment": environments().map(lambda drawn: Case(("config", "show"), {}, drawn)),
        "names": name_lines(material.last),
    }  # fmt: skip
