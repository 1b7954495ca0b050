"""Weights and config.json: local folder first, then the Hub; safetensors only, never a pickle.

A model folder holds config.json and model.safetensors under the published key names. A pair folder, as training
leaves it, holds two of them, `tokenizer/` and `predictor/`, and card.json. Whatever is missing or does not fit is one
CheckpointError. Loaded modules are on the CPU, in float32 and in eval mode.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from kronos_quant.errors import CheckpointError, ConfigError, KronosQuantError, listed
from kronos_quant.files import disk_errors, file_digest, write_aside, write_json
from kronos_quant.model.kronos import PRESETS, Kronos, KronosTokenizer, PredictorConfig, Rotary, TokenizerConfig

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"
PICKLE_FILES = ("pytorch_model.bin", "model.bin", "model.pt", "model.pth", "model.ckpt")
TOKENIZER_FOLDER, PREDICTOR_FOLDER = "tokenizer", "predictor"
DEFAULT_CONTEXT = 512
HUB_TIMEOUT_SECONDS = 5.0

PINNED_REVISIONS = {
    "NeoQuasar/Kronos-small": "901c26c1332695a2a8f243eb2f37243a37bea320",
    "NeoQuasar/Kronos-Tokenizer-base": "0e0117387f39004a9016484a186a908917e22426",
}
"""The commits that the published regression test names; other ids take the Hub's newest."""
PUBLISHED_TOKENIZERS = {
    "mini": "NeoQuasar/Kronos-Tokenizer-2k",
    "small": "NeoQuasar/Kronos-Tokenizer-base",
    "base": "NeoQuasar/Kronos-Tokenizer-base",
}
"""The tokenizer whose tokens each published predictor was trained on."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_NO_NETWORK_HINT = "copy its folder there, or in kq.yaml under model: base: scratch, preset: nano"

Module = TypeVar("Module", Kronos, KronosTokenizer)


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
    return _load(_find(name, models_dir, revision), TokenizerConfig, KronosTokenizer)


def load_predictor(name: str | Path, *, models_dir: Path | None = None, revision: str | None = None) -> Kronos:
    """Load a predictor from a folder, from `models_dir`, or from the Hub at `revision`; CheckpointError otherwise."""
    return _load(_find(name, models_dir, revision), PredictorConfig, Kronos)


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
    folder = _find(name, models_dir, revision)
    paired = (folder / PREDICTOR_FOLDER).is_dir() or (folder / TOKENIZER_FOLDER).is_dir()
    predictor_folder = folder / PREDICTOR_FOLDER if paired else folder
    predictor = load_predictor(predictor_folder)
    published = _published_name(predictor.config)
    if tokenizer is None and not paired:
        if published is None:
            raise CheckpointError(f"{name}: no tokenizer beside the predictor", hint="name its tokenizer's folder")
        tokenizer = PUBLISHED_TOKENIZERS[published]
    tokenizer_folder = folder / TOKENIZER_FOLDER if tokenizer is None else _find(tokenizer, models_dir, None)
    loaded = load_tokenizer(tokenizer_folder)
    if published is not None:
        _check_published(published, str(name), str(tokenizer or tokenizer_folder), loaded.config)
    check_fit(loaded.config, predictor.config)
    card_context = _card_context(folder) if paired else None
    return Pair(
        tokenizer=loaded,
        predictor=predictor,
        max_context=card_context or native_context(predictor.config),
        digest=_digest(tokenizer_folder, predictor_folder),
    )


def check_fit(tokenizer: TokenizerConfig, predictor: PredictorConfig) -> None:
    """Raise CheckpointError unless both split a token into the same bits."""
    expected, found = (predictor.s1_bits, predictor.s2_bits), (tokenizer.s1_bits, tokenizer.s2_bits)
    if expected != found:
        raise CheckpointError(
            f"the tokenizer does not fit the predictor: expected s1_bits + s2_bits = {expected[0]} + {expected[1]}, "
            f"found {found[0]} + {found[1]}",
            hint="use the tokenizer that the predictor was trained with",
        )


def native_context(config: PredictorConfig) -> int:
    """The longest window, in bars, that a predictor of this shape is meant for: 2048 for mini, else 512."""
    name = _shape_name(config)
    return DEFAULT_CONTEXT if name is None else PRESETS[name].max_context


def weights_digest(folder: Path) -> str:
    """Hex sha256 over config.json and model.safetensors of both models of a pair folder."""
    return _digest(folder / TOKENIZER_FOLDER, folder / PREDICTOR_FOLDER)


def find_model(name: str | Path, models_dir: Path | None) -> Path | None:
    """The local folder of a model, or None: `name` as a path, `models_dir`/name, `models_dir`/last part of name."""
    candidates = [Path(name).expanduser()]
    if models_dir is not None:
        candidates += [models_dir / name, models_dir / Path(name).name]
    return next((folder for folder in candidates if folder.is_dir()), None)


def save(module: Kronos | KronosTokenizer, folder: Path) -> None:
    """Write config.json and model.safetensors; a new folder appears whole, in an old one each file does."""
    if folder.exists():
        _write(module, folder)
    else:
        with write_aside(folder) as partial:
            _write(module, partial)


def _write(module: Kronos | KronosTokenizer, folder: Path) -> None:
    tensors = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    with write_aside(folder / WEIGHTS_FILE) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})
    write_json(folder / CONFIG_FILE, asdict(module.config))


def _find(name: str | Path, models_dir: Path | None, revision: str | None) -> Path:
    """The folder of a model, fetched from the Hub where it is not local."""
    folder = find_model(name, models_dir)
    if folder is not None:
        return folder
    if not isinstance(name, str) or not _HUB_ID.fullmatch(name):
        looked = "" if models_dir is None else f", nor in {models_dir}"
        raise CheckpointError(f"{name}: no such folder{looked}", hint="kq doctor shows the models that are there")
    where = models_dir if models_dir is not None else "this folder"
    return _fetch(name, str(where), revision or PINNED_REVISIONS.get(name, "main"))


def _fetch(name: str, where: str, revision: str) -> Path:
    """The Hub's copy of both files, from its local cache if they are there."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    def download(file: str, local: bool) -> Path:
        return Path(hf_hub_download(name, file, revision=revision, local_files_only=local))

    try:
        return _both(download, local=True)
    except LocalEntryNotFoundError:
        pass
    if constants.HF_HUB_OFFLINE:
        reason = "and HF_HUB_OFFLINE forbids asking the Hub"
        raise CheckpointError(f"{name}: not in {where}, {reason}", hint=_NO_NETWORK_HINT)
    if not _hub_answers(constants.ENDPOINT):
        raise CheckpointError(f"{name}: not in {where} and the Hub cannot be reached", hint=_NO_NETWORK_HINT)
    try:
        with disk_errors(Path(constants.HF_HUB_CACHE)):
            return _both(download, local=False)
    except KronosQuantError:
        raise
    except EntryNotFoundError as error:
        raise CheckpointError(
            f"{name}: {CONFIG_FILE} or {WEIGHTS_FILE} is not on the Hub at revision {revision}",
            hint="only safetensors are loaded; pickle checkpoints are never opened",
        ) from error
    except HfHubHTTPError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{name}: the Hub refused: {reason}", hint="check the id and the revision") from error
    except Exception as error:  # the transport's own error types differ between versions of the client
        raise CheckpointError(f"{name}: the download from the Hub broke off", hint=_NO_NETWORK_HINT) from error


def _both(download: Callable[[str, bool], Path], *, local: bool) -> Path:
    download(CONFIG_FILE, local)
    return download(WEIGHTS_FILE, local).parent


def _hub_answers(endpoint: str) -> bool:
    """Ask once, briefly: the Hub's client would go on retrying for half a minute."""
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=HUB_TIMEOUT_SECONDS)
    except Exception:  # the transport's own error types differ between versions of the client
        return False
    return True


def _load(folder: Path, kind: type[Any], build: type[Module]) -> Module:
    config = _read_config(folder, kind)
    tensors = _read_weights(folder / WEIGHTS_FILE)
    with torch.device("meta"):
        module = build(config)
    _check_tensors(folder / WEIGHTS_FILE, module.state_dict(), tensors)
    for key, value in tensors.items():
        # a cast of the whole file has rounded the rotary frequencies: distant positions would run together
        if key.endswith("rotary.inv_freq") and value.dtype != torch.float32:
            tensors[key] = Rotary(2 * len(value)).inv_freq
    module.load_state_dict(tensors, strict=True, assign=True)
    return module.float().eval()


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file", hint="a model folder holds config.json and model.safetensors")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as JSON: {error}", hint="copy the file again") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def _read_config(folder: Path, kind: type[Any]) -> Any:
    path = folder / CONFIG_FILE
    values = _read_json(path)
    hint = "the keys of a tokenizer's and a predictor's config.json differ: is it the right folder?"
    missing = [f.name for f in fields(kind) if f.name not in values and f.default is MISSING]
    if missing:
        raise CheckpointError(f"{path}: missing keys: {listed(missing)}", hint=hint)
    unknown = sorted(values.keys() - {f.name for f in fields(kind)})
    if unknown:
        raise CheckpointError(f"{path}: unknown keys: {listed(unknown)}", hint=hint)
    types = get_type_hints(kind)
    for key, value in values.items():
        if not _is_of(types[key], value):
            expected = types[key].__name__ if types[key] in (bool, int, float) else "str"
            raise CheckpointError(f"{path}: {key}: expected {expected}, found {value!r}", hint="copy the file again")
    try:
        return kind(**values)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}", hint="copy the file again") from error


def _is_of(kind: Any, value: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind if kind is bool else str)


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        pickles = [name for name in PICKLE_FILES if (path.parent / name).is_file()]
        if pickles:
            raise CheckpointError(
                f"{path.parent}: only {pickles[0]} is there, a pickle, which is never opened; expected {path.name}",
                hint="get the safetensors version of these weights",
            )
        raise CheckpointError(f"{path}: no such file", hint="copy the model's model.safetensors there")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({str(error).splitlines()[0]})", hint="copy the file again"
        ) from error


def _check_tensors(path: Path, expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    hint = "config.json and model.safetensors must belong to the same model"
    missing = sorted(expected.keys() - found.keys())
    if missing:
        raise CheckpointError(f"{path}: missing weights: {listed(missing)}", hint=hint)
    unknown = sorted(found.keys() - expected.keys())
    if unknown:
        raise CheckpointError(f"{path}: unknown weights: {listed(unknown)}", hint=hint)
    unlike = [
        f"{key} (expected {list(expected[key].shape)}, found {list(found[key].shape)})"
        for key in expected
        if expected[key].shape != found[key].shape
    ]
    if unlike:
        raise CheckpointError(f"{path}: wrong shapes: {listed(unlike)}", hint=hint)
    kinds = [
        f"{key} ({found[key].dtype})"
        for key in expected
        if expected[key].is_floating_point() != found[key].is_floating_point()
    ]
    if kinds:
        raise CheckpointError(f"{path}: wrong dtypes: {listed(kinds)}", hint=hint)
    broken = [key for key, value in found.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise CheckpointError(f"{path}: not finite: {listed(broken)}", hint="the training run diverged, or copy again")


def _shape_name(config: PredictorConfig) -> str | None:
    """The preset whose sizes these are."""
    sizes = ("s1_bits", "s2_bits", "n_layers", "d_model", "n_heads", "ff_dim")
    for name, preset in PRESETS.items():
        if all(getattr(config, size) == getattr(preset.predictor, size) for size in sizes):
            return name
    return None


def _published_name(config: PredictorConfig) -> str | None:
    """The published predictor that these weights are or may be: its sizes, and not trained here."""
    name = _shape_name(config)
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


def _card_context(folder: Path) -> int | None:
    """max_context of a pair folder's card.json, where it has one."""
    path = folder / CARD_FILE
    if not path.exists():
        return None
    value = _read_json(path).get("max_context")
    if value is not None and (not _is_of(int, value) or value < 1):
        raise CheckpointError(f"{path}: max_context: expected a positive int, found {value!r}")
    return value


def _digest(tokenizer: Path, predictor: Path) -> str:
    whole = hashlib.sha256()
    for part, folder in ((TOKENIZER_FOLDER, tokenizer), (PREDICTOR_FOLDER, predictor)):
        for file in (CONFIG_FILE, WEIGHTS_FILE):
            if not (folder / file).is_file():
                raise CheckpointError(f"{folder / file}: no such file", hint="name a folder that training has left")
            whole.update(f"{part}/{file} {file_digest(folder / file)}\n".encode())
    return whole.hexdigest()
