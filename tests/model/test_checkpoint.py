import json
import shutil

import pytest
from broken_models import edit_config, edit_weights, refusal

from kronos_quant.files import file_digest
from kronos_quant.model.checkpoint import load_pair, native_context, weights_digest
from kronos_quant.model.files import find_model
from kronos_quant.model.kronos import PRESETS, Kronos, KronosTokenizer


def test_a_missing_folder_is_named(tmp_path):
    words = refusal(Kronos.from_pretrained, tmp_path / "none", models_dir=tmp_path)
    assert words == f"{tmp_path / 'none'}: no such folder, nor in {tmp_path}"


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
    assert refusal(load_pair, pair_folder / "predictor").endswith("no tokenizer next to the predictor")


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


def test_a_tokenizer_of_other_columns_does_not_fit_bars(pair_folder, make_tokenizer):
    make_tokenizer(d_in=5).save_pretrained(pair_folder / "tokenizer")
    assert "expected d_in = 6 (open, high, low, close, volume, amount), found 5" in refusal(load_pair, pair_folder)


@pytest.mark.parametrize("record", ["card.json", "origin.json"])
def test_recorded_digests_are_checked_where_there_are_some(pair_folder, record):
    path = pair_folder / "predictor" / "model.safetensors"
    stated = {"predictor/model.safetensors": file_digest(path)}
    (pair_folder / record).write_text(json.dumps({"sha256": stated}))
    load_pair(pair_folder)
    edit_weights(pair_folder / "predictor", lambda t: t["norm.weight"].mul_(2))
    words = refusal(load_pair, pair_folder)
    assert words.startswith(f"{path}: expected the sha256 {stated['predictor/model.safetensors'][:16]}… that {record}")


def test_a_network_alone_is_compared_with_its_own_record(folder):
    (folder / "origin.json").write_text(json.dumps({"sha256": {"config.json": "0" * 64}}))
    assert refusal(Kronos.from_pretrained, folder).startswith(f"{folder / 'config.json'}: expected the sha256 0000")


def test_a_tokenizer_named_beside_a_pair_is_not_held_to_the_pairs_record(pair_folder, make_tokenizer, tmp_path):
    make_tokenizer().save_pretrained(tmp_path / "other")
    digests = {"tokenizer/config.json": "0" * 64}
    (pair_folder / "origin.json").write_text(json.dumps({"sha256": digests}))
    assert load_pair(pair_folder, tmp_path / "other").max_context == 96


def test_a_file_and_a_link_to_nowhere_are_no_folders(folder, tmp_path):
    words = refusal(Kronos.from_pretrained, folder / "config.json")
    assert words == f"{folder / 'config.json'}: a file, expected a model's folder"
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(Kronos.from_pretrained, tmp_path / "loop") == f"{tmp_path / 'loop'}: a link that leads nowhere"
    assert refusal(Kronos.from_pretrained, "~nobody-of-this-name/model").endswith("no such folder")


def test_one_network_has_a_digest_too(folder):
    assert len(weights_digest(folder)) == 64
    assert weights_digest(folder) != weights_digest(folder.parent)
