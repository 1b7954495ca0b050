"""`kq export`: bars for other programs."""

import json
from datetime import date

import polars as pl
import pytest

from kronos_quant.market import ingest_synthetic, open_market


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with a made market of five stocks and 60 sessions."""
    root = tmp_path_factory.mktemp("made")
    (root / "kq.yaml").write_text("{}\n")
    ingest_synthetic(root, symbols=5, sessions=60)
    return root


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_bars_are_exported_as_parquet_by_default(kq, made, out):
    done = kq(made, "export", "bars", str(out))
    assert done.code == 0, done.err
    assert done.out.startswith(f"{out}: ")
    assert pl.read_parquet(out).equals(open_market(made).bars())


def test_symbols_dates_and_format_are_options(kq, made, out):
    first = open_market(made).sessions()[10]
    arguments = ("--format", "csv", "--symbols", "MADE0000,MADE0002", "--start", str(first), "--json")
    done = kq(made, "export", "bars", str(out), *arguments)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["format"], told["symbols"]) == ("csv", 2)
    assert date.fromisoformat(told["first"]) >= first
    assert sorted(path.name for path in out.iterdir()) == ["MADE0000.csv", "MADE0002.csv"]


def test_an_exported_qlib_directory_is_ingested_again(kq, made, out, tmp_path):
    assert kq(made, "export", "bars", str(out), "--format", "qlib").code == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "kq.yaml").write_text("{}\n")
    done = kq(other, "ingest", "qlib", str(out), "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["rejected"] == 0
    assert open_market(other).bars().equals(open_market(made).bars())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--format", "xlsx"), 2, "format: expected parquet, csv, qlib, found 'xlsx'"),
        (("--symbols", "NOBODY"), 3, "unknown symbol 'NOBODY': not among the 6 in the market"),
        (("--freq", "5min"), 3, "no 5min bars (stored: day)"),
    ],
)
def test_what_cannot_be_exported_is_told_and_nothing_is_written(kq, made, out, arguments, code, message):
    told, error, _ = kq(made, "export", "bars", str(out), *arguments).refusal()
    assert told == code
    assert message in error
    assert not out.exists()


def test_an_existing_place_is_never_written_to(kq, made, out):
    out.write_text("mine")
    code, error, hint = kq(made, "export", "bars", str(out)).refusal()
    assert (code, hint) == (2, "Choose another path.")
    assert error == f"{out}: exists; an export never overwrites"
    assert out.read_text() == "mine"


def test_the_format_follows_the_ending_of_the_name(kq, made, tmp_path):
    assert kq(made, "export", "bars", str(tmp_path / "bars.CSV")).out.endswith(", as csv\n")
    assert pl.read_csv(tmp_path / "bars.CSV").height == open_market(made).bars().height
    assert kq(made, "export", "bars", str(tmp_path / "bars.parquet")).out.endswith(", as parquet\n")
    for name, arguments in (
        ("bars.xlsx", ()),
        ("b.csv", ("--format", "parquet")),
        ("b.parquet", ("--format", "csv")),
        ("b.csv", ("--format", "qlib")),
    ):
        code, error, _ = kq(made, "export", "bars", str(tmp_path / name), *arguments).refusal()
        assert code == 2
        assert str(tmp_path / name) in error
    assert {path.name for path in tmp_path.iterdir()} == {"bars.CSV", "bars.parquet"}
