"""What a workspace reads: the methods of `Workspace` that bring bars and lists into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kronos_quant.errors import ConfigError
from kronos_quant.inputs import PathLike, Symbols, Table, as_flag
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    from kronos_quant.config import WorkspaceConfig
    from kronos_quant.market import CalendarReport, DividendReport, DropReport, IngestPreview, IngestReport, ListReport


class WorkspaceSources:
    """The folder of a workspace, and the commands `kq ingest`."""

    def __init__(self, folder: WorkspaceFolder) -> None:
        if not isinstance(folder, WorkspaceFolder):
            raise ConfigError(f"Workspace: expected an opened folder, found {folder!r}", hint='Use kq.open("FOLDER").')
        self.folder = folder

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    @property
    def root(self) -> Path:
        """The folder with kq.yaml."""
        return self.folder.root

    @property
    def config(self) -> WorkspaceConfig:
        """The values of kq.yaml under environment and settings."""
        return self.folder.config

    def ingest_qlib(
        self,
        source: PathLike | None = None,
        *,
        freq: str = "day",
        labels: str = "end",
        volume_unit: str = "auto",
        amount_unit: str = "auto",
        exchange: str | None = None,
    ) -> IngestReport:
        """Read a Qlib data directory, check its bars and publish them: `kq ingest qlib`.

        Parameters
        ----------
        source, exchange : optional
            Directory with calendars/, instruments/ and features/, and ISO code; default: those of kq.yaml.
        freq, labels : str
            Calendar to read (day, 1min, 5min, ...), and whether intraday stamps mark the "end" or "start" of a bar.
        volume_unit, amount_unit : str
            As for `ingest_csv`.
        """
        from kronos_quant.market import ingest_qlib

        directory = self.config.market.qlib_dir if source is None else source
        return ingest_qlib(
            self.root,
            directory,
            freq=freq,
            labels=labels,
            volume_unit=volume_unit,
            amount_unit=amount_unit,
            exchange=self._exchange(exchange),
        )

    def ingest_csv(
        self,
        source: PathLike,
        *,
        symbol: str | None = None,
        amount: str = "derive",
        labels: str = "auto",
        dialect: str = "auto",
        volume_unit: str = "auto",
        amount_unit: str = "auto",
        day_first: bool | None = None,
        factors: PathLike | None = None,
        exchange: str | None = None,
    ) -> IngestReport:
        """Read a CSV file (plain, gz or zst) or a folder of them, check the bars and publish them: `kq ingest csv`.

        Parameters
        ----------
        source, symbol
            The file, or a folder with one file per symbol; of a single file its symbol, default: its column or name.
        amount : {"derive", "zero", "as_is"}
            What a missing traded value becomes; derive: volume x mean price.
        labels : {"auto", "end", "start"}
            What intraday stamps mark; auto: as the file's dialect says, else the end.
        dialect : str
            Whose file it is, a name of the page Dialects; auto: detected by columns and name.
        volume_unit : {"auto", "shares", "lots", "thousand", "ten-thousand"}
            What volume counts; auto: detected by amount / (volume x price), the header or the dialect.
        amount_unit : {"auto", "units", "thousand", "ten-thousand", "million", "hundred-million"}
            What amount counts, in the currency; auto: as for volume.
        day_first : bool, optional
            Whether 05/06/2024 is in June; default: as the file shows where it leaves no doubt.
        factors : optional
            File or folder of factors for raw prices; default: those next to the source, by their names.
        exchange : optional
            ISO code; default: that of kq.yaml.
        """
        from kronos_quant.market import ingest_csv

        return ingest_csv(
            self.root,
            source,
            symbol=symbol,
            amount=amount,
            labels=labels,
            dialect=dialect,
            volume_unit=volume_unit,
            amount_unit=amount_unit,
            day_first=day_first,
            factors=factors,
            exchange=self._exchange(exchange),
        )

    def ingest(
        self,
        table: Table | PathLike,
        *,
        symbol: str | None = None,
        amount: str = "derive",
        labels: str = "auto",
        dialect: str = "auto",
        volume_unit: str = "auto",
        amount_unit: str = "auto",
        day_first: bool | None = None,
        exchange: str | None = None,
    ) -> IngestReport:
        """Read a table of bars, check them and publish them: `kq ingest table`.

        Parameters
        ----------
        table
            Polars, pandas or Arrow, or a file or folder of Parquet, Arrow or Feather.
        symbol, amount, labels, dialect, volume_unit, amount_unit, day_first, exchange
            As for `ingest_csv`.
        """
        from kronos_quant.market import ingest_table

        return ingest_table(
            self.root,
            table,
            symbol=symbol,
            amount=amount,
            labels=labels,
            dialect=dialect,
            volume_unit=volume_unit,
            amount_unit=amount_unit,
            day_first=day_first,
            exchange=self._exchange(exchange),
        )

    def preview(
        self,
        source: Table | PathLike,
        *,
        symbol: str | None = None,
        amount: str = "derive",
        labels: str = "auto",
        dialect: str = "auto",
        volume_unit: str = "auto",
        amount_unit: str = "auto",
        day_first: bool | None = None,
        factors: PathLike | None = None,
        exchange: str | None = None,
    ) -> IngestPreview:
        """What an ingest would understand of a file, folder or table; nothing is written: `kq ingest csv --dry-run`.

        Parameters
        ----------
        source
            As for `ingest_csv` or `ingest`.
        symbol, amount, labels, dialect, volume_unit, amount_unit, day_first, factors, exchange
            As for `ingest_csv`.
        """
        from kronos_quant.market import preview

        return preview(
            source,
            symbol=symbol,
            amount=amount,
            labels=labels,
            dialect=dialect,
            volume_unit=volume_unit,
            amount_unit=amount_unit,
            day_first=day_first,
            factors=factors,
            exchange=self._exchange(exchange),
        )

    def ingest_synthetic(
        self, *, strength: float = 0.2, symbols: int = 150, sessions: int = 800, seed: int = 0
    ) -> IngestReport:
        """Make a market with a known, weak pattern: `kq ingest synthetic`.

        Parameters
        ----------
        strength, symbols, sessions, seed
            Of the pattern, 0 (none) to 1; number of stocks and days; equal arguments make equal bars.
        """
        from kronos_quant.market import ingest_synthetic

        return ingest_synthetic(self.root, strength=strength, symbols=symbols, sessions=sessions, seed=seed)

    def ingest_universe(self, name: str, source: PathLike | Table) -> ListReport:
        """Read the dated constituents of a universe (symbol, start, end): `kq ingest universe`."""
        from kronos_quant.market import ingest_universe

        return ingest_universe(self.root, name, source)

    def ingest_intervals(self, kind: str, source: PathLike | Table) -> ListReport:
        """Read dated facts of a kind (st, listing, industry, delisting, fund): `kq ingest intervals`."""
        from kronos_quant.market import ingest_intervals

        return ingest_intervals(self.root, kind, source)

    def ingest_weights(self, index: str, source: PathLike | Table) -> ListReport:
        """Read the weights of an index by date (date, symbol, weight): `kq ingest weights`."""
        from kronos_quant.market import ingest_weights

        return ingest_weights(self.root, index, source)

    def ingest_calendar(self, source: PathLike | Table, *, exchange: str | None = None) -> CalendarReport:
        """Read the sessions of an exchange from a column of dates: `kq ingest calendar`."""
        from kronos_quant.market import ingest_calendar

        return ingest_calendar(self.root, source, exchange=self._exchange(exchange))

    def ingest_dividends(self, source: PathLike | Table) -> DividendReport:
        """Read cash dividends, bonus shares and rights by ex-date: `kq ingest dividends`."""
        from kronos_quant.market import ingest_dividends

        return ingest_dividends(self.root, source)

    def drop(
        self,
        symbols: Symbols | None = None,
        *,
        source: PathLike | None = None,
        freq: str | None = None,
        delete: bool = False,
    ) -> DropReport:
        """Remove symbols, or what a source brought, from the stored bars: `kq drop`.

        Parameters
        ----------
        symbols, source
            One symbol or several, in any spelling; or a file or directory that was read, whose bars go that no other
            source brought.
        freq : optional
            Only bars of this frequency; default: of all.
        delete : bool
            False only reports what would be removed.
        """
        from kronos_quant.market import drop_bars

        return drop_bars(self.root, symbols, source=source, freq=freq, delete=as_flag(delete, "delete"))

    def _exchange(self, exchange: str | None) -> str:
        return self.config.market.exchange if exchange is None else exchange
