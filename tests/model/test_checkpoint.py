import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from kronos_quant.errors import CheckpointError
from kronos_quant.model import checkpoint
from kronos_quant.model.checkpoint import find_model, load_pair, native_context, weights_digest
from kronos_quant.model.kronos import PRESETS, Kronos, KronosTokenizer, PredictorConfig


@pytest.fixture
def pair_folder(tmp_path, make_tokenizer, make_predictor):
    """A folder as training leaves it."""
    folder = tmp_path / "models" / "mine"
    make_tokenizer().save_pretrained(folder / "tokenizer")
    make_predictor().save_pretrained(folder / "predictor")
    (folder / "card.json").write_text(json.dumps({"max_context": 96, "lookback": 24}))
    return folder


@pytest.fixture
def folder(pair_folder):
    return pair_folder / "predictor"


def edit_config(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def edit_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def refusal(load, *arguments, **options):
    with pytest.raises(CheckpointError) as caught:
        load(*arguments, **options)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    assert "\n" not in (caught.value.hint or "")
    return str(caught.value)


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


def test_saving_into_an_old_folder_replaces_both_files_and_leaves_no_other(folder, make_predictor):
    bigger = make_predictor(n_layers=3)
    bigger.save_pretrained(folder)
    assert len(Kronos.from_pretrained(folder).transformer) == 3
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_a_save_that_fails_leaves_nothing(tmp_path, make_predictor, monkeypatch):
    def fail(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", fail)
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


def test_a_missing_folder_is_named(tmp_path):
    words = refusal(Kronos.from_pretrained, tmp_path / "none", models_dir=tmp_path)
    assert words == f"{tmp_path / 'none'}: no such folder, nor in {tmp_path}"


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
    assert refusal(Kronos.from_pretrained, folder).endswith("wrong dtypes: norm.weight (torch.int64)")


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


def test_a_tokenizer_is_no_predictor(pair_folder):
    words = refusal(Kronos.from_pretrained, pair_folder / "tokenizer")
    assert "missing keys: n_layers, token_dropout_p, learn_te" in words


# Pairs


def test_a_pair_folder_loads_with_its_card(pair_folder):
    pair = load_pair(pair_folder)
    assert isinstance(pair.tokenizer, KronosTokenizer)
    assert isinstance(pair.predictor, Kronos)
    assert pair.max_context == 96
    assert pair.digest == weights_digest(pair_folder)


def test_without_a_card_the_architecture_says_the_context(pair_folder):
    (pair_folder / "card.json").unlink()
    assert load_pair(pair_folder).max_context == 512
    assert native_context(PRESETS["mini"].predictor) == 2048
    assert native_context(PRESETS["base"].predictor) == 512


@pytest.mark.parametrize("value", [0, "512", True])
def test_a_bad_context_in_the_card_is_refused(pair_folder, value):
    (pair_folder / "card.json").write_text(json.dumps({"max_context": value}))
    assert f"max_context: expected a positive int, found {value!r}" in refusal(load_pair, pair_folder)


def test_half_a_pair_is_refused(pair_folder):
    shutil.rmtree(pair_folder / "tokenizer")
    assert refusal(load_pair, pair_folder) == f"{pair_folder / 'tokenizer'}: no such folder"


def test_other_bits_do_not_fit(pair_folder, make_tokenizer):
    make_tokenizer(s1_bits=5, s2_bits=2).save_pretrained(pair_folder / "tokenizer")
    words = refusal(load_pair, pair_folder)
    assert words.endswith("expected s1_bits + s2_bits = 4 + 3, found 5 + 2")


def test_a_lone_predictor_takes_the_tokenizer_that_is_named(pair_folder):
    pair = load_pair(pair_folder / "predictor", pair_folder / "tokenizer")
    assert pair.digest == weights_digest(pair_folder)
    assert refusal(load_pair, pair_folder / "predictor").endswith("no tokenizer beside the predictor")


@pytest.fixture
def published(monkeypatch, tmp_path, make_tokenizer, make_predictor):
    """A models folder where tiny stand-ins have the published names and places."""
    tokenizer, predictor = make_tokenizer(group_size=5), make_predictor(dependency_rotation="published")
    monkeypatch.setitem(
        PRESETS, "mini", PRESETS["mini"]._replace(tokenizer=tokenizer.config, predictor=predictor.config)
    )
    tokenizer.save_pretrained(tmp_path / "Kronos-Tokenizer-2k")
    make_tokenizer(group_size=4).save_pretrained(tmp_path / "Kronos-Tokenizer-base")
    predictor.save_pretrained(tmp_path / "NeoQuasar" / "Kronos-mini")
    return tmp_path


def test_a_published_predictor_finds_its_published_tokenizer_and_context(published):
    pair = load_pair("NeoQuasar/Kronos-mini", models_dir=published)
    assert pair.tokenizer.config.group_size == 5
    assert pair.max_context == 2048


def test_a_published_predictor_refuses_the_other_published_tokenizer(published):
    words = refusal(load_pair, "NeoQuasar/Kronos-mini", "NeoQuasar/Kronos-Tokenizer-base", models_dir=published)
    assert words == (
        "NeoQuasar/Kronos-mini (Kronos-mini): expected NeoQuasar/Kronos-Tokenizer-2k (group_size 5), "
        "found NeoQuasar/Kronos-Tokenizer-base (group_size 4)"
    )


def test_the_digest_follows_every_byte_of_weights_and_config(pair_folder):
    digests = {weights_digest(pair_folder)}
    edit_weights(pair_folder / "predictor", lambda t: t["norm.weight"].mul_(2))
    digests.add(weights_digest(pair_folder))
    edit_config(pair_folder / "tokenizer", beta=0.06)
    digests.add(weights_digest(pair_folder))
    (pair_folder / "card.json").write_text("{}")  # says how it was trained, not what it computes
    digests.add(weights_digest(pair_folder))
    assert len(digests) == 3
    assert all(len(digest) == 64 for digest in digests)


def test_a_digest_needs_all_four_files(pair_folder):
    (pair_folder / "tokenizer" / "config.json").unlink()
    assert "no such file" in refusal(weights_digest, pair_folder)


def test_models_are_found_as_path_name_or_last_part_of_an_id(pair_folder, tmp_path):
    models = tmp_path / "models"
    assert find_model(pair_folder, None) == pair_folder
    assert find_model("mine", models) == pair_folder
    assert find_model("somebody/mine", models) == pair_folder
    assert find_model("mine", None) is None
    assert find_model("other", models) is None


# The Hub, without a network


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the Hub's client that records its calls; `hub.files` is what is online, `hub.cached` local."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    class Hub:
        files, cached, online, calls = {}, {}, True, []

        def download(self, name, file, *, revision, local_files_only):
            self.calls.append((name, file, revision, local_files_only))
            source = self.cached if local_files_only else self.files
            if file in source:
                return str(source[file])
            raise LocalEntryNotFoundError("not cached") if local_files_only else EntryNotFoundError("404")

    hub = Hub()
    hub.files, hub.cached, hub.calls = {}, {}, []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    monkeypatch.setattr(checkpoint, "_hub_answers", lambda endpoint: hub.online)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return hub


def test_an_unreachable_hub_is_one_line(hub, tmp_path):
    hub.online = False
    words = refusal(Kronos.from_pretrained, "NeoQuasar/Kronos-small", models_dir=tmp_path)
    assert words == f"NeoQuasar/Kronos-small: not in {tmp_path} and the Hub cannot be reached"
    assert all(local for *_, local in hub.calls)


def test_offline_mode_never_asks_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    words = refusal(load_pair, "NeoQuasar/Kronos-small", models_dir=tmp_path)
    assert words == f"NeoQuasar/Kronos-small: not in {tmp_path}, and HF_HUB_OFFLINE forbids asking the Hub"
    assert all(local for *_, local in hub.calls)


def test_a_known_id_is_fetched_at_its_pinned_revision(hub, folder):
    hub.files = {path.name: path for path in folder.iterdir()}
    model = Kronos.from_pretrained("NeoQuasar/Kronos-small")
    assert model.config == PredictorConfig(**json.loads((folder / "config.json").read_text()))
    assert {revision for _, _, revision, _ in hub.calls} == {"901c26c1332695a2a8f243eb2f37243a37bea320"}
    assert {file for _, file, *_ in hub.calls} == {"config.json", "model.safetensors"}


def test_a_given_revision_wins_and_the_cache_is_enough(hub, folder):
    hub.online = False
    hub.cached = {path.name: path for path in folder.iterdir()}
    Kronos.from_pretrained("NeoQuasar/Kronos-small", revision="abc")
    assert [(revision, local) for _, _, revision, local in hub.calls] == [("abc", True)] * 2


def test_an_id_without_safetensors_is_refused(hub, folder):
    hub.files = {"config.json": folder / "config.json"}
    words = refusal(Kronos.from_pretrained, "somebody/pickled")
    assert words == "somebody/pickled: config.json or model.safetensors is not on the Hub at revision main"


def test_a_broken_download_is_one_line(hub, monkeypatch):
    def download(name, file, *, revision, local_files_only):
        if not local_files_only:
            raise ConnectionResetError("peer went away")
        return hub.download(name, file, revision=revision, local_files_only=True)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    words = refusal(Kronos.from_pretrained, "somebody/model")
    assert words == "somebody/model: the download from the Hub broke off"
