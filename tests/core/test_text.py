"""Text from outside hides nothing and turns nothing around."""

import pytest

from bot.core.text import cut, one_line, utc, visible


@pytest.mark.parametrize("c", ["\u202e", "\u200b", "\u2066", "\u0000", "\u3164", "\u2028"])
def test_what_hides_or_turns_text_is_shown_by_its_number(c: str) -> None:
    assert visible(f"a{c}b") == f"a⟨U+{ord(c):04X}⟩b"


def test_lines_and_other_scripts_are_kept() -> None:
    assert visible("a\r\nb\tc\n日本 é") == "a\nb c\n日本 é"


def test_long_text_is_cut_where_it_can_be_seen() -> None:
    assert cut("abcd", 4) == "abcd"
    assert cut("abcde", 4) == "abc…"
    assert one_line(" a\n\n b  c ", 9) == "a b c"
    assert one_line("a\nbcdef", 4) == "a b…"


def test_an_instant_is_written_to_the_second() -> None:
    assert utc(1_700_000_000_999) == "2023-11-14T22:13:20Z"
