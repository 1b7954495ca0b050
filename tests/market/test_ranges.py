"""A single date is a session of the data; the bounds of a range need not be, but it holds one."""

from datetime import date

import pytest

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market.ranges import check_session, select_range

KNOWN = [date(2025, 6, day) for day in (5, 6, 9, 10)]


def day(number):
    return None if number is None else date(2025, 6, number)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(None, None, 5, 10), (6, 9, 6, 9), (7, 9, 9, 9), (6, 8, 6, 6), (1, 30, 5, 10), (9, 9, 9, 9)],
)
def test_a_range_has_the_sessions_between_its_bounds(start, end, first, last):
    chosen = select_range(KNOWN, day(start), day(end))
    assert (chosen[0], chosen[-1]) == (day(first), day(last))
    assert chosen == [on for on in KNOWN if day(first) <= on <= day(last)]


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        (7, 8, DataError, "no session from 2025-06-07 to 2025-06-08: the nearest are 2025-06-06 and 2025-06-09"),
        (7, 7, DataError, "2025-06-07 is not a session: the nearest are 2025-06-06 and 2025-06-09"),
        (11, None, DataError, "2025-06-11 is after the data, which end on 2025-06-10"),
        (None, 4, DataError, "2025-06-04 is before the data, which begin on 2025-06-05"),
        (9, 6, ConfigError, "start 2025-06-09 is after end 2025-06-06"),
    ],
)
def test_a_range_without_a_session_names_the_nearest(start, end, error, message):
    with pytest.raises(error) as caught:
        select_range(KNOWN, day(start), day(end))
    assert str(caught.value) == message


def test_a_single_date_is_a_session():
    check_session(KNOWN, day(9))
    with pytest.raises(DataError, match="2025-06-08 is not a session: the nearest are 2025-06-06 and 2025-06-09"):
        check_session(KNOWN, day(8))
