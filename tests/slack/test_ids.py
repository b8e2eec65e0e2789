"""What a button carries, and what is made of anything else that stands there."""

import pytest

from bot.slack.views.ids import Ref, parse, request_id


def test_a_ref_is_read_as_it_was_written() -> None:
    ref = Ref("R-12", 3, "0123abcd")
    assert str(ref) == "R-12.3.0123abcd"
    assert parse(str(ref)) == ref


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        ["R-1.1.00000000"],
        "",
        "R-1",
        "R-0.1.00000000",
        "R-1.0.00000000",
        "R-1.1.0000000",
        "R-1.1.000000000",
        "R-1.1.0000000G",
        "r-1.1.00000000",
        "R-1.1.00000000\n",
        "R-٣.1.00000000",
        "R-1.-1.00000000",
        "R-99999999999.1.00000000",
    ],
)
def test_anything_else_is_nothing(value: object) -> None:
    assert parse(value) is None


@pytest.mark.parametrize("word", ["R-7", "r-7", "r7", "R7", " R-7 "])
def test_people_may_spell_a_request_as_they_like(word: str) -> None:
    assert request_id(word) == "R-7"


@pytest.mark.parametrize("word", ["", "7", "R-", "R-0", "R-07", "R--7", "R-7x", "R-7 R-8", "R-٧"])
def test_what_is_no_request_is_none(word: str) -> None:
    assert request_id(word) is None
