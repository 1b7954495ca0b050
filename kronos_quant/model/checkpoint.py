"""Networks by name, and the pair that a forecast needs: local folder first, then the Hub; safetensors only.

A model folder holds config.json and model.safetensors under the published key names. A pair folder, as training and
`kq model add` leave it, holds two of them, `tokenizer/` and `predictor/`, and what is known of them: card.json (how
they were trained), origin.json (where they came from). Both may record digests of the files, which are then checked.
Whatever is missing or does not fit is one CheckpointError. Loaded modules are on the CPU, in float32 and in eval mode.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kronos_quant.errors import CheckpointError
from kronos_quant.files import file_digest
from kronos_quant.model.card import CARD_FILE, read_card
from kronos_quant.model.folder import (
    CONFIG_FILE,
    PREDICTOR_FOLDER,
    TOKENIZER_FOLDER,
    WEIGHTS_FILE,
    Module,
    is_pair,
    missing,
    read_json,
    read_network,
    readable,
    write_network,
)
from kronos_quant.model.hub import fetch, is_hub_id
from kronos_quant.model.kronos import PRESETS, Kronos, KronosTokenizer, PredictorConfig, TokenizerConfig
from kronos_quant.schema import FEATURES

ORIGIN_FILE = "origin.json"
RECORDS = (CARD_FILE, ORIGIN_FILE)
"""What may hold `sha256`, an object of file name -> digest, in hex."""

DEFAULT_CONTEXT = 512

PUBLISHED_TOKENIZERS = {
    "mini": "NeoQuasar/Kronos-Tokenizer-2k",
    "small": "NeoQuasar/Kronos-Tokenizer-base",
    "base": "NeoQuasar/Kronos-Tokenizer-base",
}
"""The tokenizer whose tokens each published predictor was trained on."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A tokenizer and the predictor that was trained on its tokens."""

    tokenizer: KronosTokenizer
    predictor: Kronos
    max_context: int
    digest: str
    """sha256 of both models' config.json and model.safetensors, hex."""


def load_tokenizer(name: str | Path, *, models_dir: Path | None = None, revision: str | None = None) -> KronosTokenizer:
    """Load a tokenizer from a folder, from `models_dir`, or from the Hub at `revision`; CheckpointError otherwise."""
    return _load(locate(name, models_dir, revision), KronosTokenizer)


def load_predictor(name: str | Path, *, models_dir: Path | None = None, revision: str | None = None) -> Kronos:
    """Load a predictor from a folder, from `models_dir`, or from the Hub at `revision`; CheckpointError otherwise."""
    return _load(locate(name, models_dir, revision), Kronos)


def load_pair(
    name: str | Path,
    tokenizer: str | Path | None = None,
    *,
    models_dir: Path | None = None,
    revision: str | None = None,
) -> Pair:
    """Load a predictor with its tokenizer, checked to fit each other.

    name : a pair folder, or the folder or Hub id of a predictor. tokenizer : folder or Hub id; None takes the one
    beside the predictor in a pair folder, or the published partner of a published predictor. revision : of `name` on
    the Hub; None: the pinned one where it is known.
    Raises CheckpointError when something is missing, damaged or does not fit.
    """
    folder = locate(name, models_dir, revision)
    paired = is_pair(folder)
    predictor_folder = locate(folder / PREDICTOR_FOLDER, None) if paired else folder
    predictor = _load(predictor_folder, Kronos)
    partner = tokenizer_of(folder, predictor.config, tokenizer)
    tokenizer_folder = locate(partner, models_dir)
    loaded = _load(tokenizer_folder, KronosTokenizer)
    published = _published_name(predictor.config)
    if published is not None:
        _check_published(published, str(name), str(partner), loaded.config)
    check_fit(loaded.config, predictor.config)
    digests = file_digests({TOKENIZER_FOLDER: tokenizer_folder, PREDICTOR_FOLDER: predictor_folder})
    if paired:
        beside = tokenizer is None
        _check_recorded(folder, digests if beside else file_digests({PREDICTOR_FOLDER: predictor_folder}))
    card_context = read_card(folder).max_context if paired else None
    return Pair(
        tokenizer=loaded,
        predictor=predictor,
        max_context=card_context or native_context(predictor.config),
        digest=_whole(digests),
    )


def tokenizer_of(folder: Path, config: PredictorConfig, tokenizer: str | Path | None = None) -> str | Path:
    """Where the tokenizer of a predictor is: as given, beside it in a pair folder, or its published partner's id.

    Raises CheckpointError when nothing tells.
    """
    if tokenizer is not None:
        return tokenizer
    if is_pair(folder):
        return folder / TOKENIZER_FOLDER
    published = _published_name(config)
    if published is None:
        raise CheckpointError(f"{folder}: no tokenizer beside the predictor", hint="name its tokenizer's folder")
    return PUBLISHED_TOKENIZERS[published]


def check_fit(tokenizer: TokenizerConfig, predictor: PredictorConfig) -> None:
    """Raise CheckpointError unless both split a token into the same bits, and the tokenizer is one of bars."""
    expected, found = (predictor.s1_bits, predictor.s2_bits), (tokenizer.s1_bits, tokenizer.s2_bits)
    if expected != found:
        raise CheckpointError(
            f"the tokenizer does not fit the predictor: expected s1_bits + s2_bits = {expected[0]} + {expected[1]}, "
            f"found {found[0]} + {found[1]}",
            hint="use the tokenizer that the predictor was trained with",
        )
    if tokenizer.d_in != len(FEATURES):
        raise CheckpointError(
            f"the tokenizer does not fit bars: expected d_in = {len(FEATURES)} ({', '.join(FEATURES)}), "
            f"found {tokenizer.d_in}"
        )


def native_context(config: PredictorConfig) -> int:
    """The longest window, in bars, that a predictor of this shape is meant for: 2048 for mini, else 512."""
    name = shape_name(config)
    return DEFAULT_CONTEXT if name is None else PRESETS[name].max_context


def weights_digest(folder: Path) -> str:
    """Hex sha256 over config.json and model.safetensors: of both models of a pair folder, or of the one there is."""
    parts = (TOKENIZER_FOLDER, PREDICTOR_FOLDER) if is_pair(folder) else ("",)
    return _whole(file_digests({part: folder / part for part in parts}))


def file_digests(parts: dict[str, Path]) -> dict[str, str]:
    """The files of some networks -> hex sha256. parts : name ("" for one alone) -> folder; keys are `name/file`."""
    digests = {}
    for part, folder in parts.items():
        for file in (CONFIG_FILE, WEIGHTS_FILE):
            with readable(folder / file):
                if not (folder / file).is_file():
                    raise CheckpointError(missing(folder / file), hint="name a folder that training has left")
                digests[f"{part}/{file}" if part else file] = file_digest(folder / file)
    return digests


def find_model(name: str | Path, models_dir: Path | None) -> Path | None:
    """The local folder of a model, or None: `name` as a path, `models_dir`/name, `models_dir`/last part of name."""
    try:
        given = Path(name).expanduser()
    except RuntimeError:  # ~nobody
        given = Path(name)
    candidates = [given]
    if models_dir is not None:
        candidates += [models_dir / name, models_dir / Path(name).name]
    with readable(given):
        return next((folder for folder in candidates if folder.is_dir()), None)


def locate(name: str | Path, models_dir: Path | None, revision: str | None = None) -> Path:
    """The folder of a model, fetched from the Hub where it is not local; CheckpointError where there is none."""
    folder = find_model(name, models_dir)
    if folder is not None:
        return folder
    if is_hub_id(name):
        where = models_dir if models_dir is not None else "this folder"
        return fetch(str(name), str(where), revision).folder
    path = Path(name)
    if path.is_file():
        raise CheckpointError(f"{path}: a file, expected a model's folder", hint=f"name {path.parent}")
    if path.is_symlink():
        raise CheckpointError(missing(path))
    looked = "" if models_dir is None else f", nor in {models_dir}"
    raise CheckpointError(f"{name}: no such folder{looked}", hint="kq model list shows the models that are there")


def shape_name(config: PredictorConfig) -> str | None:
    """The preset whose sizes these are, None for any others."""
    sizes = ("s1_bits", "s2_bits", "n_layers", "d_model", "n_heads", "ff_dim")
    for name, preset in PRESETS.items():
        if all(getattr(config, size) == getattr(preset.predictor, size) for size in sizes):
            return name
    return None


def save(module: Kronos | KronosTokenizer, folder: Path) -> None:
    """Write config.json and model.safetensors; a new folder appears whole, in an old one each file does."""
    write_network(module, folder)


def _load(folder: Path, build: type[Module]) -> Module:
    """A network, compared with the digests that its own folder records."""
    network = read_network(folder, build)
    if any((folder / record).exists() for record in RECORDS):
        _check_recorded(folder, file_digests({"": folder}))
    return network


def _published_name(config: PredictorConfig) -> str | None:
    """The published predictor that these weights are or may be: its sizes, and not trained here."""
    name = shape_name(config)
    return name if name in PUBLISHED_TOKENIZERS and config.dependency_rotation == "published" else None


def _check_published(published: str, predictor: str, tokenizer: str, config: TokenizerConfig) -> None:
    expected = PRESETS[published].tokenizer
    # 2k and base differ in nothing but the group size
    if config.group_size != expected.group_size:
        raise CheckpointError(
            f"{predictor} (Kronos-{published}): expected {PUBLISHED_TOKENIZERS[published]} (group_size "
            f"{expected.group_size}), found {tokenizer} (group_size {config.group_size})",
            hint=f"use {PUBLISHED_TOKENIZERS[published]}",
        )


def _check_recorded(folder: Path, digests: dict[str, str]) -> None:
    """Compare files with the digests that the folder's records state for them; files without one pass."""
    for record in RECORDS:
        path = folder / record
        stated: Any = read_json(path).get("sha256", {}) if path.exists() else {}
        if not isinstance(stated, dict):
            raise CheckpointError(f"{path}: sha256: expected an object of files, found {type(stated).__name__}")
        for file, found in digests.items():
            if stated.get(file, found) != found:
                raise CheckpointError(
                    f"{folder / file}: expected the sha256 {str(stated[file])[:16]}… that {record} states, found "
                    f"{found[:16]}…: damaged or altered",
                    hint="get the model again, or delete the record if you changed it on purpose",
                )


def _whole(digests: dict[str, str]) -> str:
    whole = hashlib.sha256()
    for file, digest in digests.items():
        whole.update(f"{file} {digest}\n".encode())
    return whole.hexdigest()
