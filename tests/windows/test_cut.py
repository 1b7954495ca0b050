"""The compiled path against the plain one, bit for bit."""

import numpy as np
import pytest
from reference_windows import lookback_scale, normalise

from kronos_quant.windows import WindowIndex, bar_table, build_index, gather, gather_arrays, gather_stamps, index_scale

CLIP = 1.5


@pytest.fixture
def table_and_index(bars, sessions):
    table = bar_table(bars, sessions)
    return table, build_index(table, 8, 4, 10)


def plain(table, index, which):
    begin = index.anchor[which] - index.lookback + 1
    rows = begin[:, None] + np.arange(index.lookback + index.predict)
    scale = lookback_scale(table.values[rows], index.lookback)
    return normalise(table.values[rows], scale, CLIP), table.stamp[rows], scale


@pytest.mark.parametrize("known", [False, True])
def test_windows_are_those_of_the_plain_path_bit_for_bit(table_and_index, known):
    table, index = table_and_index
    which = np.random.default_rng(0).permutation(len(index))[:20]
    values, stamp, scale = plain(table, index, which)
    found = gather_arrays(table, index, which, CLIP, index_scale(table, index) if known else None)
    assert np.array_equal(found[0], values)
    assert np.array_equal(found[1], stamp)
    assert np.array_equal(found[2].mean, scale.mean)
    assert np.array_equal(found[2].std, scale.std)
    assert (np.abs(values) == np.float32(CLIP)).any()


def test_a_slice_takes_the_same_windows(table_and_index):
    table, index = table_and_index
    known = index_scale(table, index)
    by_slice = gather(table, index, slice(3, 7), CLIP, known)
    assert np.array_equal(by_slice.values, gather(table, index, np.arange(3, 7), CLIP).values)
    assert np.array_equal(by_slice.stamp, gather_stamps(table, index, np.arange(3, 7)))


def test_a_constant_column_is_zero_and_its_scale_exact(table_and_index):
    table, index = table_and_index
    table.values[:, 3] = np.float32(88_888.8)
    values, _, scale = gather_arrays(table, index, np.arange(5), CLIP)
    assert (values[..., 3] == 0).all()
    assert (scale.mean[..., 3] == np.float64(np.float32(88_888.8))).all()
    assert (scale.std[..., 3] == 0).all()


def test_no_windows_are_an_empty_batch(table_and_index):
    table, index = table_and_index
    assert gather(table, index, np.empty(0, np.int64), CLIP).values.shape == (0, 12, 6)


@pytest.mark.parametrize("row", [3, -1])
def test_rows_outside_the_table_are_not_read(table_and_index, row):
    table, index = table_and_index
    beyond = WindowIndex(index.lookback, index.predict, np.array([row % table.rows], dtype=np.int64))
    with pytest.raises(AssertionError):
        gather(table, beyond, slice(None), CLIP)
