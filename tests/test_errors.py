import pickle

from kronos_quant import CheckpointError, ConfigError, DataError, KronosQuantError
from kronos_quant.errors import counted, listed


def test_each_class_has_the_exit_code_of_its_row_in_the_tree():
    codes = {kind: kind("x").exit_code for kind in (KronosQuantError, ConfigError, DataError, CheckpointError)}
    assert codes == {KronosQuantError: 1, ConfigError: 2, DataError: 3, CheckpointError: 4}


def test_a_hint_is_optional_and_apart_from_the_message():
    error = DataError("no bars", hint="kq ingest qlib")
    assert (str(error), error.hint) == ("no bars", "kq ingest qlib")
    assert DataError("no bars").hint is None


def test_a_message_is_a_line_and_so_is_each_that_follows_also_from_another_process():
    error = pickle.loads(pickle.dumps(DataError("a\nb: no bars", "c\x1b\nd", hint="delete a\nb")))
    assert str(error).splitlines() == ["a\\nb: no bars", "c\\x1b\\nd"]
    assert error.hint == "delete a\\nb"


def test_listed_shows_five_and_counts_the_rest():
    assert listed(["A", "B"]) == "A, B"
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"


def test_counted_knows_one_from_many():
    assert [counted(n, "session") for n in (0, 1, 2_000)] == ["0 sessions", "1 session", "2,000 sessions"]
