"""Every way a model folder can be broken: what breaks a whole pair, and what the refusal must say."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from kronos_quant.errors import CheckpointError

Break = Callable[[Path], object]


def refusal(load: Callable[..., object], *arguments: object, **options: object) -> str:
    """The one line with which something refuses a model."""
    with pytest.raises(CheckpointError) as caught:
        load(*arguments, **options)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    assert "\n" not in (caught.value.hint or "")
    return str(caught.value)


def edit_json(path: Path, **changes: object) -> None:
    """Change some keys of a JSON file; None takes a key away."""
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def edit_config(folder: Path, **changes: object) -> None:
    """Change some keys of config.json; None takes a key away."""
    edit_json(folder / "config.json", **changes)


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of model.safetensors."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def in_predictor(**changes: object) -> Break:
    return lambda pair: edit_config(pair / "predictor", **changes)


def as_config(text: str | bytes) -> Break:
    content = text if isinstance(text, bytes) else text.encode()
    return lambda pair: (pair / "predictor" / "config.json").write_bytes(content)


def as_weights(content: bytes) -> Break:
    return lambda pair: (pair / "predictor" / "model.safetensors").write_bytes(content)


def in_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Break:
    return lambda pair: edit_weights(pair / "predictor", change)


def cut(share: float) -> Break:
    def truncate(pair: Path) -> None:
        path = pair / "predictor" / "model.safetensors"
        os.truncate(path, int(path.stat().st_size * share))

    return truncate


def in_place(name: str, make: Callable[[Path], object]) -> Break:
    """Something else in place of a file or folder of the pair."""

    def replace(pair: Path) -> None:
        path = pair / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return replace


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def torch_pickle(pair: Path) -> None:
    torch.save({"norm.weight": torch.ones(4)}, pair / "predictor" / "model.safetensors")


def only_a_pickle(pair: Path) -> None:
    path = pair / "predictor" / "model.safetensors"
    path.rename(path.with_name("pytorch_model.bin"))


def swap(pair: Path) -> None:
    for first, second in (("tokenizer", "x"), ("predictor", "tokenizer"), ("x", "predictor")):
        (pair / first).rename(pair / second)


def nest(pair: Path) -> None:
    shutil.copytree(pair, pair.with_name("inner"))
    shutil.rmtree(pair / "predictor")
    pair.with_name("inner").rename(pair / "predictor")


def recorded_otherwise(pair: Path) -> None:
    (pair / "origin.json").write_text(json.dumps({"sha256": {"predictor/model.safetensors": "0" * 64}}))


def poke(value: float) -> Break:
    return in_weights(lambda tensors: tensors["norm.weight"].view(-1)[:1].fill_(value))


def retype(dtype: torch.dtype) -> Break:
    return in_weights(lambda tensors: tensors.update({"norm.weight": tensors["norm.weight"].to(dtype)}))


PICKLE = "this is a pickle, which is never opened"
HEADER_BOMB = struct.pack("<Q", 9 * 2**20) + b'{"a":' + b"[" * (9 * 2**20)

BROKEN: dict[str, tuple[Break, str]] = {
    "cut in half": (cut(0.5), "not a whole safetensors file"),
    "cut by a byte": (cut(0.99999), "not a whole safetensors file"),
    "empty weights": (cut(0.0), "not a whole safetensors file (0 bytes)"),
    "four bytes": (as_weights(b"abcd"), "not a whole safetensors file (4 bytes)"),
    "a header of 2^63 bytes": (as_weights(struct.pack("<Q", 2**63) + b"{}"), "a header of 9,223,372,036,854,775,808"),
    "a header bomb": (as_weights(HEADER_BOMB), "expected a header of at most 8,388,608 bytes, found 9,437,184"),
    "a header that is no JSON": (as_weights(struct.pack("<Q", 4) + b"{{{{"), "not a whole safetensors file"),
    "a page in place of weights": (as_weights(b"<!DOCTYPE html><html>" * 9), "not a whole safetensors file"),
    "a pointer to weights": (as_weights(b"version https://git-lfs.github.com/spec/v1\n"), "only a Git LFS pointer"),
    "a pickle, renamed": (as_weights(pickle.dumps({"a": list(range(99))}, 2)), PICKLE),
    "torch's pickle, renamed": (torch_pickle, PICKLE),
    "a pickle only": (only_a_pickle, "only pytorch_model.bin is there, a pickle, which is never opened"),
    "wrong shapes": (in_predictor(ff_dim=16), "wrong shapes: transformer.0.ffn.w1.weight (expected [16, "),
    "a key too many": (in_weights(lambda t: t.update(extra=torch.zeros(1))), "unknown weights: extra"),
    "a key with a line break": (in_weights(lambda t: t.update({"a\nb": torch.zeros(1)})), r"unknown weights: a\nb"),
    "a key missing": (in_weights(lambda t: t.pop("norm.weight")), "missing weights: norm.weight"),
    "a weight that is not a number": (poke(float("nan")), "not finite: norm.weight"),
    "an infinite weight": (poke(float("-inf")), "not finite: norm.weight"),
    "weights of a strange kind": (retype(torch.float8_e4m3fn), "wrong dtypes: norm.weight (expected F32 or"),
    "integers in place of floats": (retype(torch.int64), "wrong dtypes: norm.weight (expected F32 or"),
    "no weights": (lambda pair: (pair / "predictor" / "model.safetensors").unlink(), "model.safetensors: no such file"),
    "a folder of weights": (in_place("predictor/model.safetensors", Path.mkdir), "safetensors: a folder, expected"),
    "weights that link to themselves": (in_place("predictor/model.safetensors", loop), "a link that leads nowhere"),
    "no config": (lambda pair: (pair / "predictor" / "config.json").unlink(), "config.json: no such file"),
    "a config that links to itself": (in_place("predictor/config.json", loop), "config.json: a link that leads"),
    "a config that never ends": (in_place("predictor/config.json", os.mkfifo), "config.json: a pipe, expected a file"),
    "an empty config": (as_config(""), "config.json: not readable as JSON"),
    "half a config": (as_config('{"n_layers": 2,'), "config.json: not readable as JSON"),
    "a config of no text": (as_config(b"\xff\xfe\x00\xd8"), "config.json: cannot be read as UTF-8 text"),
    "a config that is deep": (as_config("[" * 200_000), "config.json: not readable as JSON"),
    "a config that is long": (as_config(" " * 2**21 + "{}"), "expected at most 1,048,576 bytes of JSON, found"),
    "a config that is a list": (as_config("[1, 2]"), "expected a JSON object, found list"),
    "a config of something else": (as_config('{"model_type": "bert"}'), "config.json: missing keys: s1_bits"),
    "a key missing in the config": (in_predictor(ff_dim=None), "config.json: missing keys: ff_dim"),
    "a key too many in the config": (in_predictor(n_layer=2), "config.json: unknown keys: n_layer"),
    "a text for a number": (in_predictor(d_model="64"), "d_model: expected int, found '64'"),
    "a float for a number": (in_predictor(d_model=1e30), "d_model: expected int, found 1e+30"),
    "a dropout that is no number": (in_predictor(ffn_dropout_p=float("nan")), "ffn_dropout_p: expected a number of"),
    "a huge dropout": (in_predictor(attn_dropout_p=10**400), "attn_dropout_p: expected a number of ordinary size"),
    "a billion layers": (in_predictor(n_layers=10**9), "n_layers: must be from 1 to 256, got 1000000000"),
    "a number of 4,000 digits": (in_predictor(n_layers=10**4000), "n_layers: must be from 1 to 256, got 1000"),
    "a width of a billion": (in_predictor(d_model=2**30), "d_model: must be from 1 to 65536, got 1073741824"),
    "as wide as is allowed": (in_predictor(d_model=2**16, n_layers=256, ff_dim=2**18), "missing weights: "),
    "no heads": (in_predictor(n_heads=0), "n_heads: must be from 1 to 1024, got 0"),
    "an empty predictor": (in_place("predictor", Path.mkdir), "predictor: an empty folder, expected config.json"),
    "an empty folder": (lambda pair: [shutil.rmtree(path) for path in pair.iterdir() if path.is_dir()], "config.json"),
    "a predictor that links to itself": (in_place("predictor", loop), "predictor: a link that leads nowhere"),
    "a file in place of the tokenizer": (in_place("tokenizer", Path.touch), "tokenizer: a file, expected a model"),
    "half a pair": (lambda pair: shutil.rmtree(pair / "tokenizer"), "tokenizer: no such folder"),
    "tokenizer and predictor swapped": (swap, "this is a tokenizer, expected a predictor"),
    "a pair in place of the predictor": (nest, "this is a pair, expected a predictor"),
    "a card that is no object": (lambda pair: (pair / "card.json").write_text("7"), "expected a JSON object, found"),
    "a card with a strange context": (lambda pair: edit_json(pair / "card.json", max_context="512"), "max_context: "),
    "other weights than recorded": (recorded_otherwise, "model.safetensors: expected the sha256 0000000000000000"),
    "a record that is no object": (
        lambda pair: (pair / "origin.json").write_text('{"sha256": 3}'),
        "sha256: expected an object of files, found int",
    ),
}  # fmt: skip
"""Name -> what breaks a whole pair folder, and a part of the one line that refuses it."""
