"""Every file, ours or a user's, is read here: a path is a path, and what is wrong with a file is one clear error.

No name is a pattern, an address or a home folder: `bars[1].csv`, `b*.csv`, `~x` and `s3://x` are files of that name.
Only regular files are opened, so that a pipe or a device never hangs a command. Each function takes the class of the
error and its hint, for a model's file is another exit code than a user's table.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kronos_quant.errors import DataError, KronosQuantError
from kronos_quant.foreign_tables import check_bounds
from kronos_quant.paths import FILE, GRANT_READING, MISSING, NOWHERE, check_utf8, kind_of_path

if TYPE_CHECKING:
    import polars as pl
    import pyarrow.parquet as pq
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)

logger = logging.getLogger(__name__)

REPAIR = "kq doctor --repair"
_LARGEST_TEXT = 2**28
_UNPACKED_AT_ONCE, _DENSEST = 2**24, 50
"""Bytes, and how many bytes of text may be packed into one: bars take a fifth to a twentieth."""
_PACKINGS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_named: set[str] = set()
"""Damaged files of this process's warnings."""


def regular_file(path: Path, error: type[KronosQuantError] = DataError, hint: str | None = None) -> Path:
    """The absolute path of a file that is there and is no folder, pipe, socket or device; raises `error` otherwise.

    Parameters
    ----------
    path
        The file, a link to one included.
    error, hint
        What is raised, and the next step that it names.
    """
    check_utf8(path, error)
    try:
        kind = kind_of_path(path)
    except PermissionError:
        raise error(f"{path}: lies in a folder that may not be read", hint=GRANT_READING) from None
    except (OSError, ValueError) as trouble:  # a name too long, a NUL
        raise error(f"{str(path)!r}: cannot be read: {_reason(trouble)}", hint=hint) from None
    if kind in (MISSING, NOWHERE):
        raise error(f"{path}: {kind}", hint=hint)
    if kind != FILE:
        raise error(f"{path}: {kind}, expected a file", hint=hint)
    return path.absolute()


@contextmanager
def reading(
    path: Path, what: str, error: type[KronosQuantError] = DataError, hint: str | None = None
) -> Iterator[None]:
    """Turn whatever a library raises over a damaged file into one line.

    Parameters
    ----------
    path
        The file.
    what
        What it should be: "a Parquet file".
    error, hint
        What is raised, and the next step that it names.
    """
    try:
        yield
    except (KronosQuantError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except FileNotFoundError:
        raise error(f"{path}: no such file", hint=hint) from None
    except UnicodeDecodeError as trouble:
        raise error(
            f"{path}: cannot be read as UTF-8 text: {trouble.reason} at byte {trouble.start:,}", hint=hint
        ) from None
    except BaseException as trouble:  # Polars panics with a class that is no Exception
        if path.exists() and not os.access(path, os.R_OK):
            raise error(f"{path}: may not be read", hint=GRANT_READING) from None
        raise error(f"{path}: not readable as {what}: {_reason(trouble)}", hint=hint) from None


def read_bytes(path: Path, error: type[KronosQuantError] = DataError, hint: str | None = None) -> bytes:
    """The bytes of a regular file.

    Parameters
    ----------
    path
        The file.
    error, hint
        What is raised where it cannot be read, and the next step.
    """
    found = regular_file(path, error, hint)
    with reading(path, "a file", error, hint):
        size = found.stat().st_size
        if size > _LARGEST_TEXT:
            raise error(f"{path}: expected at most {_LARGEST_TEXT:,} bytes, found {size:,}", hint=hint)
        return found.read_bytes()


def read_text(
    path: Path, error: type[KronosQuantError] = DataError, hint: str | None = None, *, encoding: str = "utf-8"
) -> str:
    """The text of a regular file, line ends as "\\n".

    Parameters
    ----------
    path
        The file.
    error, hint
        What is raised where it cannot be read or is not UTF-8, and the next step.
    encoding
        utf-8, or utf-8-sig where a mark may begin the file.
    """
    content = read_bytes(path, error, hint)
    with reading(path, "text", error, hint):
        return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, error: type[KronosQuantError] = DataError, hint: str | None = None) -> dict[str, Any]:
    """The object in a JSON file; a key given twice is refused.

    Parameters
    ----------
    path
        The file.
    error, hint
        What is raised for anything else, and the next step.
    """
    text = read_text(path, error, hint)
    with reading(path, "JSON", error, hint):
        value = json.loads(text, object_pairs_hook=_distinct)
    if not isinstance(value, dict):
        raise error(f"{path}: expected a JSON object, found {type(value).__name__}", hint=hint)
    return value


def read_json_lines(path: Path, error: type[KronosQuantError] = DataError, hint: str | None = None) -> list[Any]:
    """The objects of a file with one a line; an error names the line.

    Parameters
    ----------
    path
        The file.
    error, hint
        What is raised for anything else, and the next step.
    """
    rows = []
    for number, line in enumerate(read_text(path, error, hint).splitlines(), start=1):
        with reading(path, f"JSON on line {number}", error, hint):
            rows.append(json.loads(line))
        if not isinstance(rows[-1], dict):
            raise error(f"{path}: line {number}: expected a JSON object, found {type(rows[-1]).__name__}", hint=hint)
    return rows


def read_model(
    path: Path, model: type[Model], error: type[KronosQuantError] = DataError, hint: str | None = None
) -> Model:
    """A JSON file as a model of Pydantic.

    Parameters
    ----------
    path
        The file.
    model
        What it has to be.
    error, hint
        What is raised for anything else, naming the first field that is wrong, and the next step.
    """
    values = read_json(path, error, hint)
    from pydantic import ValidationError

    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise error(f"{path}: {place + ': ' if place else ''}{first['msg'].lower()}", hint=hint) from None


def read_parquet(
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    error: type[KronosQuantError] = DataError,
    hint: str | None = None,
) -> pl.DataFrame:
    """A Parquet file as a table.

    Parameters
    ----------
    path
        The file.
    columns
        Those to read; None: all.
    error, hint
        What is raised where it cannot be read, and the next step.
    """
    import polars as pl

    found = regular_file(path, error, hint)
    with reading(path, "a Parquet file", error, hint):
        names = None if columns is None else list(columns)
        return _bounded(path, pl.read_parquet(found, columns=names, glob=False, hive_partitioning=False), error)


def read_footer(path: Path, hint: str | None = None) -> pq.FileMetaData:
    """The footer of a Parquet file: its rows and columns, none of its values. Raises DataError with the hint."""
    import pyarrow.parquet as pq

    found = regular_file(path, hint=hint)
    with reading(path, "a Parquet file", hint=hint):
        return pq.read_metadata(found)


def scan_parquet(
    paths: Path | Sequence[Path], *, schema: Mapping[str, pl.DataType] | None = None, hint: str | None = None
) -> pl.LazyFrame:
    """Parquet files of the same columns as one lazy table; its `collect` belongs into `reading`.

    Parameters
    ----------
    paths, hint
        One file or several, and the next step where one is not there.
    schema
        The columns, if older files may lack some.
    """
    import polars as pl

    found = [regular_file(path, DataError, hint) for path in ([paths] if isinstance(paths, Path) else paths)]
    return pl.scan_parquet(found, schema=schema, missing_columns="insert", glob=False, hive_partitioning=False)


def read_ipc(path: Path, *, error: type[KronosQuantError] = DataError, hint: str | None = None) -> pl.DataFrame:
    """An Arrow or Feather file as a table.

    Parameters
    ----------
    path
        The file.
    error, hint
        What is raised where it cannot be read, and the next step.
    """
    import polars as pl

    found = regular_file(path, error, hint)
    # Polars takes a name for a pattern here, and has no way to say that it is none
    with reading(path, "an Arrow file", error, hint), found.open("rb") as stream:
        return _bounded(path, pl.read_ipc(stream), error)


def read_csv(
    path: Path,
    *,
    error: type[KronosQuantError] = DataError,
    hint: str | None = None,
    texts: Sequence[str] | None = None,
    line: str | None = None,
) -> pl.DataFrame:
    """A CSV file, plain or compressed, as a table.

    Parameters
    ----------
    path
        The file.
    error, hint
        What is raised where it cannot be read or is not UTF-8, and the next step.
    texts
        Columns that stay text while the types of the others are inferred; None: all are text.
    line
        The name of a first column with the number of each line; None: without.
    """
    import polars as pl

    found = regular_file(path, error, hint)
    typed: Mapping[str, Any] = {"infer_schema": False}
    if texts is not None:
        typed = {"infer_schema_length": None, "schema_overrides": dict.fromkeys(texts, pl.String)}
    with reading(path, "a CSV file with one table", error, hint):
        try:
            frame = pl.read_csv(found, glob=False, row_index_name=line, row_index_offset=2, **typed)
        except pl.exceptions.NoDataError:
            raise error(f"{path}: expected a header line and rows, found an empty file", hint=hint) from None
        except pl.exceptions.ComputeError as trouble:
            if "utf-8" not in str(trouble):
                raise
            raise _other_encoding(path, error) from None
    if any("\ufffd" in column for column in frame.columns):
        raise _other_encoding(path, error)
    return _bounded(path, frame, error)


def read_packed(path: Path, error: type[KronosQuantError] = DataError, hint: str | None = None) -> bytes:
    """The bytes of a regular file, unpacked where it begins as gzip or Zstandard does.

    Parameters
    ----------
    path
        The file.
    error, hint
        What is raised where it cannot be read, and the next step.
    """
    found = regular_file(path, error, hint)
    with reading(path, "text", error, hint):
        content = found.read_bytes()
        packing = next((name for mark, name in _PACKINGS if content.startswith(mark)), None)
        if packing is None:
            return content
        import pyarrow as pa

        parts, size = [], 0
        with pa.CompressedInputStream(pa.BufferReader(content), packing) as stream:
            while part := stream.read(_UNPACKED_AT_ONCE):
                parts.append(part)
                size += len(part)
                if size > _LARGEST_TEXT and size > _DENSEST * len(content):
                    raise error(f"{path}: expected at most {_DENSEST} times its {len(content):,} bytes, found more")
        return b"".join(parts)


def parse_rows(content: bytes, place: str, separator: str) -> pl.DataFrame:
    """Rows of cells in UTF-8, without a header, as a table of texts; DataError, naming `place`, for what is none."""
    import polars as pl

    with reading(Path(place), "a file with one table"):
        return _bounded(
            Path(place),
            pl.read_csv(io.BytesIO(content), has_header=False, separator=separator, infer_schema=False),
            DataError,
        )


def parse_json(text: str) -> Any:
    """A JSON document with its numbers as they are written; None for what is none."""
    try:
        return json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None


def begins_with(path: Path, mark: bytes) -> bool:
    """Whether the first bytes of a regular file are these; raises DataError where it cannot be read."""
    found = regular_file(path)
    with reading(path, "a file"), found.open("rb") as stream:
        return stream.read(len(mark)) == mark


def pass_over(error: KronosQuantError) -> None:
    """Warn of a damaged file that the command does not need, once in a process."""
    if str(error) not in _named:
        _named.add(str(error))
        logger.warning("warning: %s; left out (%s)", error, REPAIR)


def duckdb_path(path: Path) -> str:
    """A path as DuckDB's readers take it literally.

    >>> duckdb_path(Path("/w/run[1]/b*.parquet"))
    '/w/run[[]1]/b[*].parquet'
    """
    return re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))


def _bounded(path: Path, frame: pl.DataFrame, error: type[KronosQuantError]) -> pl.DataFrame:
    check_bounds(str(path), frame, error)
    return frame


def _other_encoding(path: Path, error: type[KronosQuantError]) -> KronosQuantError:
    return error(f"{path}: expected UTF-8, found another encoding", hint="Save it as UTF-8.")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _reason(trouble: BaseException) -> str:
    """The first line of what a library says, without the path that the message begins with anyway."""
    if isinstance(trouble, RecursionError):
        return "nested too deep"
    words = trouble.strerror if isinstance(trouble, OSError) and trouble.strerror else str(trouble)
    return (words.strip() or type(trouble).__name__).partition("\n")[0]
