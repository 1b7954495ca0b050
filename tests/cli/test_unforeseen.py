"""An error that nobody foresaw ends in one line and a file with its trace, never in a traceback."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from kq_cli import app as module

from kronos_quant.unforeseen import unforeseen


def panic() -> None:
    raise pl.exceptions.PanicException("called `Option::unwrap()` on a `None` value\nnote: more")


def deep() -> None:
    deep()


def large() -> None:
    raise MemoryError


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where reports are written."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("trouble", "line"),
    [
        (lambda: {}["gone"], "error: unforeseen KeyError: 'gone'"),
        (panic, "error: unforeseen PanicException: called `Option::unwrap()` on a `None` value note: more"),
        (deep, "error: unforeseen RecursionError: maximum recursion depth exceeded"),
    ],
)
def test_one_line_and_a_file_with_the_trace(trouble, line, reports, monkeypatch, capsys):
    monkeypatch.setenv("SECRET_TOKEN", "do-not-tell")
    monkeypatch.setattr(module, "app", lambda **_: trouble())
    with pytest.raises(SystemExit) as ended:
        module.main()
    [report] = reports.iterdir()
    printed = capsys.readouterr().err.splitlines()
    assert (ended.value.code, len(printed)) == (1, 2)
    assert printed[0].startswith(line)
    assert printed[1] == f"hint:  This is a fault of kq: report it with {report}"
    text = report.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text
    assert "kronos-quant 0." in text
    assert "polars" in text
    assert "do-not-tell" not in text


def test_too_little_memory_is_no_fault_of_the_program(reports, monkeypatch, capsys):
    monkeypatch.setattr(module, "app", lambda **_: large())
    with pytest.raises(SystemExit):
        module.main()
    assert capsys.readouterr().err.startswith("error: not enough memory\nhint:  Use fewer symbols")
    assert not list(reports.iterdir())


def test_without_a_place_for_the_file_the_line_is_printed_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    try:
        pl.DataFrame({"a": [1]})["b"]
    except pl.exceptions.ColumnNotFoundError as error:
        told = unforeseen(error)
    assert str(told).startswith("unforeseen ColumnNotFoundError: ")
    assert told.hint == "KQ_DEBUG=1 shows the trace."


def test_the_line_names_the_place_in_the_package():
    from kronos_quant.files import to_json

    try:
        to_json({"a": {1: 2}} | {"b": float})  # a type that str() turns into a text: no error
        to_json([object.__new__(type("Bad", (), {"__str__": lambda _: 1 / 0}))])
    except ZeroDivisionError as error:
        told = str(unforeseen(error))
    assert told.startswith("unforeseen ZeroDivisionError in files.py:")


def test_the_trace_is_shown_where_it_is_asked_for(reports, monkeypatch):
    monkeypatch.setenv("KQ_DEBUG", "1")
    monkeypatch.setattr(module, "app", lambda **_: panic())
    with pytest.raises(pl.exceptions.PanicException):
        module.main()
    assert not list(reports.iterdir())
