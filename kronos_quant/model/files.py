"""Model folders: found by name, read without trusting them, written whole.

A network's folder holds config.json and model.safetensors. Nothing is executed, and no number of the file is read
before names, shapes and kinds are those that config.json requires: a stranger's file costs no more memory than the
network that it claims to be. A pair's folder holds two of them, `tokenizer/` and `predictor/`. Records in either,
card.json (how it was trained) and origin.json (where it came from), may state digests of the files, which are then
compared. Whatever is wrong is one CheckpointError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kronos_quant import paths, readers
from kronos_quant.errors import CheckpointError, ConfigError, listed
from kronos_quant.files import file_digest, write_aside, write_json
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.model.hub import CONFIG_FILE, WEIGHTS_FILE, Fetched, fetch, is_hub_id

PICKLE_FILES = ("pytorch_model.bin", "model.bin", "model.pt", "model.pth", "model.ckpt")
TOKENIZER_FOLDER, PREDICTOR_FOLDER = "tokenizer", "predictor"
CARD_FILE, ORIGIN_FILE = "card.json", "origin.json"
"""Beside the weights: what a model says about its training, and where it was copied from."""
RECORDS = (CARD_FILE, ORIGIN_FILE)
"""What may hold `sha256`, an object of file name -> digest, in hex."""

Kind = Literal["pair", "tokenizer", "predictor"]
Network = TypeVar("Network", bound="Pretrained")

_MARKS: dict[str, Kind] = {"n_enc_layers": "tokenizer", "n_layers": "predictor"}
"""The config key that only the one kind has."""

_LARGEST_JSON = 2**20
_LARGEST_HEADER = 2**23
"""Bytes. The published files take 30 KB; the largest config that is accepted has a header of 1 MB."""
_LARGEST_NUMBER = 1e6
_FLOATS = ("F32", "F16", "BF16", "F64")
_PICKLES = (b"PK\x03\x04", *(bytes([0x80, protocol]) for protocol in range(2, 6)))
_LFS_POINTER = b"version https://git-lfs"

_DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_)

_PICKLE_HINT = "get the safetensors version of these weights"


class Pretrained(nn.Module):
    """A network that is kept in a folder. A subclass names its kind and the dataclass of its config.json."""

    kind: ClassVar[Kind]
    config_type: ClassVar[type[Any]]
    config: Any

    @classmethod
    def from_pretrained(
        cls, name_or_path: PathLike, *, models_dir: Path | None = None, revision: str | None = None
    ) -> Self:
        """Load the network in eval mode on the CPU, in float32.

        Parameters
        ----------
        name_or_path : a folder, the name of one in `models_dir`, or a Hub id.
        models_dir : where named models lie.
        revision : branch, tag or commit on the Hub; None: the pinned one where it is known.

        Raises
        ------
        CheckpointError
            When it is missing, damaged, or not what its config.json or its records say.
        """
        return load_network(locate(name_or_path, models_dir, revision).folder, cls)

    def save_pretrained(self, folder: PathLike) -> None:
        """Write config.json and model.safetensors; a new folder appears whole, in an old one each file does."""
        path = as_path(folder, "folder")
        if path.exists():
            _write(self, path)
        else:
            with write_aside(path) as partial:
                _write(self, partial)


def load_network(folder: Path, build: type[Network]) -> Network:
    """The network in `folder`, compared with the digests that the folder's own records state."""
    network = read_network(folder, build)
    if any(os.path.lexists(folder / record) for record in RECORDS):
        check_recorded(folder, file_digests({"": folder}))
    return network


def read_network(folder: Path, build: type[Network]) -> Network:
    """The network in `folder`, on the CPU, in float32 and in eval mode.

    Weights may be stored in float16, bfloat16 or float64. Raises CheckpointError when anything is missing, damaged,
    or not what config.json says.
    """
    with readable(folder):
        _check_single(folder, build.kind)
        config = read_config(folder, build)
        with torch.device("meta"), Undrawn():
            module = build(config)
        tensors = _read_weights(folder / WEIGHTS_FILE, module.state_dict())
    module.load_state_dict(tensors, strict=True, assign=True)
    return module.float().eval()


def find_model(name: PathLike, models_dir: Path | None) -> Path | None:
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


def locate(name: PathLike, models_dir: Path | None, revision: str | None = None) -> Fetched:
    """The folder of a model, fetched from the Hub where it is not local; CheckpointError where there is none."""
    folder = find_model(name, models_dir)
    if folder is not None:
        return Fetched(folder)
    if is_hub_id(name):
        return fetch(str(name), str(models_dir or "this folder"), revision)
    path = Path(name)
    if path.is_file():
        raise CheckpointError(f"{path}: a file, expected a model's folder", hint=f"name {path.parent}")
    if path.is_symlink():
        raise CheckpointError(missing(path))
    looked = "" if models_dir is None else f", nor in {models_dir}"
    raise CheckpointError(f"{name}: no such folder{looked}", hint="kq model list")


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


def check_recorded(folder: Path, digests: dict[str, str]) -> None:
    """Compare files with the digests that the folder's records state for them; files without one pass."""
    for record in RECORDS:
        path = folder / record
        stated: Any = read_json(path).get("sha256", {}) if os.path.lexists(path) else {}
        if not isinstance(stated, dict):
            raise CheckpointError(f"{path}: sha256: expected an object of files, found {type(stated).__name__}")
        for file, found in digests.items():
            if stated.get(file, found) != found:
                raise CheckpointError(
                    f"{folder / file}: expected the sha256 {str(stated[file])[:16]}… that {record} states, found "
                    f"{found[:16]}…: damaged or altered",
                    hint="get the model again, or delete the record if you changed it on purpose",
                )


class Undrawn(TorchFunctionMode):
    """Leaves the first weights of a network undrawn, for those of a file come in their place.

    On the meta device there is nothing to draw, and the attempt alone loads a compiler: 1.6 s in every process.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the tensor that torch.nn.init or its method would fill as it is; run anything else."""
        if func in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def kind_of(folder: Path) -> Kind | None:
    """What a folder holds, by its names and its config's keys alone; None for anything else."""
    if is_pair(folder):
        return "pair"
    with readable(folder):
        if not (folder / CONFIG_FILE).is_file():
            return None
        return _kind_by_keys(read_json(folder / CONFIG_FILE))


def is_pair(folder: Path) -> bool:
    """Whether a folder holds a tokenizer's or a predictor's folder."""
    with readable(folder):
        return (folder / PREDICTOR_FOLDER).is_dir() or (folder / TOKENIZER_FOLDER).is_dir()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file; raises CheckpointError for anything else."""
    with readable(path):
        if not path.is_file():
            raise CheckpointError(missing(path), hint="a model folder holds config.json and model.safetensors")
        size = path.stat().st_size
        if size > _LARGEST_JSON:
            raise CheckpointError(f"{path}: expected at most {_LARGEST_JSON:,} bytes of JSON, found {size:,}")
    return readers.read_json(path, CheckpointError, "copy the file again")


def read_config(folder: Path, build: type[Pretrained]) -> Any:
    """The configuration of a network in config.json, a `build.config_type`; CheckpointError when it is none."""
    path = folder / CONFIG_FILE
    values = read_json(path)
    wanted, found_kind = build.config_type, _kind_by_keys(values)
    if found_kind is not None and found_kind != build.kind:
        raise CheckpointError(f"{path}: this is a {found_kind}, expected a {build.kind}", hint="check the folder")
    missing_keys = [f.name for f in fields(wanted) if f.name not in values and f.default is MISSING]
    if missing_keys:
        raise CheckpointError(f"{path}: missing keys: {listed(missing_keys)}", hint="copy the file again")
    unknown = sorted(values.keys() - {f.name for f in fields(wanted)})
    if unknown:
        raise CheckpointError(f"{path}: unknown keys: {_escaped(unknown)}", hint="expected a Kronos model")
    types = get_type_hints(wanted)
    for key, value in values.items():
        if not _is_of(types[key], value):
            expected = types[key].__name__ if types[key] in (bool, int, float) else "str"
            found = _shortened(repr(value))
            raise CheckpointError(f"{path}: {key}: expected {expected}, found {found}", hint="copy the file again")
        if isinstance(value, int | float) and not abs(value) <= _LARGEST_NUMBER and types[key] is float:
            raise CheckpointError(f"{path}: {key}: expected a number of ordinary size, found {_shortened(repr(value))}")
    try:
        return wanted(**values)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {_shortened(str(error))}", hint="copy the file again") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says against reading (a permission, a name too long, a bad disk) into CheckpointError."""
    try:
        yield
    except OSError as error:
        place = error.filename or path
        raise CheckpointError(f"{place}: cannot be read: {error.strerror or error}") from error


def missing(path: Path) -> str:
    """The words for a path that is no file."""
    kind = paths.kind_of_path(path)
    return f"{path}: {kind}" if kind in (paths.MISSING, paths.NOWHERE) else f"{path}: {kind}, expected a file"


def _write(module: Pretrained, folder: Path) -> None:
    tensors = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    with write_aside(folder / WEIGHTS_FILE) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})
    write_json(folder / CONFIG_FILE, asdict(module.config))


def _check_single(folder: Path, kind: Kind) -> None:
    """Say it when the folder holds nothing, or a pair where one network is asked for."""
    if os.path.lexists(folder / CONFIG_FILE):
        return
    if is_pair(folder):
        raise CheckpointError(f"{folder}: this is a pair, expected a {kind}", hint=f"name {folder / kind}")
    if folder.is_dir() and not any(folder.iterdir()):
        raise CheckpointError(f"{folder}: an empty folder, expected {CONFIG_FILE} and {WEIGHTS_FILE}")


def _kind_by_keys(values: dict[str, Any]) -> Kind | None:
    return next((kind for mark, kind in _MARKS.items() if mark in values), None)


def _is_of(kind: Any, value: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind if kind is bool else str)


def _read_weights(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    if not path.is_file():
        pickles = [name for name in PICKLE_FILES if (path.parent / name).is_file()]
        if pickles:
            raise CheckpointError(
                f"{path.parent}: only {pickles[0]} is there, a pickle, which is never opened; expected {path.name}",
                hint=_PICKLE_HINT,
            )
        raise CheckpointError(missing(path), hint="copy the model's model.safetensors there")
    _check_beginning(path)
    try:
        with safe_open(path, framework="pt") as file:
            found = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
            _check_names(path, expected, found)
            # copies: tensors that stay mapped to the file would crash the process when it is cut short
            tensors = {key: file.get_tensor(key).clone() for key in found}
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise _not_whole(path, str(error).partition("\n")[0]) from error
    broken = [key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise CheckpointError(f"{path}: not finite: {listed(broken)}", hint="the training run diverged, or copy again")
    return tensors


def check_network(folder: Path, build: type[Pretrained]) -> None:
    """Raise CheckpointError where config.json is none of this network, or its weights are no whole file.

    The weights themselves are not read, which takes long.
    """
    read_config(folder, build)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise CheckpointError(missing(path), hint="copy the model's model.safetensors there")
    _check_beginning(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise _not_whole(path, str(error).partition("\n")[0]) from error
    if not names:
        raise _not_whole(path, "no weights")


def _check_beginning(path: Path) -> None:
    """Tell what is no safetensors file by its first bytes, and a header that is too long, before it is parsed."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        begin = stream.read(64)
    if begin.startswith(_PICKLES) and begin[8:9] != b"{":
        raise CheckpointError(f"{path}: this is a pickle, which is never opened", hint=_PICKLE_HINT)
    if begin.startswith(_LFS_POINTER):
        raise CheckpointError(f"{path}: only a Git LFS pointer to the weights", hint="git lfs pull")
    header = int.from_bytes(begin[:8], "little")
    if len(begin) < 8 or header + 8 > size:
        raise _not_whole(path, f"{size:,} bytes" + (f", a header of {header:,}" if len(begin) >= 8 else ""))
    if header > _LARGEST_HEADER:
        raise CheckpointError(f"{path}: expected a header of at most {_LARGEST_HEADER:,} bytes, found {header:,}")


def _not_whole(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path}: not a whole safetensors file ({reason})", hint="copy the file again")


def _check_names(path: Path, expected: dict[str, Tensor], found: dict[str, Any]) -> None:
    """Compare names, shapes and kinds of numbers with those of the network; `found` are slices, not yet read."""
    hint = "config.json and model.safetensors must belong to the same model"
    missing_keys = sorted(expected.keys() - found.keys())
    if missing_keys:
        raise CheckpointError(f"{path}: missing weights: {listed(missing_keys)}", hint=hint)
    unknown = sorted(found.keys() - expected.keys())
    if unknown:
        raise CheckpointError(f"{path}: unknown weights: {_escaped(unknown)}", hint=hint)
    unlike = [
        f"{key} (expected {list(value.shape)}, found {found[key].get_shape()})"
        for key, value in expected.items()
        if list(value.shape) != found[key].get_shape()
    ]
    if unlike:
        raise CheckpointError(f"{path}: wrong shapes: {listed(unlike)}", hint=hint)
    kinds = [
        f"{key} (expected {' or '.join(wanted)}, found {found[key].get_dtype()})"
        for key, value in expected.items()
        if found[key].get_dtype() not in (wanted := _FLOATS if value.is_floating_point() else ("I64",))
    ]
    if kinds:
        raise CheckpointError(f"{path}: wrong dtypes: {listed(kinds)}", hint=hint)


def _escaped(strange: list[str]) -> str:
    """Names out of a stranger's file, in one line and not at any length."""
    return listed(_shortened(name.encode("unicode_escape").decode()) for name in strange)


def _shortened(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
