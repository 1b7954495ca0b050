"""Check files are data from somebody: what they may be called, what they may do, and what they cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from made import ROOT

from kronos_quant.check_sql import offending_rows, open_isolated
from kronos_quant.errors import DataError
from kronos_quant.files import asset_dir
from kronos_quant.market import BarBatch, open_market, store_bars
from kronos_quant.market.quality.check_tables import CheckContext, number_rows
from kronos_quant.market.quality.checks import (
    REJECTED,
    REJECTED_FILE,
    Check,
    all_checks,
    iter_checks,
    offenders,
    read_rejected,
    screen,
)
from kronos_quant.market.store import tidy_bars

ERRORS = [one for one in iter_checks() if one.severity == "error"]
TABLE = pl.DataFrame({"row": [0, 1, 2, 3], "close": [1.0, 2.0, 3.0, 4.0]})

BatchMaker = Callable[..., BarBatch]
SPAN = dict.fromkeys(range(1, 6), 10.0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory with one file in it, which nobody reads and nothing joins."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "secret.csv").write_text("row\n1\n")
    monkeypatch.chdir(folder)
    yield folder
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]
    assert (folder / "secret.csv").read_text() == "row\n1\n"


def run(sql: str) -> list[int]:
    with open_isolated({"incoming": TABLE.to_arrow()}, {}) as connection:
        rows: list[int] = offending_rows(connection, "db/checks/mine.sql", sql, len(TABLE)).tolist()
    return rows


def write(folder: Path, name: str, text: str = "-- warning: because.\nSELECT row FROM incoming\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_the_rows_come_once_each_in_order() -> None:
    assert run("SELECT row FROM incoming WHERE close > 2 UNION ALL SELECT 3 UNION ALL SELECT 0") == [0, 2, 3]
    assert run("FROM incoming WHERE close > 9") == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1 AS row FROM read_csv('{path}')", "Permission Error: Cannot access file"),
        ("SELECT 1 AS row FROM read_csv('/etc/passwd', header=false)", "Permission Error: Cannot access file"),
        ("SELECT 1 AS row FROM '{path}'", "Permission Error: Cannot access file"),
        ("SELECT length(content) AS row FROM read_text('{path}')", "Permission Error: Cannot access file"),
        ("SELECT 1 AS row FROM read_blob('{path}')", "Permission Error: Cannot access file"),
        ("SELECT 1 AS row FROM glob('*')", "Permission Error: Cannot access file"),
        ("SELECT 1 AS row FROM parquet_scan('x.parquet')", "Permission Error: Cannot access file"),
        ("SELECT 1 AS row FROM duckdb_secrets()", "Permission Error: Cannot access directory"),
        ("SELECT getenv('HOME') AS row", "Catalog Error: Scalar Function with name getenv does not exist"),
        ("SELECT row FROM query('COPY incoming TO ''out.csv''')", "Parser Error: Expected a single SELECT"),
        ("SELECT row FROM bars", "Catalog Error: Table with name bars does not exist"),
        ("COPY incoming TO 'out.csv'", "a check is one SELECT statement, found COPY"),
        ("ATTACH 'out.duckdb' AS other", "a check is one SELECT statement, found ATTACH"),
        ("EXPORT DATABASE 'out'", "a check is one SELECT statement, found EXPORT"),
        ("INSTALL httpfs", "a check is one SELECT statement, found LOAD"),
        ("LOAD httpfs", "a check is one SELECT statement, found LOAD"),
        ("SET enable_external_access = true", "a check is one SELECT statement, found SET"),
        ("PRAGMA database_list", "a check is one SELECT statement, found PRAGMA"),
        ("CALL enable_logging()", "a check is one SELECT statement, found CALL"),
        ("CREATE TABLE kept AS FROM incoming", "a check is one SELECT statement, found CREATE"),
        ("SELECT row FROM incoming; COPY incoming TO 'out.csv'", "a check is one SELECT statement, found SELECT, COPY"),
        ("-- warning: nothing below.", "a check is one SELECT statement, found none"),
        ("SELEC row FROM incoming", "Parser Error: syntax error"),
        (
            "SELECT row FROM incoming" + ";SELECT 1" * 9,
            "a check is one SELECT statement, found SELECT, SELECT, SELECT, ",
        ),
        ("SELECT row FROM incoming\0;SELECT 1", "a check is one SELECT statement, found SELECT, SELECT"),
        ("SELECT " + "x" * 9999, "Binder Error: "),
        ("SELECT '\0\x1b[31m' AS row", "Conversion Error: Could not convert string '"),
        ("SELECT close FROM incoming", "a check selects the column `row`, found close"),
        ("SELECT " + "1 AS x, " * 7 + "2 AS x", "a check selects the column `row`, found x, x, x, x, x and 3 more"),
        ("SELECT 'x' AS row FROM incoming", "Conversion Error: Could not convert string 'x'"),
        ("SELECT 4 AS row", "selects a `row` that `incoming` does not have (of 4)"),
        ("SELECT -1 AS row", "selects a `row` that `incoming` does not have (of 4)"),
        ("SELECT NULL AS row", "selects a `row` that `incoming` does not have (of 4)"),
        ("SELECT range AS row FROM range(1000000000000)", "selects a `row` that `incoming` does not have (of 4)"),
    ],
)
def test_a_hostile_or_broken_check_ends_in_one_line_that_names_its_file(here: Path, sql: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        run(sql.format(path=here / "secret.csv"))
    assert str(caught.value).startswith(f"db/checks/mine.sql: {told}")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2_100


def test_a_check_sees_no_variable_of_python(here: Path) -> None:
    holdings = pl.DataFrame({"row": [1]})
    with pytest.raises(DataError, match=r"mine\.sql: Catalog Error: Table with name holdings does not exist"):
        run("SELECT row FROM holdings")
    assert len(holdings) == 1


def test_a_file_that_bears_the_databases_name_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # DuckDB allows itself files called like its database, which is :memory: here
    monkeypatch.chdir(tmp_path)
    (tmp_path / ":memory:").write_text("secret")
    with pytest.raises(DataError, match="Permission Error"):
        run("SELECT length(content) AS row FROM read_text(':memory:')")


def test_every_shipped_check_says_why_it_matters() -> None:
    checks = list(iter_checks())
    assert [check.name for check in checks] == sorted(path.stem for path in (asset_dir("db") / "checks").glob("*.sql"))
    assert all(len(check.why) > 40 for check in checks)
    assert {check.severity for check in checks} == {"error", "warning"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("odd.sql", "SELECT * FROM incoming\n", r"odd\.sql: line 1: expected '-- error: why' or '-- warning: why'"),
        ("odd.sql", "-- fatal: no.\nSELECT 1\n", r"odd\.sql: line 1: expected '-- error: why' or"),
        ("Odd rule.sql", "-- error: x.\n", r"Odd rule\.sql: a check's file name has lower-case .* found 'Odd rule'"),
        ("<b>.sql", "-- error: x.\n", "a check's file name has"),
    ],
)
def test_a_file_that_is_no_check_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    write(tmp_path, name, text)
    with pytest.raises(DataError, match=told):
        list(iter_checks(tmp_path))


def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "odd.sql")
    path.write_bytes(b"-- error: \xff\xfe\n")
    with pytest.raises(DataError, match=r"odd\.sql: cannot be read as UTF-8 text"):
        list(iter_checks(tmp_path))
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(DataError, match=r"odd\.sql: too large for a check: more than 1,048,576 bytes"):
        list(iter_checks(tmp_path))


def test_a_workspaces_own_checks_join_the_packages(tmp_path: Path) -> None:
    shipped = [check.name for check in iter_checks()]
    assert [check.name for check in all_checks(tmp_path)] == shipped
    write(tmp_path / "db" / "checks", "a_mine.sql")
    assert [check.name for check in all_checks(tmp_path)] == ["a_mine", *shipped]
    write(tmp_path / "other", "b_mine.sql")
    assert "a_mine" not in {check.name for check in all_checks(tmp_path, tmp_path / "other")}
    assert "b_mine" in {check.name for check in all_checks(tmp_path, tmp_path / "other")}


def test_the_repositorys_root_is_a_workspace_whose_checks_are_the_packages() -> None:
    assert [check.name for check in all_checks(ROOT)] == [check.name for check in iter_checks()]


def test_a_check_cannot_take_a_shipped_name_and_a_given_folder_has_checks(tmp_path: Path) -> None:
    write(tmp_path / "db" / "checks", "price_jump.sql")
    with pytest.raises(DataError, match=r"db/checks/price_jump\.sql: the package has a check with this name") as caught:
        all_checks(tmp_path)
    assert caught.value.hint == "Rename the file."
    with pytest.raises(DataError, match=r"nowhere: no such file, expected a folder of \*\.sql files"):
        all_checks(tmp_path, tmp_path / "nowhere")


def spoil(batch: BarBatch, row: int, **values: float | None) -> pl.DataFrame:
    """The batch's bars with some fields of one row replaced."""
    here = pl.int_range(pl.len()) == row
    changes = {name: pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)) for name, value in values.items()}
    return batch.bars.with_columns(**changes)


FAULTS: list[tuple[dict[str, float | None], list[str]]] = [
    ({"open": None}, ["missing_price"]),
    ({"close": float("inf"), "high": float("inf")}, ["infinite_value"]),
    ({"low": 0.0}, ["price_not_positive"]),
    ({"low": -9.0}, ["price_not_positive"]),
    ({"high": 9.0, "low": 9.5, "close": 9.2}, ["close_outside_range", "high_below_low"]),
    ({"close": 11.1}, ["close_outside_range"]),
    ({"close": 8.9}, ["close_outside_range"]),
    ({"volume": -1.0}, ["negative_volume"]),
    ({"amount": -1.0}, ["negative_volume"]),
    ({"volume": float("inf")}, ["infinite_value"]),
    ({"factor": 0.0}, ["factor_not_positive"]),
    ({"factor": None}, ["factor_not_positive"]),
]


def test_each_rule_refuses_the_row_that_breaks_it(make_batch: BatchMaker) -> None:
    spans = [spoil(make_batch({f"S{number:02}": SPAN}), 2, **values) for number, (values, _) in enumerate(FAULTS)]
    screened = screen(pl.concat(spans))
    assert screened.refused.select("symbol", "rules").rows() == [
        (f"S{number:02}", ", ".join(rules)) for number, (_, rules) in enumerate(FAULTS)
    ]
    assert screened.rejected_by_rule == Counter(rule for _, rules in FAULTS for rule in rules)
    assert screened.refused["date"].dt.day().to_list() == [4] * len(FAULTS)
    assert screened.bars["date"].dt.day().to_list() == [2, 3, 5, 6] * len(FAULTS)
    assert screened.warnings_by_rule == {}


def test_good_bars_pass_untouched(make_batch: BatchMaker) -> None:
    bars = make_batch({"A": SPAN, "B": SPAN}).bars
    screened = screen(bars)
    assert screened.bars.equals(bars)
    assert screened.refused.is_empty()
    assert screened.rejected_by_rule == {}


def test_a_close_beside_the_range_by_float32_rounding_passes(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN})
    assert screen(spoil(batch, 0, high=10.0, close=10.000005), ERRORS).rejected_by_rule == {}
    assert screen(spoil(batch, 0, high=10.0, close=10.00002), ERRORS).rejected_by_rule == {"close_outside_range": 1}


def test_of_equal_copies_the_first_stays_and_of_different_ones_none(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN})
    equal = screen(pl.concat([batch.bars, batch.bars[1:2]]), ERRORS)
    assert equal.rejected_by_rule == {"duplicate_bar": 1}
    assert len(equal.bars) == 5
    other = screen(pl.concat([batch.bars, spoil(batch, 1, close=10.5)[1:2]]), ERRORS)
    assert other.rejected_by_rule == {"duplicate_bar": 2}
    assert other.bars["date"].dt.day().to_list() == [2, 4, 5, 6]


def test_a_jump_is_kept_with_a_warning(make_batch: BatchMaker) -> None:
    screened = screen(make_batch({"A": {1: 10.0, 2: 14.1, 3: 10.0, 4: 5.9}, "B": {5: 100.0}}).bars)
    assert screened.warnings_by_rule == {"price_jump": 2}
    assert len(screened.bars) == 5


def test_rows_without_any_price_are_no_bars_and_a_missing_volume_stays_missing(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN}, volume=pl.lit(None, pl.Float64))
    nothing = dict.fromkeys(("open", "high", "low", "close"), float("nan"))
    bars = tidy_bars(replace(batch, bars=spoil(batch, 0, **nothing)))
    assert len(bars) == 4
    assert bars["volume"].to_list() == [None] * 4


def test_a_batch_without_a_price_is_refused(make_batch: BatchMaker) -> None:
    batch = make_batch({"A": SPAN}, **dict.fromkeys(("open", "high", "low", "close"), pl.lit(None, pl.Float64)))
    with pytest.raises(DataError, match=r"test: no bars: every price is missing"):
        tidy_bars(batch)


def test_the_order_of_a_batch_changes_nothing(make_batch: BatchMaker) -> None:
    bars = spoil(make_batch({"A": SPAN, "B": SPAN}), 2, close=99.0)
    turned = screen(bars.reverse(), ERRORS)
    assert turned.bars.equals(screen(bars, ERRORS).bars)
    assert turned.rejected_by_rule == {"close_outside_range": 1}


def test_a_warning_is_judged_on_the_bars_that_stay(make_batch: BatchMaker) -> None:
    bars = spoil(make_batch({"A": SPAN}), 2, close=99.0)  # refused: beside its range
    assert screen(bars).warnings_by_rule == {}


def test_what_is_known_beside_the_bars_changes_what_the_rules_find(make_batch: BatchMaker) -> None:
    bars = make_batch({"A": dict.fromkeys(range(0, 3), 10.0)}).bars  # 2024-01-01 is a holiday in New York
    assert screen(bars).warnings_by_rule == {}
    assert screen(bars, around=CheckContext("day", "XNYS")).warnings_by_rule == {"calendar_contradiction": 1}


def test_own_checks_refuse_and_warn_like_the_packages(make_batch: BatchMaker) -> None:
    dear = "SELECT row FROM incoming WHERE close > 10.5"
    batch = make_batch({"A": {1: 10.0, 2: 11.0}})
    refusing = screen(batch.bars, [Check("dear", "error", "because", dear, Path("dear.sql"))])
    assert refusing.rejected_by_rule == {"dear": 1}
    assert refusing.refused["rules"].to_list() == ["dear"]
    warning = screen(batch.bars, [Check("dear", "warning", "because", dear, Path("dear.sql"))])
    assert (len(warning.bars), warning.warnings_by_rule) == (2, {"dear": 1})


def test_a_check_that_fails_stops_the_ingest_with_its_name(make_batch: BatchMaker) -> None:
    with pytest.raises(DataError, match=r"^odd\.sql: Catalog Error: Table with name nothing"):
        screen(make_batch({"A": SPAN}).bars, [Check("odd", "error", "", "SELECT row FROM nothing", Path("odd.sql"))])


def test_the_packages_checks_find_the_same_rows_as_checks_of_a_user(make_batch: BatchMaker) -> None:
    jumping = {1: 10.0, 2: 14.1, 3: 10.0, 4: 5.9, 8: 5.9}
    bars = pl.concat([spoil(make_batch({"A": SPAN, "B": jumping}), 2, close=99.0), make_batch({"C": SPAN}).bars[1:2]])
    numbered, around = number_rows(pl.concat([bars, bars[:1]])), CheckContext("day", "XNYS")
    shipped = list(iter_checks())
    found = offenders(numbered, shipped, around)
    assert set(found) > {"price_jump", "close_outside_range", "duplicate_bar", "calendar_contradiction"}
    own = offenders(numbered, [replace(check, shipped=False) for check in shipped], around)
    assert list(own) == list(found)
    assert all(own[name].equals(found[name], check_dtypes=True) for name in found)


def test_only_the_packages_own_checks_are_trusted(tmp_path: Path) -> None:
    write(tmp_path / "db" / "checks", "a_mine.sql")
    assert [check.name for check in all_checks(tmp_path) if not check.shipped] == ["a_mine"]
    assert all(check.shipped for check in iter_checks())
    assert not next(iter_checks(tmp_path / "db" / "checks")).shipped


def test_a_check_that_asks_for_all_memory_stops_an_ingest_before_anything_is_stored(
    make_batch: BatchMaker, tmp_path: Path
) -> None:
    bomb = "-- error: too much.\nSELECT repeat('x', 4000000000)::BIGINT AS row\n"
    path = write(tmp_path / "db" / "checks", "bomb.sql", bomb)
    with pytest.raises(DataError, match=r"bomb\.sql: needs more than .* GiB of memory$") as caught:
        store_bars(tmp_path, make_batch({"A": SPAN}))
    assert caught.value.exit_code == 3
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]


def with_refusal(make_batch: BatchMaker) -> BarBatch:
    """A day whose close lies beside its range, and one that is well."""
    return make_batch({"A": {1: 10.0, 2: 11.0}}, close=pl.when(pl.col("close") > 10.5).then(99.0).otherwise("close"))


def test_rejected_bars_are_read_from_the_snapshot_with_reason_and_source(
    make_batch: BatchMaker, tmp_path: Path
) -> None:
    store_bars(tmp_path, with_refusal(make_batch))
    found = read_rejected(open_market(tmp_path).snapshot.folder, "day")
    assert dict(found.schema) == REJECTED
    [row] = found.select("symbol", "close", "rules", "ingest", "source").rows()
    assert row == ("A", 99.0, "close_outside_range", 1, "test")
    assert read_rejected(open_market(tmp_path).snapshot.folder, "5min").is_empty()


def test_what_was_refused_on_the_way_is_no_part_of_the_digest(make_batch: BatchMaker, tmp_path: Path) -> None:
    refusing = store_bars(tmp_path / "a", with_refusal(make_batch))
    good = make_batch({"A": {1: 10.0}})
    session = with_refusal(make_batch).sessions
    without = store_bars(
        tmp_path / "b", BarBatch("test", None, "day", good.bars, good.instruments, good.universes, session, "")
    )
    assert refusing.rejected == 1
    assert without.rejected == 0
    assert refusing.snapshot == without.snapshot


def test_a_snapshot_of_an_older_version_has_no_rejected_bars(make_batch: BatchMaker, tmp_path: Path) -> None:
    store_bars(tmp_path, with_refusal(make_batch))
    folder = open_market(tmp_path).snapshot.folder
    (folder / REJECTED_FILE).unlink()
    assert read_rejected(folder, "day").equals(pl.DataFrame(schema=REJECTED))


def test_the_close_of_an_index_a_hair_outside_its_range_is_kept_with_a_warning(make_batch: BatchMaker) -> None:
    outside = [
        spoil(make_batch({symbol: SPAN}), 2, close=close) for symbol, close in (("SH000300", 11.04), ("A", 11.04))
    ]
    screened = screen(pl.concat([*outside, spoil(make_batch({"SH000905": SPAN}), 2, close=11.2)]))
    assert screened.refused.select("symbol", "rules").rows() == [
        ("A", "close_outside_range"),
        ("SH000905", "close_outside_range"),
    ]
    assert screened.warned.filter(rule="index_close_outside_range")["symbol"].to_list() == ["SH000300"]
