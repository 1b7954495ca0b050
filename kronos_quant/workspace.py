"""A workspace: the folder with kq.yaml, and where things lie in it.

    kq.yaml               the configuration
    db/                   market.duckdb and its published snapshots
    models/               weights added by hand (one folder a model)
    signals/              recipes; signals/store/ holds the computed signals, signals/.seen/ what they were made from
    strategies/           strategies
    .kq/schemas/          JSON Schemas of the YAML files, for editors
    runs/<kind>/<id>/     what each run left
    runs/trials/          every configuration that was ever back-tested, with its daily returns

The repository's root is a workspace too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.files import asset_dir, write_text
from kronos_quant.inputs import as_path
from kronos_quant.paths import check_folder, check_literal, check_utf8, kind_of_path
from kronos_quant.readers import pass_over, read_text

if TYPE_CHECKING:
    from kronos_quant.config import ResolvedConfig, WorkspaceConfig

CONFIG_FILE = "kq.yaml"

FOLDERS = ("db/snapshots", "models", "runs/backtest", "runs/train", "signals/store", "strategies")
"""Folders of a workspace that commands look into and nothing else may have the place of."""

SCHEMAS = ".kq/schemas"
"""Folder of a workspace with the JSON Schemas of its YAML files, for editors."""

TEMPLATE = """\
# yaml-language-server: $schema=.kq/schemas/kq.json
# The configuration of this workspace. `kq config show` prints every setting, its value, origin and meaning;
# an environment variable such as KQ_TRAIN__BATCH_SIZE=32 wins over this file.

market:
  qlib_dir: ~/.qlib/qlib_data/cn_data   # what `kq ingest qlib` reads
  exchange: ""        # XSHG, XNYS, XHKG or 24/7; empty: inferred from the symbols (a Qlib directory does not state it)
  universe: all       # what to train on and to score: all, or a name such as csi300

model:
  base: NeoQuasar/Kronos-small   # weights to fine-tune: a folder, a name in models/, a Hub id, or `scratch`
  preset: nano                   # with `base: scratch`: nano, mini, small or base

train:
  lookback_window: 90
  predict_window: 10
"""

GITIGNORE = """\
signals/.seen/
db/*.duckdb
db/*.duckdb.wal
db/*.lock
db/snapshots/
models/
runs/
signals/store/
"""


@dataclass(frozen=True, slots=True)
class WorkspaceFolder:
    """The paths of a workspace and its resolved configuration."""

    root: Path
    resolved: ResolvedConfig

    @property
    def config(self) -> WorkspaceConfig:
        """The values of kq.yaml under environment and flags."""
        return self.resolved.config

    @property
    def models(self) -> Path:
        """Weights added by hand, one folder a model."""
        return self.root / "models"

    @property
    def signal_store(self) -> Path:
        """Computed signals, one folder a recipe digest."""
        return self.root / "signals" / "store"

    @property
    def runs(self) -> Path:
        """What runs left."""
        return self.root / "runs"

    def recipe_file(self, name: str) -> Path:
        """The YAML file of a recipe given by name (`default`) or by path (`signals/default.yaml`)."""
        return self._named_file("signals", name)

    def strategy_file(self, name: str) -> Path:
        """The YAML file of a strategy given by name (`topk`) or by path (`strategies/topk.yaml`)."""
        return self._named_file("strategies", name)

    def _named_file(self, folder: str, name: str) -> Path:
        given = as_path(name, folder)
        if given.suffix in (".yaml", ".yml"):
            return given if given.is_absolute() or given.is_file() else self.root / given
        return self.root / folder / f"{name}.yaml"


def open_workspace_folder(start: Path | None = None, flags: Mapping[str, Any] | None = None) -> WorkspaceFolder:
    """The workspace that holds `start` (default: the current folder), looked for upwards.

    flags : {"train.seed": 1}; a None is "not given". Raises ConfigError when there is no kq.yaml or it is wrong.
    """
    from kronos_quant.config import load_workspace_config

    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if os.path.lexists(folder / CONFIG_FILE):
            check_utf8(folder, ConfigError)
            _name_misplaced(folder)
            return WorkspaceFolder(folder, load_workspace_config(folder / CONFIG_FILE, flags))
    raise ConfigError(
        f"{here}: not in a workspace: no {CONFIG_FILE} here or above", hint="kq init my-research && cd my-research"
    )


def _name_misplaced(root: Path) -> None:
    """Warn of what lies in the place of a workspace's folder and is none: commands find nothing in it."""
    for name in FOLDERS:
        try:
            check_folder(root / name)
        except DataError as error:
            pass_over(error)


def init_workspace(folder: Path, template: str = TEMPLATE) -> list[Path]:
    """Write kq.yaml, the recipes and the strategies into `folder`; returns the files written.

    Existing files are kept, so that it can be repeated; schemas of another version are replaced. Raises ConfigError
    where `folder` is no folder.
    """
    check_utf8(folder.absolute(), ConfigError)
    check_literal(folder.absolute(), ConfigError)
    if os.path.lexists(folder) and not folder.is_dir():
        raise ConfigError(f"{folder}: is {kind_of_path(folder)}, expected a folder")
    texts = {folder / CONFIG_FILE: template, folder / ".gitignore": GITIGNORE}
    for name, kind in (("signals", "recipe"), ("strategies", "strategy")):
        for source in sorted(asset_dir(name).glob("*.yaml")):
            texts[folder / name / source.name] = schema_line(kind) + read_text(source)
    schemas = {
        folder / SCHEMAS / source.name: read_text(source) for source in sorted(asset_dir("docs/schemas").glob("*.json"))
    }
    old = {path for path, text in schemas.items() if path.is_file() and read_text(path) != text}
    written = [path for path in (*texts, *schemas) if not path.exists() or path in old]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be created: {error.strerror}") from None
    for path in written:
        write_text(path, (texts | schemas)[path])
    (folder / "db").mkdir(exist_ok=True)
    return written


def schema_line(kind: str) -> str:
    """The comment by which an editor knows the schema of a YAML file one folder below the workspace's.

    kind : recipe or strategy
    """
    return f"# yaml-language-server: $schema=../{SCHEMAS}/{kind}.json\n"
