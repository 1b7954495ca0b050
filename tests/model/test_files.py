import json
import math
import os
import shutil
import struct
import subprocess
import sys

import pytest
import torch
from broken_models import BROKEN, edit_config, edit_weights, refusal

from kronos_quant.model import files as room
from kronos_quant.model.checkpoint import load_pair
from kronos_quant.model.files import kind_of
from kronos_quant.model.kronos import Kronos, KronosTokenizer


def test_what_is_saved_loads_the_same_in_eval_mode(tmp_path, make_tokenizer, make_predictor):
    for model in (make_tokenizer().train(), make_predictor(learn_te=False).train()):
        model.save_pretrained(tmp_path / "m")
        again = type(model).from_pretrained(tmp_path / "m")
        assert again.config == model.config
        assert not again.training
        assert list(again.state_dict()) == list(model.state_dict())
        assert all(value.equal(model.state_dict()[key]) for key, value in again.state_dict().items())
        assert {n: p.requires_grad for n, p in again.named_parameters()} == {
            n: p.requires_grad for n, p in model.named_parameters()
        }
        shutil.rmtree(tmp_path / "m")


def test_loading_does_not_start_a_compiler(tmp_path, make_predictor):
    # arithmetic on the meta device imports torch._dynamo: more than a second in each process that loads a model
    script = "import sys; from kronos_quant.model import Kronos; "
    for learned in (True, False):
        make_predictor(learn_te=learned).save_pretrained(tmp_path / f"{learned}")
        script += f"Kronos.from_pretrained({str(tmp_path / f'{learned}')!r}); "
    script += "print('torch._dynamo' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_saving_into_an_old_folder_replaces_both_files_and_leaves_no_other(folder, make_predictor):
    bigger = make_predictor(n_layers=3)
    bigger.save_pretrained(folder)
    assert len(Kronos.from_pretrained(folder).transformer) == 3
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_a_save_that_fails_leaves_nothing(tmp_path, make_predictor, monkeypatch):
    def fail(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "save_file", fail)
    with pytest.raises(KeyboardInterrupt):
        make_predictor().save_pretrained(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_dependency_rotation_is_published_where_the_key_is_absent(folder):
    assert Kronos.from_pretrained(folder).config.dependency_rotation == "consistent"
    edit_config(folder, dependency_rotation=None)
    assert Kronos.from_pretrained(folder).config.dependency_rotation == "published"


def test_half_precision_weights_load_as_float32(folder):
    whole = Kronos.from_pretrained(folder)
    edit_weights(folder, lambda t: t.update({key: value.half() for key, value in t.items()}))
    model = Kronos.from_pretrained(folder)
    assert {p.dtype for p in model.state_dict().values()} == {torch.float32}
    rotary = "transformer.0.self_attn.rotary.inv_freq"
    assert model.state_dict()[rotary].equal(whole.state_dict()[rotary])  # not rounded on the way


# Broken folders


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert refusal(Kronos.from_pretrained, folder) == f"{folder / name}: no such file"


def test_a_pickle_is_refused_unopened(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"would run if opened")
    words = refusal(Kronos.from_pretrained, folder)
    assert words == (
        f"{folder}: only pytorch_model.bin is there, a pickle, which is never opened; expected model.safetensors"
    )


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(folder, share):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: int(len(whole) * share)])
    words = refusal(Kronos.from_pretrained, folder)
    assert words.startswith(f"{folder / 'model.safetensors'}: not a whole safetensors file")


def test_wrong_shapes_say_key_expected_and_found(folder):
    edit_config(folder, ff_dim=32)
    words = refusal(Kronos.from_pretrained, folder)
    assert "wrong shapes: transformer.0.ffn.w1.weight (expected [32, 16], found [24, 16])" in words
    assert words.endswith("and 1 more")  # 6 in all: three weights in each of two layers, 5 shown


def test_missing_and_unknown_weights_are_named(folder):
    edit_weights(folder, lambda t: t.update(extra=torch.zeros(1)))
    assert refusal(Kronos.from_pretrained, folder).endswith("unknown weights: extra")
    edit_weights(folder, lambda t: [t.pop("extra"), t.pop("norm.weight")])
    assert refusal(Kronos.from_pretrained, folder).endswith("missing weights: norm.weight")


def test_weights_that_are_not_finite_are_named(folder):
    edit_weights(folder, lambda t: t["norm.weight"].fill_(float("nan")))
    assert refusal(Kronos.from_pretrained, folder).endswith("not finite: norm.weight")


def test_integers_in_place_of_floats_are_named(folder):
    edit_weights(folder, lambda t: t.update({"norm.weight": torch.ones(16, dtype=torch.int64)}))
    assert refusal(Kronos.from_pretrained, folder).endswith(
        "wrong dtypes: norm.weight (expected F32 or F16 or BF16 or F64, found I64)"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_layers": None, "ff_dim": None}, "missing keys: n_layers, ff_dim"),
        ({"n_layer": 2}, "unknown keys: n_layer"),
        ({"d_model": "16"}, "d_model: expected int, found '16'"),
        ({"n_heads": True}, "n_heads: expected int, found True"),
        ({"n_heads": 2.0}, "n_heads: expected int, found 2.0"),
        ({"learn_te": 1}, "learn_te: expected bool, found 1"),
        ({"ffn_dropout_p": "0"}, "ffn_dropout_p: expected float, found '0'"),
        ({"dependency_rotation": 3}, "dependency_rotation: expected str, found 3"),
        ({"dependency_rotation": "both"}, "dependency_rotation: must be published or consistent, got 'both'"),
        ({"n_heads": 3}, "d_model: must be a multiple of 2 * n_heads = 6, got 16"),
        ({"n_layers": 10**9}, "n_layers: must be from 1 to 256, got 1000000000"),
    ],
)
def test_a_bad_config_says_the_key(folder, changes, words):
    edit_config(folder, **changes)
    assert refusal(Kronos.from_pretrained, folder) == f"{folder / 'config.json'}: {words}"


def test_a_whole_number_is_a_float_too(folder):
    edit_config(folder, ffn_dropout_p=0)
    assert Kronos.from_pretrained(folder).config.ffn_dropout_p == 0


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null"])
def test_a_config_that_is_no_json_object_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    assert str(folder / "config.json") in refusal(Kronos.from_pretrained, folder)


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_pair_is_refused_in_one_line(pair_folder, name):
    breaks, words = BROKEN[name]
    breaks(pair_folder)
    assert words in refusal(load_pair, pair_folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_widths_of_floats_are_cast_to_float32(folder, dtype):
    whole = Kronos.from_pretrained(folder)
    edit_weights(folder, lambda t: t.update({key: value.to(dtype) for key, value in t.items()}))
    model = Kronos.from_pretrained(folder)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    expected = whole.state_dict()["head.proj_s1.weight"].to(dtype).float()
    assert model.state_dict()["head.proj_s1.weight"].equal(expected)


def test_weights_survive_the_file_they_came_from(folder):
    model = Kronos.from_pretrained(folder)
    before = model.state_dict()["norm.weight"].clone()
    (folder / "model.safetensors").write_bytes(b"cut short")  # in place: a mapped file would crash the process
    assert model.state_dict()["norm.weight"].equal(before)


def test_a_folder_that_may_not_be_read_is_refused(folder, monkeypatch):
    def refuse(self, *arguments, **settings):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    assert (
        refusal(Kronos.from_pretrained, folder)
        == f"{folder / 'config.json'}: not readable as a file: Permission denied"
    )


def test_a_name_that_is_too_long_is_refused(tmp_path):
    assert refusal(Kronos.from_pretrained, tmp_path / ("x" * 5000)).endswith("cannot be read: File name too long")


def test_kinds_are_told_by_names_and_keys(pair_folder, tmp_path):
    assert kind_of(pair_folder) == "pair"
    assert kind_of(pair_folder / "tokenizer") == "tokenizer"
    assert kind_of(pair_folder / "predictor") == "predictor"
    assert kind_of(tmp_path) is None


def test_each_kind_refuses_the_others(pair_folder):
    assert refusal(Kronos.from_pretrained, pair_folder / "tokenizer").endswith(
        "this is a tokenizer, expected a predictor"
    )
    words = refusal(KronosTokenizer.from_pretrained, pair_folder / "predictor")
    assert words.endswith("this is a predictor, expected a tokenizer")
    assert (
        refusal(KronosTokenizer.from_pretrained, pair_folder) == f"{pair_folder}: this is a pair, expected a tokenizer"
    )


def write_zeros(path, layout):
    """A safetensors file of zeros with some names, dtypes and shapes: a header, and a hole that takes no room."""
    header, end = {}, 0
    for key, (dtype, shape) in layout.items():
        kind, width = {"torch.float32": ("F32", 4), "torch.int64": ("I64", 8)}[dtype]
        begin, end = end, end + width * math.prod(shape)
        header[key] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + end)


@pytest.mark.parametrize(
    "name", ["Kronos-mini", "Kronos-small", "Kronos-base", "Kronos-Tokenizer-base", "Kronos-Tokenizer-2k"]
)
def test_the_published_layouts_load_and_load_strictly(published_configs, tmp_path, name):
    layout = json.loads((published_configs / name / "expected_state_dict.json").read_text())
    build = KronosTokenizer if "Tokenizer" in name else Kronos
    weights = tmp_path / "model.safetensors"
    shutil.copy(published_configs / name / "config.json", tmp_path)
    write_zeros(weights, layout)
    model = build.from_pretrained(tmp_path)
    assert {key: [str(value.dtype), list(value.shape)] for key, value in model.state_dict().items()} == layout
    assert not model.training
    first = next(iter(layout))
    write_zeros(weights, {key: layout[key] for key in layout if key != first})
    assert refusal(build.from_pretrained, tmp_path).endswith(f"missing weights: {first}")
    write_zeros(weights, layout | {"more": ["torch.float32", [1]]})
    assert refusal(build.from_pretrained, tmp_path).endswith("unknown weights: more")
    write_zeros(weights, layout | {first: ["torch.float32", [1, *layout[first][1]]]})
    assert "wrong shapes: " + first in refusal(build.from_pretrained, tmp_path)
