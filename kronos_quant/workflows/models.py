"""`kq model`: the models of a workspace, what each is, and how one gets into it.

A model is a folder in models/ (a pair, or a tokenizer or predictor alone) or what a training run left.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from kronos_quant import __version__
from kronos_quant.errors import CheckpointError, ConfigError
from kronos_quant.files import to_json, write_aside, write_json
from kronos_quant.model import Kronos, KronosTokenizer, PredictorConfig, find_model, load_pair, native_context
from kronos_quant.model.checkpoint import shape_name, tokenizer_of, weights_digest
from kronos_quant.model.files import (
    CARD_FILE,
    ORIGIN_FILE,
    PREDICTOR_FOLDER,
    RECORDS,
    TOKENIZER_FOLDER,
    Kind,
    file_digests,
    kind_of,
    read_config,
    read_json,
)
from kronos_quant.model.hub import CONFIG_FILE, WEIGHTS_FILE, fetch, is_hub_id
from kronos_quant.signals.weights import model_place, trained_models
from kronos_quant.workspace import WorkspaceFolder

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_PARTS = {TOKENIZER_FOLDER: KronosTokenizer, PREDICTOR_FOLDER: Kronos}
_DIGEST_SHOWN = 16


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of `kq model list`."""

    name: str
    kind: str
    """pair, tokenizer, predictor, or broken."""
    shape: str
    """nano, mini, small or base; other sizes in words."""
    parameters: int | None
    """Of the predictor, of a tokenizer alone its own."""
    dependency_rotation: str
    digest: str
    origin: str
    """Where it came from; of a broken one, what is wrong."""
    latest: bool
    """Whether `model: latest` of a recipe means this one."""
    folder: Path

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def row(self) -> dict[str, Any]:
        """For the table."""
        return {
            "name": f"{self.name} (latest)" if self.latest else self.name,
            "kind": self.kind,
            "shape": self.shape,
            "parameters": "" if self.parameters is None else f"{self.parameters:,}",
            "rotation": self.dependency_rotation,
            "digest": self.digest[:_DIGEST_SHOWN],
            "from": self.origin,
        }


@dataclass(frozen=True, slots=True)
class ModelReport:
    """Everything that is known of a model whose weights were read and found whole."""

    entry: ModelEntry
    max_context: int | None
    config: dict[str, dict[str, Any]]
    """Part (tokenizer, predictor) -> its config.json."""
    parameters: dict[str, int]
    bytes: dict[str, int]
    """File -> its size."""
    card: dict[str, Any] | None
    """How it was trained, where that was here."""
    origin: dict[str, Any] | None
    """Where it was added from."""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            **self.entry.as_dict(),
            "max_context": self.max_context,
            "config": self.config,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "card": self.card,
            "origin_record": self.origin,
        }

    def lines(self) -> list[str]:
        """The report in words, then card and configuration as JSON."""
        entry = self.entry
        told = [
            f"{entry.name}: {entry.kind}, {entry.shape}; every weight is there, of the right shape, and finite",
            *(f"  {part}: {count:,} parameters" for part, count in self.parameters.items()),
            *(f"  {file}: {size:,} bytes" for file, size in self.bytes.items()),
            f"  digest: {entry.digest}",
            f"  from: {entry.origin}",
            f"  folder: {entry.folder}",
        ]
        if entry.dependency_rotation:
            told.append(f"  dependency_rotation: {entry.dependency_rotation}; max_context: {self.max_context} bars")
        sections = {"card": self.card, "origin": self.origin, **{f"{k} config": v for k, v in self.config.items()}}
        for name, section in sections.items():
            if section is not None:
                told.append(f"{name}:")
                told += [f"  {line}" for line in to_json(section).splitlines()[1:-1]]
        return told


@dataclass(frozen=True, slots=True)
class AddedModel:
    """What `kq model add` did."""

    entry: ModelEntry

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return self.entry.as_dict()

    def lines(self) -> list[str]:
        """The outcome in words."""
        entry = self.entry
        told = [f"added {entry.name}: {entry.kind}, {entry.shape}, digest {entry.digest[:_DIGEST_SHOWN]}"]
        if entry.kind == "pair":
            told.append(
                f"to use it: `model: {entry.name}` in a recipe, or `base: {entry.name}` under model: in kq.yaml"
            )
        return [*told, f"folder: {entry.folder}"]


def list_models(workspace: WorkspaceFolder) -> list[ModelEntry]:
    """The models in models/, by name, then those that were trained here, oldest first; weights are not read.

    A folder that is no model is listed as broken, with the reason.
    """
    added = [_entry(_name_in(workspace.models, folder), folder) for folder in _model_folders(workspace.models)]
    trained = trained_models(workspace)
    latest = max(trained, default=None)
    return added + [_entry(name, folder, latest=name == latest) for name, folder in trained.items()]


def show_model(workspace: WorkspaceFolder, name: str) -> ModelReport:
    """Read a model whole and tell everything of it.

    name : in models/, the id of a training run, `latest`, or a folder. Raises CheckpointError when it is not there,
    damaged, or does not fit; nothing is fetched.
    """
    shown, place = model_place(workspace, name)
    folder = find_model(place, workspace.models)
    if folder is None:
        raise CheckpointError(
            f"{name}: not in {workspace.models} and no training run",
            hint=f"kq model add {name}" if is_hub_id(name) else "kq model list",
        )
    kind = _checked_kind(folder)
    parts = _parts(folder, kind)
    networks: dict[str, Kronos | KronosTokenizer] = {}
    context = None
    if kind == "pair":
        pair = load_pair(folder)
        networks, context = {TOKENIZER_FOLDER: pair.tokenizer, PREDICTOR_FOLDER: pair.predictor}, pair.max_context
    elif kind == "predictor":
        predictor = Kronos.from_pretrained(folder)
        networks, context = {kind: predictor}, native_context(predictor.config)
    else:
        networks = {kind: KronosTokenizer.from_pretrained(folder)}
    files = [path / file for path in parts.values() for file in (CONFIG_FILE, WEIGHTS_FILE)]
    records = {record: read_json(folder / record) if (folder / record).exists() else None for record in RECORDS}
    return ModelReport(
        entry=_entry(shown, folder, latest=shown == max(trained_models(workspace), default=None)),
        max_context=context,
        config={part: asdict(network.config) for part, network in networks.items()},
        parameters={part: _count(network) for part, network in networks.items()},
        bytes={str(file.relative_to(folder)): file.stat().st_size for file in files},
        card=records[CARD_FILE],
        origin=records[ORIGIN_FILE],
    )


def add_model(
    workspace: WorkspaceFolder, source: str, tokenizer: str | None, name: str | None, revision: str | None
) -> AddedModel:
    """Copy a model into models/, all of it or nothing, after every weight was read and found to fit.

    source : the folder of a pair, a predictor or a tokenizer, the id of a training run, or a Hub id. tokenizer : of a
    predictor, where it is not the published one. name : what it is called here; None: the last part of `source`.
    revision : of a Hub id; None: the pinned one, else the newest, whose commit is recorded.
    Raises CheckpointError for a model that is missing, damaged or does not fit, ConfigError for a name that is taken.
    """
    target = _target(workspace, source, name)
    place = model_place(workspace, source)[1]
    folder, commit = _place(place, workspace.models, revision)
    kind = _checked_kind(folder)
    if kind == "tokenizer" and tokenizer is not None:
        raise ConfigError(f"--tokenizer: {source} is a tokenizer itself", hint="name a predictor first")
    if kind == "tokenizer":
        KronosTokenizer.from_pretrained(folder)
        parts = {"": folder}
    else:
        loaded = load_pair(folder, tokenizer, models_dir=workspace.models)
        partner = tokenizer_of(folder, loaded.predictor.config, tokenizer)
        parts = {TOKENIZER_FOLDER: _place(partner, workspace.models, None)[0]}
        parts[PREDICTOR_FOLDER] = folder / PREDICTOR_FOLDER if kind == "pair" else folder
    origin = {
        "from": source if is_hub_id(place) else str(folder.resolve()),
        "tokenizer_from": tokenizer,
        "revision": commit,
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "kronos_quant": __version__,
        "sha256": file_digests(parts),
    }
    with write_aside(target) as partial:
        _copy(parts, partial)
        if kind == "pair" and (folder / CARD_FILE).exists():
            write_json(partial / CARD_FILE, read_json(folder / CARD_FILE))
        copied = {part: partial / part for part in parts}
        if file_digests(copied) != origin["sha256"]:
            raise CheckpointError(f"{folder}: changed while it was copied", hint="run the same command again")
        write_json(partial / ORIGIN_FILE, origin)
    return AddedModel(_entry(target.name, target))


def _target(workspace: WorkspaceFolder, source: str, name: str | None) -> Path:
    chosen = name or Path(source).name
    if not _NAME.fullmatch(chosen):
        raise ConfigError(
            f"--name: expected letters, digits, dots, dashes and underscores, found {chosen!r}",
            hint="name it with --name",
        )
    target = workspace.models / chosen
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target}: there already", hint="choose another name with --name, or delete the folder")
    return target


def _place(name: str | Path, models: Path, revision: str | None) -> tuple[Path, str | None]:
    """A local folder, or the Hub's with its commit."""
    folder = find_model(name, models)
    if folder is not None:
        return folder, None
    if is_hub_id(name):
        fetched = fetch(str(name), str(models), revision)
        return fetched.folder, fetched.commit
    raise CheckpointError(f"{name}: no such folder, nor in {models}", hint="kq model list shows those that are there")


def _copy(parts: dict[str, Path], target: Path) -> None:
    for part, folder in parts.items():
        (target / part).mkdir(parents=True, exist_ok=True)
        for file in (CONFIG_FILE, WEIGHTS_FILE):
            shutil.copyfile(folder / file, target / part / file)


def _model_folders(models: Path) -> Iterator[Path]:
    """Folders in models/ that are a model, or should be; one of models (`NeoQuasar/`) is looked into."""
    for folder in _folders_in(models):
        try:
            nested = _folders_in(folder) if kind_of(folder) is None else []
        except CheckpointError:
            nested = []
        yield from nested or [folder]


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # what a killed command left half-written begins with a dot
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _name_in(models: Path, folder: Path) -> str:
    return folder.relative_to(models).as_posix()


def _checked_kind(folder: Path) -> Kind:
    kind = kind_of(folder)
    if kind is None:
        # says what is missing or unreadable
        read_config(folder, Kronos)
    assert kind is not None
    return kind


def _parts(folder: Path, kind: Kind) -> dict[str, Path]:
    return {part: folder / part for part in _PARTS} if kind == "pair" else {"": folder}


def _entry(name: str, folder: Path, *, latest: bool = False) -> ModelEntry:
    try:
        kind = _checked_kind(folder)
        parts = {Path(part).name or kind: path for part, path in _parts(folder, kind).items()}
        configs = {
            part: read_config(path, KronosTokenizer if part == TOKENIZER_FOLDER else Kronos)
            for part, path in parts.items()
        }
        config = configs.get(PREDICTOR_FOLDER, configs.get(TOKENIZER_FOLDER))
        return ModelEntry(
            name=name,
            kind=kind,
            shape=_shape(config),
            parameters=_size(config),
            dependency_rotation=config.dependency_rotation if isinstance(config, PredictorConfig) else "",
            digest=weights_digest(folder),
            origin=_origin(folder),
            latest=latest,
            folder=folder,
        )
    except CheckpointError as error:
        return ModelEntry(name, "broken", "", None, "", "", str(error), latest, folder)


def _shape(config: Any) -> str:
    if not isinstance(config, PredictorConfig):
        return f"{config.s1_bits} + {config.s2_bits} bits, width {config.d_model}"
    return shape_name(config) or f"{config.n_layers} layers of width {config.d_model}"


def _size(config: Any) -> int:
    with torch.device("meta"):
        return _count(Kronos(config) if isinstance(config, PredictorConfig) else KronosTokenizer(config))


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _origin(folder: Path) -> str:
    """Where a model came from, in words."""
    if (folder / ORIGIN_FILE).exists():
        origin = read_json(folder / ORIGIN_FILE)
        commit = f" at {str(origin['revision'])[:12]}" if origin.get("revision") else ""
        return f"{origin.get('from', 'unknown')}{commit}"
    if (folder / CARD_FILE).exists():
        return f"trained here from {read_json(folder / CARD_FILE).get('base', 'unknown')}"
    return "copied by hand"
