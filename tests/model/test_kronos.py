import json
import math
from dataclasses import replace

import pytest
import torch
from reference_model import decode_s1, s2_logits_last
from torch.nn import functional

from kronos_quant.errors import ConfigError
from kronos_quant.model.kronos import (
    PRESETS,
    Attention,
    Kronos,
    KronosTokenizer,
    PredictorConfig,
    RMSNorm,
    Rotary,
    TokenizerConfig,
    rotate,
)

TOLERANCE = 1e-5


def assert_near(found, expected, tolerance=TOLERANCE):
    assert found.shape == expected.shape
    difference = (found - expected).abs().max().item()
    assert difference <= tolerance, f"differs by {difference}"


# The published implementation on the same weights


def test_token_ids_equal_the_published_ones(tokenizer, cases):
    s1, s2 = tokenizer.encode(cases["x"])
    assert s1.equal(cases["s1_ids"])
    assert s2.equal(cases["s2_ids"])
    assert s1.dtype == torch.int64
    assert (s1 + (s2 << tokenizer.config.s1_bits)).equal(cases["ids"])


def test_the_code_equals_the_published_one_from_bars_and_from_ids(tokenizer, cases):
    assert_near(tokenizer.tokenizer(tokenizer.directions(cases["x"])), cases["quantized"])
    assert_near(tokenizer.tokenizer.code(cases["s1_ids"], cases["s2_ids"]), cases["quantized"])


def test_reconstructions_equal_the_published_ones(tokenizer, cases):
    assert_near(tokenizer.decode_code(cases["quantized"]), cases["recon"])
    assert_near(tokenizer.decode(cases["s1_ids"], cases["s2_ids"]), cases["decoded_half"])
    assert_near(tokenizer.decode(cases["s1_ids"], cases["s2_ids"]), cases["decoded_full"])
    assert_near(decode_s1(tokenizer, cases["s1_ids"]), cases["recon_s1"])


def test_tokenizer_loss_and_its_parts_equal_the_published_ones_in_training_and_evaluation(tokenizer, cases):
    for training in (False, True):
        loss = tokenizer.train(training).loss(cases["x"])
        assert_near(loss.total, cases["tok_loss"])
        assert_near(loss.recon, cases["tok_recon"])
        assert_near(loss.recon_s1, cases["tok_recon_pre"])
        assert_near(loss.bsq, cases["tok_bsq"])
        assert_near(loss.bsq, cases["bsq_loss_eval"])


def test_every_tokenizer_gradient_equals_the_published_one(tokenizer, cases):
    tokenizer.loss(cases["x"]).total.backward()
    for name, parameter in tokenizer.named_parameters():
        assert_near(parameter.grad, cases[f"tok_grad.{name}"])


def test_context_and_logits_equal_the_published_ones(predictor, cases):
    context = predictor.context(cases["s1_ids"], cases["s2_ids"], cases["x_stamp"])
    assert_near(context, cases["context"])
    assert_near(predictor.s1_logits(context), cases["s1_logits"])
    assert predictor.s1_logits(context)[:, -1:].argmax(-1).equal(cases["s1_next"])
    assert_near(predictor(cases["s1_ids"], cases["s2_ids"], None)[0], cases["s1_logits_no_stamp"])


def test_s2_logits_of_generation_equal_the_published_ones(predictor, cases):
    assert predictor.config.dependency_rotation == "published"
    assert_near(s2_logits_last(predictor, cases["context"], cases["s1_next"][:, 0]), cases["s2_logits_last"])


def teacher_forced(predictor, cases):
    s1, s2 = cases["s1_ids"], cases["s2_ids"]
    s1_logits, s2_logits = predictor(s1[:, :-1], s2[:, :-1], cases["x_stamp"][:, :-1], s1[:, 1:])
    ce_s1 = functional.cross_entropy(s1_logits.flatten(0, 1), s1[:, 1:].flatten())
    ce_s2 = functional.cross_entropy(s2_logits.flatten(0, 1), s2[:, 1:].flatten())
    return s1_logits, s2_logits, ce_s1, ce_s2


@pytest.mark.parametrize("training", [True, False])
def test_teacher_forced_logits_equal_the_published_causal_ones_in_both_modes(predictor, cases, training):
    s1_logits, s2_logits, ce_s1, ce_s2 = teacher_forced(predictor.train(training), cases)
    assert_near(s1_logits, cases["tf_s1_logits_train"])
    assert_near(s2_logits, cases["tf_s2_logits_train"])
    assert_near(ce_s1, cases["ce_s1"])
    assert_near(ce_s2, cases["ce_s2"])
    assert_near((ce_s1 + ce_s2) / 2, cases["ce"])


def test_every_predictor_gradient_equals_the_published_one(predictor, cases):
    *_, ce_s1, ce_s2 = teacher_forced(predictor, cases)
    ((ce_s1 + ce_s2) / 2).backward()
    for name, parameter in predictor.named_parameters():
        assert_near(parameter.grad, cases[f"pred_grad.{name}"])


@pytest.mark.parametrize(
    "name", ["Kronos-mini", "Kronos-small", "Kronos-base", "Kronos-Tokenizer-base", "Kronos-Tokenizer-2k"]
)
def test_every_published_key_has_its_name_shape_and_dtype(published_configs, name):
    config = json.loads((published_configs / name / "config.json").read_text())
    expected = json.loads((published_configs / name / "expected_state_dict.json").read_text())
    with torch.device("meta"):
        is_tokenizer = "Tokenizer" in name
        model = KronosTokenizer(TokenizerConfig(**config)) if is_tokenizer else Kronos(PredictorConfig(**config))
    found = {key: [str(value.dtype), list(value.shape)] for key, value in model.state_dict().items()}
    assert found == expected


@pytest.mark.parametrize(
    ("name", "folder"), [("mini", "Kronos-mini"), ("small", "Kronos-small"), ("base", "Kronos-base")]
)
def test_presets_have_the_published_shapes_and_rotate_consistently(published_configs, name, folder):
    published = PredictorConfig(**json.loads((published_configs / folder / "config.json").read_text()))
    assert published.dependency_rotation == "published"
    assert PRESETS[name].predictor == replace(published, dependency_rotation="consistent")
    tokenizer = "Kronos-Tokenizer-2k" if name == "mini" else "Kronos-Tokenizer-base"
    config = json.loads((published_configs / tokenizer / "config.json").read_text())
    assert PRESETS[name].tokenizer == TokenizerConfig(**config)
    assert PRESETS[name].max_context == (2048 if name == "mini" else 512)


@pytest.mark.parametrize(("name", "millions"), [("mini", 4.108), ("small", 24.741), ("base", 102.311)])
def test_predictors_have_the_published_number_of_parameters(name, millions):
    with torch.device("meta"):
        model = Kronos(PRESETS[name].predictor)
        tokenizer = KronosTokenizer(PRESETS[name].tokenizer)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=5e-4)
    assert sum(p.numel() for p in tokenizer.parameters()) / 1e6 == pytest.approx(3.958, abs=5e-4)


def test_nano_has_one_tokenizer_block_each_way_and_two_predictor_layers():
    preset = PRESETS["nano"]
    assert len(KronosTokenizer(preset.tokenizer).encoder) == len(KronosTokenizer(preset.tokenizer).decoder) == 1
    assert len(Kronos(preset.predictor).transformer) == 2
    assert sum(p.numel() for p in Kronos(preset.predictor).parameters()) < 200_000
    assert (preset.tokenizer.s1_bits, preset.tokenizer.s2_bits) == (preset.predictor.s1_bits, preset.predictor.s2_bits)


# Worked out by hand


def test_rms_norm_divides_by_the_root_mean_square():
    norm = RMSNorm(2)
    norm.weight.data = torch.tensor([1.0, 2.0])
    root = math.sqrt((9 + 16) / 2 + 1e-5)
    assert norm(torch.tensor([3.0, 4.0])).tolist() == pytest.approx([3 / root, 8 / root])


def test_rotary_turns_first_half_against_second_half():
    cos, sin = Rotary(4).tables(2)
    # head of 4 values: frequencies 1 and 1/100; position 1 turns (x0, x2) by 1 and (x1, x3) by 0.01 radian
    turned = rotate(torch.tensor([[1.0, 2.0, 3.0, 4.0]] * 2), cos, sin)
    assert turned[0].tolist() == [1.0, 2.0, 3.0, 4.0]
    expected = [
        math.cos(1) - 3 * math.sin(1),
        2 * math.cos(0.01) - 4 * math.sin(0.01),
        3 * math.cos(1) + math.sin(1),
        4 * math.cos(0.01) + 2 * math.sin(0.01),
    ]
    assert turned[1].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_attention_equals_a_loop_over_heads_and_positions(heads):
    torch.manual_seed(heads)
    attention = Attention(16, heads)
    x = torch.randn(2, 5, 16)
    size = 16 // heads
    cos, sin = attention.rotary.tables(5)
    q, k, v = attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)
    expected = torch.zeros(2, 5, 16)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        turned_q, turned_k = rotate(q[..., part], cos, sin), rotate(k[..., part], cos, sin)
        for t in range(5):
            scores = (turned_q[:, t : t + 1] @ turned_k[:, : t + 1].mT) / math.sqrt(size)
            expected[:, t, part] = (scores.softmax(-1) @ v[:, : t + 1, part])[:, 0]
    assert_near(attention(x, x), attention.out_proj(expected))


def test_sub_token_ids_weigh_the_leftmost_bit_one(make_tokenizer):
    quantizer = make_tokenizer(s1_bits=3, s2_bits=2, group_size=5).tokenizer
    z = torch.tensor([[0.1, -0.2, 0.3, -0.1, 0.5], [0.0, 0.1, 0.1, 0.1, 0.1]])
    s1, s2 = quantizer.ids(z)
    assert s1.tolist() == [0b101, 0b110]  # bits 1, 0, 1 -> 1 + 4; zero counts as not set
    assert s2.tolist() == [0b10, 0b11]
    sign = 1 / math.sqrt(5)
    assert quantizer.code(s1, s2)[0].tolist() == pytest.approx([sign, -sign, sign, -sign, sign])
    assert quantizer.part(s1, 3)[0].tolist() == pytest.approx([sign, -sign, sign])


def test_stored_bases_are_descending_powers_of_two(make_tokenizer):
    bsq = make_tokenizer(s1_bits=3, s2_bits=2, group_size=3).tokenizer.bsq
    assert bsq.basis.tolist() == [16, 8, 4, 2, 1]
    assert bsq.group_basis.tolist() == [4, 2, 1]


def test_straight_through_gradient_carries_the_scale(make_tokenizer):
    quantizer = make_tokenizer().tokenizer
    z = torch.randn(3, 7, requires_grad=True)
    quantizer(z).sum().backward()
    assert_near(z.grad, torch.full((3, 7), 1 / math.sqrt(7)), 1e-7)


def test_entropies_are_those_of_two_bits_by_hand(make_tokenizer):
    quantizer = make_tokenizer(s1_bits=1, s2_bits=1, group_size=1).tokenizer
    z = torch.tensor([[[0.6, -0.8], [-0.6, 0.8]]])

    def entropy(p):
        return -(p * math.log(p + 1e-8) + (1 - p) * math.log(1 - p + 1e-8))

    p = [1 / (1 + math.exp(4 * value / math.sqrt(2))) for value in (0.6, -0.8)]
    sample, codebook = quantizer.entropies(z)
    assert sample.item() == pytest.approx(entropy(p[0]) + entropy(p[1]), abs=1e-6)
    # each bit is p in one position and 1 - p in the other: a half on average
    assert codebook.item() == pytest.approx(2 * math.log(2), abs=1e-6)


def test_entropy_of_a_certain_bit_is_finite_and_has_a_finite_gradient(make_tokenizer):
    quantizer = make_tokenizer().tokenizer
    z = torch.full((1, 1, 7), 1000.0, requires_grad=True)  # p underflows to 0: log needs its 1e-8
    sample, codebook = quantizer.entropies(z)
    (sample + codebook).backward()
    assert sample.item() == pytest.approx(0, abs=1e-6)
    assert z.grad.isfinite().all()


def test_loss_is_the_sum_of_its_parts_and_may_be_negative(make_tokenizer):
    tokenizer = make_tokenizer(zeta=5.0)
    loss = tokenizer.loss(torch.randn(2, 9, 6))
    bsq = 0.05 * loss.commitment + 5.0 * (loss.sample_entropy - 1.1 * loss.codebook_entropy)
    assert loss.bsq.item() == pytest.approx(bsq.item(), rel=1e-5)
    assert loss.total.item() == pytest.approx(((loss.recon_s1 + loss.recon + bsq) / 2).item(), rel=1e-5)
    assert loss.bsq < 0


def test_group_size_has_no_effect_on_the_loss(make_tokenizer):
    x = torch.randn(2, 9, 6)
    losses = {make_tokenizer(group_size=size).loss(x).total.item() for size in (1, 2, 5, 7)}
    assert len(losses) == 1


def test_perplexity_counts_the_codes_in_use(make_tokenizer, monkeypatch):
    tokenizer = make_tokenizer()
    s1, s2 = torch.tensor([[0, 1, 2, 3]]), torch.tensor([[5, 5, 5, 5]])
    monkeypatch.setattr(tokenizer.tokenizer, "ids", lambda z: (s1, s2))
    loss = tokenizer.loss(torch.randn(1, 4, 6))
    assert loss.s1_perplexity.item() == pytest.approx(4, rel=1e-6)
    assert loss.s2_perplexity.item() == pytest.approx(1, rel=1e-6)


# Properties


@pytest.mark.parametrize(("s1_bits", "s2_bits"), [(1, 1), (5, 2), (2, 6), (10, 10)])
def test_codes_and_ids_are_inverse_for_any_split_of_bits(make_tokenizer, s1_bits, s2_bits):
    quantizer = make_tokenizer(s1_bits=s1_bits, s2_bits=s2_bits, group_size=1).tokenizer
    s1, s2 = torch.randint(0, 2**s1_bits, (50,)), torch.randint(0, 2**s2_bits, (50,))
    found = quantizer.ids(quantizer.code(s1, s2))
    assert found[0].equal(s1)
    assert found[1].equal(s2)


def test_encoding_and_decoding_are_causal(make_tokenizer):
    tokenizer = make_tokenizer(n_enc_layers=3, n_dec_layers=3)
    x = torch.randn(2, 12, 6)
    changed = x.clone()
    changed[:, 8:] = torch.randn(2, 4, 6)
    s1, s2 = tokenizer.encode(x)
    other_s1, other_s2 = tokenizer.encode(changed)
    assert s1[:, :8].equal(other_s1[:, :8])
    assert s2[:, :8].equal(other_s2[:, :8])
    assert_near(tokenizer.decode(s1, s2)[:, :8], tokenizer.decode(other_s1, other_s2)[:, :8])


@pytest.mark.parametrize("training", [True, False])
def test_logits_never_see_later_bars(make_predictor, make_stamps, training):
    model = make_predictor().train(training)
    s1, s2, stamps = torch.randint(0, 16, (2, 12)), torch.randint(0, 8, (2, 12)), make_stamps(2, 12)
    sibling = torch.randint(0, 16, (2, 12))
    later = [part.clone() for part in (s1, s2, stamps, sibling)]
    for part in later:
        part[:, 8:] = 0
    before, after = model(s1, s2, stamps, sibling), model(*later)
    assert_near(before[0][:, :8], after[0][:, :8], 1e-6)
    assert_near(before[1][:, :8], after[1][:, :8], 1e-6)
    assert (before[1][:, 8:] - after[1][:, 8:]).abs().max() > 1e-3


def test_without_a_sibling_s2_follows_the_most_probable_s1(make_predictor, make_stamps):
    model = make_predictor()
    s1, s2, stamps = torch.randint(0, 16, (2, 6)), torch.randint(0, 8, (2, 6)), make_stamps(2, 6)
    s1_logits, s2_logits = model(s1, s2, stamps)
    assert s2_logits.equal(model(s1, s2, stamps, s1_logits.argmax(-1))[1])
    assert s1_logits.shape == (2, 6, 16)
    assert s2_logits.shape == (2, 6, 8)


def test_consistent_generation_equals_scoring_and_published_does_not(make_predictor, make_stamps):
    consistent = make_predictor(dependency_rotation="consistent")
    published = make_predictor(dependency_rotation="published")
    s1, s2, stamps = torch.randint(0, 16, (3, 9)), torch.randint(0, 8, (3, 9)), make_stamps(3, 9)
    sibling = torch.randint(0, 16, (3, 9))
    context = consistent.context(s1, s2, stamps)
    scored = consistent(s1, s2, stamps, sibling)[1][:, -1]
    assert_near(s2_logits_last(consistent, context, sibling[:, -1]), scored, 1e-6)
    assert published(s1, s2, stamps, sibling)[1][:, -1].equal(scored)  # scoring rotates whatever the rule
    assert (s2_logits_last(published, context, sibling[:, -1]) - scored).abs().max() > 1e-3


def test_stamps_may_come_as_floats(make_predictor, make_stamps):
    model = make_predictor()
    s1, s2, stamps = torch.randint(0, 16, (2, 6)), torch.randint(0, 8, (2, 6)), make_stamps(2, 6)
    assert model(s1, s2, stamps.float())[0].equal(model(s1, s2, stamps.short())[0])


def test_stamp_columns_are_minute_hour_weekday_day_month(make_predictor):
    embedding = make_predictor().time_emb
    stamp = torch.tensor([[[59, 23, 6, 31, 12]]])
    parts = [
        embedding.minute_embed.weight[59],
        embedding.hour_embed.weight[23],
        embedding.weekday_embed.weight[6],
        embedding.day_embed.weight[31],
        embedding.month_embed.weight[12],
    ]
    assert_near(embedding(stamp)[0, 0], torch.stack(parts).sum(0), 1e-6)


def test_fixed_time_embedding_is_frozen_has_its_key_and_is_used_as_stored(make_predictor, make_stamps):
    model = make_predictor(learn_te=False)
    weight = model.state_dict()["time_emb.hour_embed.emb.weight"]
    assert weight.shape == (24, 16)
    assert "time_emb.hour_embed.weight" not in model.state_dict()
    assert not any(p.requires_grad for p in model.time_emb.parameters())
    stored = torch.randn(24, 16)
    model.load_state_dict(model.state_dict() | {"time_emb.hour_embed.emb.weight": stored})
    total = sum(table.emb.weight[0] for name, table in model.time_emb.named_children() if name != "hour_embed")
    stamp = torch.zeros(1, 1, 5, dtype=torch.long)
    stamp[..., 1] = 7
    assert_near(model.time_emb(stamp)[0, 0], total + stored[7], 1e-6)


def test_new_fixed_time_embedding_is_sinusoidal(make_predictor):
    table = make_predictor(learn_te=False).time_emb.minute_embed.emb.weight
    for position, pair in ((3, 0), (41, 5)):
        angle = position * math.exp(-2 * pair * math.log(10000) / 16)
        assert table[position, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-5)
        assert table[position, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_dependency_layer_has_four_heads_whatever_the_model_has(make_predictor):
    for heads in (1, 2, 8):
        model = make_predictor(d_model=32, n_heads=heads)
        assert model.dep_layer.cross_attn.n_heads == 4
        assert model.dep_layer.cross_attn.rotary.inv_freq.shape == (4,)
        assert model.transformer[0].self_attn.rotary.inv_freq.shape == (16 // heads,)


def test_rotary_tables_stay_float32_in_a_bfloat16_model(make_predictor, make_stamps):
    model = make_predictor()
    s1, s2, stamps = torch.randint(0, 16, (2, 300)), torch.randint(0, 8, (2, 300)), make_stamps(2, 300)
    exact = model.transformer[0].self_attn.rotary.tables(300)
    logits = model(s1, s2, stamps)[0]
    narrow = model.bfloat16()
    rotary = narrow.transformer[0].self_attn.rotary
    assert rotary.inv_freq.dtype == torch.float32
    assert all(
        table.dtype == torch.float32 and table.equal(e) for table, e in zip(rotary.tables(300), exact, strict=True)
    )
    found = narrow(s1, s2, stamps)[0]
    assert found.dtype == torch.bfloat16
    assert (found.float() - logits).abs().max() < 0.1
    assert narrow.float().transformer[0].self_attn.rotary.tables(300)[0].equal(exact[0])


def test_predictor_starts_from_xavier_linears_and_small_embeddings(make_predictor):
    model = make_predictor(d_model=64, n_heads=4, ff_dim=96, s1_bits=8, s2_bits=8)
    linear = model.transformer[0].self_attn.q_proj
    assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.05)
    assert linear.bias.abs().max() == 0
    assert model.embedding.emb_s1.weight.std().item() == pytest.approx(1 / 8, rel=0.05)
    assert model.time_emb.minute_embed.weight.std().item() == pytest.approx(1 / 8, rel=0.05)
    assert (model.norm.weight == 1).all()


def test_new_weights_are_a_function_of_the_generator(make_predictor, make_tokenizer):
    for make in (make_predictor, make_tokenizer):
        model = make()
        first = {key: value.clone() for key, value in model.state_dict().items()}
        model.init_weights(torch.Generator().manual_seed(99))
        assert any(not value.equal(first[key]) for key, value in model.state_dict().items())
        torch.manual_seed(1)  # the global generator plays no part
        again = make()
        assert all(value.equal(first[key]) for key, value in again.state_dict().items())


def test_tokenizer_starts_from_the_frameworks_defaults(make_tokenizer):
    linear = make_tokenizer(d_model=64, ff_dim=64).quant_embed
    bound = 1 / math.sqrt(64)
    assert linear.weight.abs().max() <= bound
    assert linear.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert 0 < linear.bias.abs().max() <= bound


def test_dropout_acts_in_training_only(make_predictor, make_stamps):
    model = make_predictor(ffn_dropout_p=0.3, attn_dropout_p=0.3, resid_dropout_p=0.3, token_dropout_p=0.3)
    s1, s2, stamps = torch.randint(0, 16, (2, 9)), torch.randint(0, 8, (2, 9)), make_stamps(2, 9)
    plain = make_predictor()(s1, s2, stamps)[0]
    assert_near(model.eval()(s1, s2, stamps)[0], plain, 1e-6)
    assert (model.train()(s1, s2, stamps)[0] - plain).abs().max() > 1e-2
    assert not any(isinstance(m, torch.nn.Dropout) and m.p > 0 for m in model.dep_layer.modules())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d_model": 20, "n_heads": 3}, "d_model: must be a multiple of 2 * n_heads = 6, got 20"),
        ({"d_model": 12, "n_heads": 2}, "d_model: must be a multiple of 8, got 12"),
        ({"s1_bits": 0}, "s1_bits: must be from 1 to 16, got 0"),
        ({"ffn_dropout_p": 1.5}, "ffn_dropout_p: must be from 0 to 1, got 1.5"),
        ({"dependency_rotation": "none"}, "dependency_rotation: must be published or consistent, got 'none'"),
    ],
)
def test_impossible_predictor_sizes_are_refused(make_predictor, changes, words):
    with pytest.raises(ConfigError) as caught:
        make_predictor(**changes)
    assert str(caught.value) == words


def test_a_group_larger_than_the_token_is_refused(make_tokenizer):
    with pytest.raises(ConfigError, match="group_size: must be from 1 to 7, got 8"):
        make_tokenizer(group_size=8)
