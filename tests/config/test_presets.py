from kronos_quant.config import ModelConfig, TrainConfig, fill_presets
from kronos_quant.config.presets import FINE_TUNING, FROM_SCRATCH


def test_fine_tuning_has_the_guides_epochs_and_rates():
    train = fill_presets(TrainConfig(), ModelConfig())
    assert (train.tokenizer_epochs, train.predictor_epochs, train.batch_size) == (30, 30, 50)
    assert (train.tokenizer_learning_rate, train.predictor_learning_rate) == (2e-4, 4e-5)


def test_what_is_set_stays_and_the_rest_comes_from_the_size():
    train = fill_presets(TrainConfig(batch_size=7), ModelConfig(base="scratch", preset="nano"))
    assert train.batch_size == 7
    assert train.predictor_learning_rate == FROM_SCRATCH["nano"].predictor_learning_rate
    assert train != fill_presets(TrainConfig(batch_size=7), ModelConfig())


def test_every_size_has_a_preset_and_no_null_is_left():
    for preset in ("nano", "mini", "small", "base"):
        train = fill_presets(TrainConfig(), ModelConfig(base="scratch", preset=preset))
        assert None not in (train.tokenizer_epochs, train.samples_per_epoch, train.tokenizer_learning_rate)
    assert FINE_TUNING.samples_per_epoch == 2_000 * 50


def test_a_part_that_learns_keeps_the_tokenizer_and_a_low_rank_update_has_ten_times_the_rate():
    lora, last, full = (
        fill_presets(TrainConfig.model_validate({"adapt": adapt}), ModelConfig())
        for adapt in ({"lora": 8}, {"last_layers": 2}, "full")
    )
    assert (lora.tokenizer_epochs, last.tokenizer_epochs, full.tokenizer_epochs) == (0, 0, 30)
    assert lora.predictor_learning_rate == 10 * full.predictor_learning_rate == 10 * last.predictor_learning_rate
