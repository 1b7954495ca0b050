"""Published snapshots: whole, immutable Parquet copies of the market that readers use instead of the database.

    db/snapshots/CURRENT                 name of the newest folder; replaced by rename
    db/snapshots/<digest16>/bars.<freq>.parquet, sessions.<freq>.parquet, calendar.<freq>.parquet,
                            instruments.parquet, universes.parquet, rejected_bars.parquet, contradicted_bars.parquet,
                            warned_bars.parquet, history.parquet, origins.parquet, meta.json

The digest is of the bars, sessions, lists and facts, and of the calendar where it decides (`write_calendar`): equal
bars have an equal digest whatever the order they came in, what they were before, and what was rejected on the way. A
snapshot is written aside, renamed, and never changed: a reader sees one whole state for as long as it likes, because an
open one is locked against `retention.prune_snapshots`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from kronos_quant import __version__
from kronos_quant.errors import DataError, counted
from kronos_quant.files import discard, make_folder, write_aside, write_json, write_text
from kronos_quant.market.calendar_files import write_calendar
from kronos_quant.market.database import DB_FOLDER, statement
from kronos_quant.market.quality.check_tables import sort_bars
from kronos_quant.market.quality.checks import CONTRADICTED_FILE, REJECTED_FILE, WARNED_FILE, write_findings
from kronos_quant.market.snapshot_parts import CURRENT, NAME_LENGTH, SNAPSHOTS, check_part, current_name
from kronos_quant.market.suspensions import find_suspended
from kronos_quant.market.symbols import EXCHANGES, exchange_of
from kronos_quant.market.universes import write_facts
from kronos_quant.readers import REPAIR, read_footer, read_json, regular_file
from kronos_quant.schema import BARS, DAILY, check_table
from kronos_quant.system import lock_file, move

META = "meta.json"
HISTORY_FILE = "history.parquet"
ORIGINS_FILE = "origins.parquet"
SUSPENDED = "suspended"
"""The column of a bars file that says whether the bar is of a suspended session."""

_FORMAT = 1
_ROWS_A_GROUP = 1 << 18
_ROWS_A_RANGE = 1 << 21
_HISTORY_ROWS_A_GROUP = 1 << 16
_STAGED = ".staged-"


@dataclass(frozen=True, slots=True)
class FreqSpan:
    """What a snapshot holds of one frequency."""

    exchange: str
    """ISO code, "24/7", or "" where unknown."""
    sessions: int
    bars: int
    """Rows of the file."""
    symbols: int
    first: date
    last: date
    suspended: int = 0
    """Rows of suspended sessions, which readers leave out."""

    @property
    def traded(self) -> int:
        """Bars that readers see."""
        return self.bars - self.suspended


class SnapshotMeta(BaseModel):
    """The content of meta.json."""

    format: int
    digest: str
    created: str
    package: str = ""
    """Version of kronos-quant."""
    freqs: dict[str, FreqSpan]
    parts: dict[str, str] = {}
    """Digest of each part; of an exchange its code."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Snapshot:
    """One published state of the market."""

    digest: str
    """sha256 of the content, in hex."""
    folder: Path
    created: datetime
    """UTC."""
    freqs: dict[str, FreqSpan]


def publish(root: Path, connection: duckdb.DuckDBPyConnection) -> Snapshot:
    """Write the database's present state as a snapshot and make it the current one.

    A state that was published before is only pointed to again. The caller holds the ingest lock.
    """
    folder = root / DB_FOLDER / SNAPSHOTS
    make_folder(folder)
    clear_unfinished(folder)
    # the digest, and with it the name, is known only when all is written
    staged = folder / f"{_STAGED}{uuid.uuid4().hex[:8]}"
    with write_aside(staged) as partial:
        digest = _write_content(partial, connection)
    target = folder / digest[:NAME_LENGTH]
    if target.is_dir() and fault_of(target) is None:
        # the same bars; rejected ones, history and origins may differ and are no part of the content
        for name in (REJECTED_FILE, CONTRADICTED_FILE, WARNED_FILE, HISTORY_FILE, ORIGINS_FILE):
            move(staged / name, target / name)
        for calendar in staged.glob("calendar.*.parquet"):
            if not (target / calendar.name).exists():  # an older version wrote none
                move(calendar, target / calendar.name)
        discard(staged)
    else:
        discard(target)  # damaged: what it held is that which was written now, for its name is the digest of the bars
        move(staged, target)
    write_text(folder / CURRENT, target.name + "\n")
    return read_snapshot(target)


def current_snapshot(root: Path) -> Snapshot | None:
    """The newest published snapshot of a workspace, None where nothing was published yet.

    It is not deleted while the returned object lives. Raises DataError when the pointer names a missing snapshot.
    """
    folder = root / DB_FOLDER / SNAPSHOTS
    name = current_name(folder)
    if name is None:
        return None
    try:
        return _open(folder / name)
    except DataError:
        # between the two readings another snapshot may have been published and this one pruned
        newer = current_name(folder)
        if newer in (None, name):
            raise
        return _open(folder / newer)


def read_snapshot(folder: Path) -> Snapshot:
    """A snapshot by its folder. Raises DataError when it is missing, damaged or of a newer format."""
    path = folder / META
    try:
        content = read_json(path, hint=REPAIR)
        if content["format"] > _FORMAT:
            raise DataError(
                f"{path}: written by a newer kronos-quant (format {content['format']}; this one knows {_FORMAT})",
                hint="pip install --upgrade kronos-quant",
            )
        meta = SnapshotMeta.model_validate(content)
        return Snapshot(meta.digest, folder, datetime.fromisoformat(meta.created), meta.freqs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: the snapshot cannot be read: {type(error).__name__}", hint=REPAIR) from error


def lock_snapshot(folder: Path, *, alone: bool) -> int:
    """Lock a snapshot by its meta.json, shared or alone; returns the descriptor whose closing frees the lock.

    A killed process frees its locks too. Raises DataError where there is no such file, and OSError at once where an
    exclusive lock (`alone`) cannot be had.
    """
    descriptor = os.open(regular_file(folder / META, hint=REPAIR), os.O_RDONLY)
    try:
        lock_file(descriptor, alone=alone)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open(folder: Path) -> Snapshot:
    """A snapshot that is not deleted while the object lives."""
    descriptor = None
    with suppress(OSError):  # a file system without locks
        descriptor = lock_snapshot(folder, alone=False)
    try:
        snapshot = read_snapshot(folder)
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
        raise
    if descriptor is not None:
        weakref.finalize(snapshot, os.close, descriptor)
    return snapshot


def _write_content(folder: Path, connection: duckdb.DuckDBPyConnection) -> str:
    """Write all files of a snapshot to `folder`; return the digest of their content."""
    folder.mkdir()
    parts: dict[str, str] = {}
    freqs: dict[str, FreqSpan] = {}
    for (freq,) in connection.execute("SELECT DISTINCT freq FROM bars ORDER BY freq").fetchall():
        parts[f"bars.{freq}"], suspended = _write_bars(folder / f"bars.{freq}.parquet", connection, freq)
        if suspended:
            parts[f"suspended.{freq}"] = suspended.digest
        sessions = connection.sql("SELECT date FROM sessions WHERE freq = $freq ORDER BY date", params={"freq": freq})
        dates = sessions.pl()
        check_table("snapshot.sessions", dates)
        dates.write_parquet(folder / f"sessions.{freq}.parquet")
        parts[f"sessions.{freq}"] = _frame_digest(dates)
        parts[f"exchange.{freq}"] = exchange = _exchange(connection, freq)
        query = "SELECT count(*), count(DISTINCT symbol), min(date), max(date) FROM bars WHERE freq = ?"
        [(bars, symbols, first, last)] = connection.execute(query, [freq]).fetchall()
        freqs[freq] = FreqSpan(exchange, len(dates), bars, symbols, first, last, suspended.bars if suspended else 0)
        calendar = write_calendar(folder, connection, freq, exchange, dates["date"][0], dates["date"][-1])
        if calendar is not None:
            parts[f"calendar.{freq}"] = calendar
    instruments = connection.sql(statement("select_instruments")).pl()
    check_table("snapshot.instruments", instruments)
    instruments.write_parquet(folder / "instruments.parquet")
    universes = connection.sql("SELECT * FROM universes ORDER BY ALL").pl()
    check_table("snapshot.universes", universes)
    universes.write_parquet(folder / "universes.parquet")
    parts |= {"instruments": _frame_digest(instruments), "universes": _frame_digest(universes)}
    parts |= {name: _frame_digest(frame) for name, frame in write_facts(folder, connection).items()}
    write_findings(folder, connection)
    _write_history(folder, connection)
    read = "SELECT freq, source, path FROM ingests WHERE path IS NOT NULL AND dropped IS NULL ORDER BY id"
    origins = connection.sql(read).pl()
    check_table("snapshot.origins", origins)
    origins.write_parquet(folder / ORIGINS_FILE)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    created = datetime.now(UTC).isoformat(timespec="milliseconds")
    meta = SnapshotMeta(format=_FORMAT, digest=digest, created=created, package=__version__, freqs=freqs, parts=parts)
    write_json(folder / META, meta.model_dump())
    return digest


@dataclass(frozen=True, slots=True)
class _Suspended:
    """The bars of suspended sessions, as they were written."""

    bars: int
    digest: str


def _write_bars(path: Path, connection: duckdb.DuckDBPyConnection, freq: str) -> tuple[str, _Suspended | None]:
    """Write the bars of one frequency to Parquet, sorted by (symbol, time); return the digests of their values.

    One hash per column, so that the digest does not depend on where the bars are cut; the symbols enter as runs.
    """
    hashes = {name: hashlib.sha256() for name in (*BARS, SUSPENDED) if name != "symbol"}
    counts = connection.sql(
        "SELECT symbol, count(*) AS bars FROM bars WHERE freq = $freq GROUP BY symbol ORDER BY symbol",
        params={"freq": freq},
    ).pl()
    paused = connection.sql("SELECT symbol, date FROM paused_sessions WHERE freq = $freq", params={"freq": freq}).pl()
    schema = connection.sql("SELECT * EXCLUDE freq FROM bars LIMIT 0").to_arrow_table().schema
    schema = schema.append(pa.field(SUSPENDED, pa.bool_()))
    suspended = 0
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=["symbol", "date"]) as writer:
        for first, last in _ranges(counts):
            bounds = {"freq": freq, "first": first, "last": last}
            bars = sort_bars(connection.sql(statement("select_bars"), params=bounds).pl())
            columns = bars.with_columns(find_suspended(bars, paused).alias(SUSPENDED))
            check_table("snapshot.bars", columns)
            writer.write_table(columns.to_arrow().cast(schema), row_group_size=_ROWS_A_GROUP)
            suspended += int(columns[SUSPENDED].sum())
            for name, column_hash in hashes.items():
                column_hash.update(
                    columns[name].cast(pl.UInt8).to_numpy().data if name == SUSPENDED else _bytes(columns[name])
                )
    marks = hashes.pop(SUSPENDED).hexdigest()
    parts = [_frame_digest(counts), *(column_hash.hexdigest() for column_hash in hashes.values())]
    digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()
    return digest, _Suspended(suspended, marks) if suspended else None


def _bytes(column: pl.Series) -> memoryview:
    return column.to_physical().to_numpy().data


def _ranges(counts: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """First and last symbol of ranges that are sorted in memory. counts : symbol, bars; by symbol"""
    of_range = counts["bars"].cum_sum() // _ROWS_A_RANGE
    for (_,), symbols in counts.group_by(of_range, maintain_order=True):
        yield symbols["symbol"][0], symbols["symbol"][-1]


def _write_history(folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Write the former values of replaced bars."""
    reader = connection.sql(statement("select_history")).to_arrow_reader(_HISTORY_ROWS_A_GROUP)
    check_table("snapshot.history", pl.DataFrame(reader.schema.empty_table()))
    with pq.ParquetWriter(folder / HISTORY_FILE, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _frame_digest(frame: pl.DataFrame) -> str:
    """sha256 of a small frame's values, in its order."""
    return hashlib.sha256(json.dumps(frame.rows(), default=str).encode()).hexdigest()


def _exchange(connection: duckdb.DuckDBPyConnection, freq: str) -> str:
    """The exchange of the bars of one frequency: as the user set it last, else the one that all stocks share."""
    named = connection.execute(statement("select_exchange"), {"freq": freq}).fetchall()
    if named:
        return str(named[0][0])
    held = connection.execute(statement("select_symbols"), {"freq": freq}).fetchall()
    return shared_exchange([symbol for symbol, traded in held if traded] or [symbol for symbol, _ in held])


def shared_exchange(symbols: list[str]) -> str:
    """The exchange whose calendar all symbols share by their spelling (XSHG for the mainland), else "".

    >>> shared_exchange(["SH600000", "SZ000001"])
    'XSHG'
    """
    mainland = set(EXCHANGES.values()) - {"XHKG"}
    shared = {"XSHG" if (exchange := exchange_of(symbol)) in mainland else exchange for symbol in symbols}
    return shared.pop() if len(shared) == 1 else ""


def fault_of(folder: Path) -> DataError | None:
    """What is wrong with a snapshot by its meta.json and the footers of its files; None where all is whole.

    Bars and sessions are compared with the numbers of meta.json. Files that older versions did not write may lack.
    """
    try:
        snapshot = read_snapshot(folder)
        expected = {f"sessions.{freq}.parquet": span.sessions for freq, span in snapshot.freqs.items()}
        expected |= {f"bars.{freq}.parquet": span.bars for freq, span in snapshot.freqs.items()}
        names = {*expected, "instruments.parquet", "universes.parquet", *(one.name for one in folder.glob("*.parquet"))}
        for name in sorted(names):
            footer = read_footer(folder / name, hint=REPAIR)
            check_part(folder / name, footer.schema.names)
            if footer.num_rows != expected.get(name, footer.num_rows):
                raise DataError(
                    f"{folder / name}: expected {counted(expected[name], 'row')}, found {footer.num_rows:,}",
                    hint=REPAIR,
                )
    except DataError as error:
        return error
    return None


def point_to_newest(folder: Path) -> Snapshot | None:
    """Make the newest whole snapshot in a folder of snapshots the current one; None where none is whole."""
    whole = [
        read_snapshot(path)
        for path in sorted(folder.glob("[0-9a-f]*"))
        if path.is_dir() and path.name != CURRENT and fault_of(path) is None
    ]
    if not whole:
        return None
    newest = max(whole, key=lambda snapshot: snapshot.created)
    write_text(folder / CURRENT, newest.folder.name + "\n")
    return newest


def clear_unfinished(folder: Path) -> None:
    """Remove what a killed ingest or pruning left; safe, because only the holder of the ingest lock writes here."""
    for leftover in folder.glob(".*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def default_freq(snapshot: Snapshot) -> str:
    """Daily bars where there are any, else the first frequency by name."""
    return DAILY if DAILY in snapshot.freqs else min(snapshot.freqs)
