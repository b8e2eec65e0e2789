"""Text of others, made safe to stand among our own."""

import pytest

from bot.slack.views.common import cut, escape, hosts, reason, section, user, when


def test_nothing_that_is_escaped_is_a_mention_or_a_link() -> None:
    assert escape("<!channel> <@U1> <http://x|y> &lt;") == (
        "&lt;!channel&gt; &lt;@U1&gt; &lt;http://x|y&gt; &amp;lt;"
    )


@pytest.mark.parametrize("text", ["\u202e", "\u200b", "\ufeff", "\x00", "\u2028", "\u3164"])
def test_what_hides_is_shown(text: str) -> None:
    assert escape(f"a{text}b") == f"a⟨U+{ord(text):04X}⟩b"


def test_people_are_named_in_one_reason_only() -> None:
    ours = "the quorum no longer stands (<@U02REV>: no longer in legal)"
    assert reason(ours) == ours
    assert reason(f"so: {ours}") == escape(f"so: {ours}")
    assert reason(ours + " <!channel>") == ours + " &lt;!channel&gt;"


@pytest.mark.parametrize("name", ["worker", "host:root", "U1><!channel", "<@U1>"])
def test_only_a_slack_id_is_a_mention(name: str) -> None:
    assert "<" not in user(name)
    assert user("U02REV") == "<@U02REV>"


def test_hosts_are_words_and_not_links() -> None:
    links = ["https://a.example/x", "http://b.example:8080", "https://a.example/y", "nonsense"]
    assert hosts(links) == "a.example, b.example, no host"


def test_an_instant_is_shown_in_the_readers_zone_or_in_utc() -> None:
    assert when(0) == "<!date^0^{date_short_pretty} at {time_secs}|1970-01-01T00:00:00Z>"


def test_a_section_never_exceeds_what_slack_takes() -> None:
    assert len(section("&" * 9000)["text"]["text"]) <= 3000
    assert cut("abc", 2) == "a…"
