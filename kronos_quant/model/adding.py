"""`kq model add`: a model is read and checked, then copied into models/, all of it or nothing."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from kronos_quant import __version__
from kronos_quant.errors import CheckpointError, ConfigError
from kronos_quant.files import write_aside, write_json
from kronos_quant.inputs import as_name
from kronos_quant.model.card import read_card, write_card
from kronos_quant.model.checkpoint import load_pair, tokenizer_of
from kronos_quant.model.files import (
    CARD_FILE,
    ORIGIN_FILE,
    PREDICTOR_FOLDER,
    TOKENIZER_FOLDER,
    Kind,
    file_digests,
    kind_of,
    locate,
)
from kronos_quant.model.hub import CONFIG_FILE, WEIGHTS_FILE, fetch, is_hub_id
from kronos_quant.model.kronos import KronosTokenizer
from kronos_quant.model.library import ModelEntry, ModelLibrary, checked_kind, model_entry, parts_of


class PresentModel(ModelEntry):
    """A model that was to be added, and is there already."""

    __slots__ = ()

    def lines(self) -> list[str]:
        """The outcome of `kq model add`, in words."""
        first, *others = ModelEntry.lines(self)
        return [f"{first.removeprefix('added ')}; already stored, nothing was changed", *others]


def add_model(
    library: ModelLibrary,
    source: str,
    tokenizer: str | None = None,
    name: str | None = None,
    revision: str | None = None,
) -> ModelEntry:
    """Copy a model into models/ after every weight was read and checked.

    Repeated, it finds the model there and changes nothing: the result is a PresentModel then.

    Parameters
    ----------
    library : of the workspace.
    source : the folder of a pair, a predictor or a tokenizer, the id of a training run, or a Hub id.
    tokenizer : of a predictor, where it is not the published one.
    name : what it is called here; None: the last part of `source`.
    revision : of a Hub id; None: the pinned one, else the newest, whose commit is recorded.

    Raises
    ------
    CheckpointError
        For a model that is missing, damaged or does not fit.
    ConfigError
        For a name that other weights have.
    """
    target = _target(library, source, name)
    place, taken = library.resolve(source)[1], target.exists() or target.is_symlink()
    if taken and not library.is_local(source):  # nothing is fetched to be refused
        raise _taken(target)
    located = locate(place, library.folder, revision)
    if revision is not None and located.folder == target:
        located = fetch(str(place), str(library.folder), revision)
    folder = located.folder
    kind = checked_kind(folder)
    if kind == "tokenizer" and tokenizer is not None:
        raise ConfigError(f"--tokenizer: {source} is a tokenizer itself", hint="name a predictor first")
    parts = _checked_parts(library, folder, kind, tokenizer)
    digests = file_digests(parts)
    if taken:
        return _present(target, digests)
    origin = {
        "from": source if is_hub_id(place) else str(folder.resolve()),
        "tokenizer_from": tokenizer,
        "revision": located.commit,
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
        "kronos_quant": __version__,
        "sha256": digests,
    }
    try:
        with write_aside(target) as partial:
            _copy(parts, partial)
            if kind == "pair" and os.path.lexists(folder / CARD_FILE):
                write_card(partial, read_card(folder))
            if file_digests({part: partial / part for part in parts}) != digests:
                raise CheckpointError(f"{folder}: changed while it was copied", hint="run the same command again")
            write_json(partial / ORIGIN_FILE, origin)
    except FileExistsError:  # another process was faster
        return _present(target, digests)
    return model_entry(target.name, target)


def _checked_parts(library: ModelLibrary, folder: Path, kind: Kind, tokenizer: str | None) -> dict[str, Path]:
    """The networks of a model and its tokenizer, all read."""
    if kind == "tokenizer":
        KronosTokenizer.from_pretrained(folder)
        return {"": folder}
    loaded = load_pair(folder, tokenizer, models_dir=library.folder)
    partner = tokenizer_of(folder, loaded.predictor.config, tokenizer)
    predictor = folder / PREDICTOR_FOLDER if kind == "pair" else folder
    return {TOKENIZER_FOLDER: locate(partner, library.folder).folder, PREDICTOR_FOLDER: predictor}


def _target(library: ModelLibrary, source: str, name: str | None) -> Path:
    return library.folder / as_name(name or Path(source).name, "--name")


def _present(target: Path, digests: dict[str, str]) -> PresentModel:
    """What is in a folder that has the name of a model to add; ConfigError where it is anything but that model."""
    try:
        kind = kind_of(target)
        same = kind is not None and file_digests(parts_of(target, kind)) == digests
    except CheckpointError:
        same = False
    if not same:
        raise _taken(target)
    return PresentModel(**model_entry(target.name, target).as_dict())


def _taken(target: Path) -> ConfigError:
    return ConfigError(f"{target}: exists already, with other weights", hint="choose another name with --name")


def _copy(parts: dict[str, Path], target: Path) -> None:
    for part, folder in parts.items():
        (target / part).mkdir(parents=True, exist_ok=True)
        for file in (CONFIG_FILE, WEIGHTS_FILE):
            shutil.copyfile(folder / file, target / part / file)
