"""The models of a workspace: the folders in models/, and what each training run left.

A model is a pair, or a tokenizer or predictor alone. `latest` names the pair of the newest finished training run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl
import torch

from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import CheckpointError
from kronos_quant.files import to_json
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.model.card import ModelCard, read_card
from kronos_quant.model.checkpoint import load_pair, native_context, shape_name, weights_digest
from kronos_quant.model.files import (
    CARD_FILE,
    ORIGIN_FILE,
    PREDICTOR_FOLDER,
    TOKENIZER_FOLDER,
    Kind,
    find_model,
    kind_of,
    read_config,
    read_json,
)
from kronos_quant.model.hub import CONFIG_FILE, WEIGHTS_FILE, is_cached, is_hub_id
from kronos_quant.model.kronos import Kronos, KronosTokenizer, PredictorConfig
from kronos_quant.runs import finished_runs
from kronos_quant.workspace import WorkspaceFolder

LATEST = "latest"
BEST = "checkpoints/best"
"""Of a training run's folder: the pair that it left."""

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

    @staticmethod
    def table(entries: Sequence[ModelEntry]) -> pl.DataFrame:
        """A row per model, a column per field; of no models too."""
        types = {"parameters": pl.Int64, "latest": pl.Boolean}
        schema = {field.name: types.get(field.name, pl.String) for field in fields(ModelEntry)}
        return pl.DataFrame([{**entry.as_dict(), "folder": str(entry.folder)} for entry in entries], schema=schema)

    def row(self) -> dict[str, Any]:
        """For a terminal."""
        return {
            "name": f"{self.name} (latest)" if self.latest else self.name,
            "kind": self.kind,
            "shape": self.shape,
            "parameters": "" if self.parameters is None else f"{self.parameters:,}",
            "rotation": self.dependency_rotation,
            "digest": self.digest[:_DIGEST_SHOWN],
            "from": self.origin,
        }

    def lines(self) -> list[str]:
        """The outcome of `kq model add`, in words."""
        found = [f"added {self.name}: {self.kind}, {self.shape}, digest {self.digest[:_DIGEST_SHOWN]}"]
        if self.kind == "pair":
            found.append(f"to use it: `model: {self.name}` in a recipe, or `base: {self.name}` under model: in kq.yaml")
        return [*found, f"folder: {self.folder}"]


@dataclass(frozen=True, slots=True, repr=False)
class ModelReport(Displayed):
    """Everything known of a model whose weights were read and found complete."""

    entry: ModelEntry
    max_context: int | None
    config: dict[str, dict[str, Any]]
    """Part (tokenizer, predictor) -> its config.json."""
    parameters: dict[str, int]
    bytes: dict[str, int]
    """File -> its size."""
    card: ModelCard | None
    """How it was trained, where that was here."""
    origin: dict[str, Any] | None
    """Where it was added from."""

    @property
    def title(self) -> str:
        """Its name, kind and shape."""
        return f"{self.entry.name}: {self.entry.kind}, {self.entry.shape}"

    def summary(self) -> pl.DataFrame:
        """Sizes, digest and origin: columns figure and value."""
        entry = self.entry
        figures = [*((f"{part} parameters", f"{count:,}") for part, count in self.parameters.items())]
        figures += [(file, f"{size:,} bytes") for file, size in self.bytes.items()]
        figures += [("digest", entry.digest), ("from", entry.origin), ("folder", str(entry.folder))]
        if entry.dependency_rotation:
            figures += [("dependency_rotation", entry.dependency_rotation), ("max_context", f"{self.max_context} bars")]
        return summary_table(figures)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            **self.entry.as_dict(),
            "max_context": self.max_context,
            "config": self.config,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "card": None if self.card is None else self.card.as_dict(),
            "origin_record": self.origin,
        }

    def lines(self) -> list[str]:
        """The report in words, then card and configuration as JSON."""
        found = [f"{self.title}; all weights present, of the right shape, and finite"]
        found += [f"  {figure}: {value}" for figure, value in self.summary().rows()]
        card = None if self.card is None else self.card.as_dict()
        sections = {"card": card, "origin": self.origin, **{f"{k} config": v for k, v in self.config.items()}}
        for name, section in sections.items():
            if section is not None:
                found.append(f"{name}:")
                found += [f"  {line}" for line in to_json(section).splitlines()[1:-1]]
        return found


class ModelLibrary:
    """The models of one workspace."""

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self.root, self.folder, self.runs = workspace.root, workspace.models, workspace.runs

    def trained(self) -> dict[str, Path]:
        """The id of each finished training run -> the folder of its best networks, oldest first."""
        return {run.id: run.path / BEST for run in finished_runs(self.runs, "train")}

    def resolve(self, name: PathLike) -> tuple[str, Path | str]:
        """What a model's name means: `latest` as the run that it is, and a folder, or a Hub id as it is.

        Raises CheckpointError for `latest` when nothing was trained yet.
        """
        as_path(name, "model")
        name, trained = str(name), self.trained()
        if name == LATEST:
            if not trained:
                raise CheckpointError(
                    f"{self.root}: no trained model yet for `model: {LATEST}`",
                    hint="Run kq train, or set `model:` in the recipe to a folder or a name in models/.",
                )
            name = max(trained)
        inside = self.root / name
        return name, trained.get(name, inside if inside.is_dir() else name)

    def is_local(self, name: str) -> bool:
        """Whether a model's weights are on this machine; nothing is fetched."""
        place = self.resolve(name)[1]
        return find_model(place, self.folder) is not None or is_cached(str(place))

    def entries(self) -> list[ModelEntry]:
        """The models in models/, by name, then the trained ones, oldest first; weights are not read.

        A folder that is no model is listed as broken, with the reason.
        """
        added = [model_entry(folder.relative_to(self.folder).as_posix(), folder) for folder in self.added()]
        trained = self.trained()
        latest = max(trained, default=None)
        return added + [model_entry(name, folder, latest=name == latest) for name, folder in trained.items()]

    def report(self, name: str = LATEST) -> ModelReport:
        """Read a model completely and report everything known of it.

        name : in models/, the id of a training run, `latest`, or a folder. Raises CheckpointError when it is missing,
        damaged, or does not fit; nothing is fetched.
        """
        shown, place = self.resolve(name)
        folder = find_model(place, self.folder)
        if folder is None:
            raise CheckpointError(
                f"no model named {str(name)!r}", hint=f"kq model add {name}" if is_hub_id(name) else "kq model list"
            )
        kind = checked_kind(folder)
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
        files = [path / file for path in parts_of(folder, kind).values() for file in (CONFIG_FILE, WEIGHTS_FILE)]
        return ModelReport(
            entry=model_entry(shown, folder, latest=shown == max(self.trained(), default=None)),
            max_context=context,
            config={part: asdict(network.config) for part, network in networks.items()},
            parameters={part: _count(network) for part, network in networks.items()},
            bytes={str(file.relative_to(folder)): file.stat().st_size for file in files},
            card=read_card(folder) if os.path.lexists(folder / CARD_FILE) else None,
            origin=read_json(folder / ORIGIN_FILE) if os.path.lexists(folder / ORIGIN_FILE) else None,
        )

    def added(self) -> Iterator[Path]:
        """Folders in models/ that are a model, or should be; a folder of models (`NeoQuasar/`) is opened."""
        for folder in _folders_in(self.folder):
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


def checked_kind(folder: Path) -> Kind:
    """What is in a folder; CheckpointError where that is no model."""
    kind = kind_of(folder)
    if kind is None:
        # says what is missing or unreadable
        read_config(folder, Kronos)
    assert kind is not None
    return kind


def parts_of(folder: Path, kind: Kind) -> dict[str, Path]:
    """The networks of a model: name ("" of one alone) -> folder."""
    return {part: folder / part for part in _PARTS} if kind == "pair" else {"": folder}


def model_entry(name: str, folder: Path, *, latest: bool = False) -> ModelEntry:
    """The line of a model in a folder; of one that cannot be read, as broken."""
    try:
        kind = checked_kind(folder)
        parts = {Path(part).name or kind: path for part, path in parts_of(folder, kind).items()}
        configs = {part: read_config(path, _PARTS[part]) for part, path in parts.items()}
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
    if os.path.lexists(folder / ORIGIN_FILE):
        origin = read_json(folder / ORIGIN_FILE)
        commit = f" at {str(origin['revision'])[:12]}" if origin.get("revision") else ""
        return f"{origin.get('from', 'unknown')}{commit}"
    if os.path.lexists(folder / CARD_FILE):
        return f"trained here from {read_card(folder).base or 'unknown'}"
    return "copied by hand"
