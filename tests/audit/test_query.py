"""What people write is understood, or they are told what they may have meant."""

import contextlib
import string
from dataclasses import fields, replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.audit.query import (
    FORMATS,
    HELP,
    KEYS,
    KEYWORDS,
    LONGEST,
    MOST,
    Ask,
    BadQuery,
    Query,
    parse,
)
from bot.core.duration import DAY, HOUR, MINUTE
from bot.core.request import Phase
from bot.core.text import utc
from bot.store.audit import Filters

NOW = 1_795_514_400_000  # 2026-11-24T10:00:00Z
NOVEMBER = 1_793_491_200_000  # 2026-11-01T00:00:00Z


def filters(text: str) -> Filters:
    return parse(text, NOW).filters


def refused(text: str) -> str:
    with pytest.raises(BadQuery) as e:
        parse(text, NOW)
    return str(e.value)


# --- what is understood ----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_nothing_asks_for_the_summary(text: str) -> None:
    assert parse(text, NOW) == Query("", NOW)


@pytest.mark.parametrize("text", ["help", "HELP", " help "])
def test_help_asks_for_help(text: str) -> None:
    assert parse(text, NOW) == Query(text.strip(), NOW, Ask.HELP)


@pytest.mark.parametrize("text", ["R-12", "r-12", " R-12 "])
def test_an_id_asks_for_one_request(text: str) -> None:
    assert parse(text, NOW) == Query(text.strip(), NOW, Ask.REQUEST, "R-12")


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_alone_asks_for_what_it_says(keyword: Ask) -> None:
    assert parse(keyword.upper(), NOW).ask is keyword


@pytest.mark.parametrize("keyword", ["stats", "mine", "export"])
def test_a_keyword_combines_with_times(keyword: str) -> None:
    found = parse(f"{keyword} until:1d since:7d", NOW)
    assert (found.ask, found.filters) == (
        Ask(keyword),
        Filters(since=NOW - 7 * DAY, until=NOW - DAY),
    )


def test_what_is_mine_combines_with_everything_else() -> None:
    found = parse('mine state:vetoed tier:standard spam "press office" limit:5', NOW)
    assert (found.ask, found.limit) == (Ask.MINE, 5)
    assert found.filters == Filters(
        state=Phase.VETOED, tier="standard", words=("spam", "press office")
    )


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_is_in_a_format(format: str) -> None:
    assert parse(f"export format:{format.upper()}", NOW).format == format
    assert parse("export", NOW).format is None


@pytest.mark.parametrize("limit", [1, 20, MOST])
def test_a_limit_alone_asks_for_the_newest(limit: int) -> None:
    found = parse(f"limit:{limit}", NOW)
    assert (found.ask, found.filters, found.limit) == (Ask.LIST, Filters(), limit)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("impersonation", ("impersonation",)),
        ("press office", ("press", "office")),
        ('"press office"', ("press office",)),
        ("“press  office” now", ("now", "press office")),
        ('words:"press office"', ("press office",)),
        ("words:press words:office", ("press", "office")),
        ("états-unis 日本 1,000", ("états-unis", "日本", "1,000")),
        # what alone would mean something else
        ('"vetoed"', ("vetoed",)),
        ("words:vetoed", ("vetoed",)),
        ('"help"', ("help",)),
        ("words:stats", ("stats",)),
        ('"R-12"', ("R-12",)),
        ("words:state:open", ("state:open",)),
        ('"@mallory"', ("@mallory",)),
        ("words:12", ("12",)),
        # and beside another word does not
        ("failed login", ("failed", "login")),
        ("ticket 4711", ("ticket", "4711")),
        # what is too far from anything to be a slip
        ("fine", ("fine",)),
        ("xyzzy", ("xyzzy",)),
        ("TS-4711", ("TS-4711",)),
        ("10:30", ("10:30",)),
        # links, and what Slack makes of them
        ("https://example.org/1", ("https://example.org/1",)),
        ("<https://example.org/1>", ("https://example.org/1",)),
        ("<http://example.org|example.org>", ("example.org",)),
        ("<mailto:a@example.org|a@example.org>", ("a@example.org",)),
        ("<#C02REV|reviews>", ("#reviews",)),
        ("AT&amp;T", ("AT&T",)),
    ],
)
def test_what_is_neither_a_key_nor_a_keyword_is_searched_for(
    text: str, words: tuple[str, ...]
) -> None:
    assert parse(text, NOW) == Query(text, NOW, Ask.LIST, filters=Filters(words=words))


def test_words_combine_with_filters() -> None:
    found = parse('spam state:open "press office" by:U01AGENT', NOW)
    assert found.filters == Filters(by="U01AGENT", state=Phase.OPEN, words=("spam", "press office"))


def test_filters_combine_in_any_order() -> None:
    found = filters("state:vetoed by:<@U01AGENT|ada> tier:standard account:@mallory since:7d")
    assert found == Filters(
        account="@mallory",
        by="U01AGENT",
        state=Phase.VETOED,
        tier="standard",
        since=NOW - 7 * DAY,
    )


def test_keys_may_be_in_capitals() -> None:
    assert filters("State:Vetoed") == Filters(state=Phase.VETOED)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_a_state(phase: Phase) -> None:
    for written in (f'"{phase}"', phase.replace(" ", "-"), phase.replace(" ", "_").upper()):
        assert filters(f"state:{written}").state is phase


@pytest.mark.parametrize("written", ["<@U01AGENT|ada>", "<@U01AGENT>", "U01AGENT", "u01agent"])
@pytest.mark.parametrize("key", ["by", "reviewer"])
def test_a_person_is_a_mention_or_an_id(key: str, written: str) -> None:
    assert getattr(filters(f"{key}:{written}"), key) == "U01AGENT"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mallory", "mallory"),
        ("@mallory", "@mallory"),
        ("@president:example.org", "@president:example.org"),
        ("demo:acct-1", "demo:acct-1"),
        ('"two words"', "two words"),
        ("“two words”", "two words"),
        # what Slack makes of names and addresses in a command
        ("<@U01AGENT|ada>", "@ada"),
        ("<http://alice.bsky.social|alice.bsky.social>", "alice.bsky.social"),
        ("@<http://alice.bsky.social|alice.bsky.social>", "@alice.bsky.social"),
        ("<mailto:a@example.org|a@example.org>", "a@example.org"),
        ("<https://example.org>", "example.org"),
        ("<@U01AGENT|ada>:<http://example.org|example.org>", "@ada:example.org"),
        ("a&amp;b&lt;c", "a&b<c"),
        ("a&amp;lt;", "a&lt;"),
    ],
)
def test_an_account_is_what_was_typed(written: str, meant: str) -> None:
    assert filters(f"account:{written}").account == meant


@pytest.mark.parametrize(
    ("written", "since", "until"),
    [
        ("7d", NOW - 7 * DAY, NOW - 7 * DAY),
        ("24h", NOW - DAY, NOW - DAY),
        ("30m", NOW - 30 * MINUTE, NOW - 30 * MINUTE),
        ("1h30m", NOW - 90 * MINUTE, NOW - 90 * MINUTE),
        ("2026-11-01", NOVEMBER, NOVEMBER + DAY),  # until a day: that day included
        ("2026-11-01T10:00Z", NOVEMBER + 10 * HOUR, NOVEMBER + 10 * HOUR),
        ("2026-11-01T10:00", NOVEMBER + 10 * HOUR, NOVEMBER + 10 * HOUR),
        ("2026-11-01T10:00:07Z", NOVEMBER + 10 * HOUR + 7000, NOVEMBER + 10 * HOUR + 7000),
    ],
)
def test_times_are_ages_or_instants_in_utc(written: str, since: int, until: int) -> None:
    assert filters(f"since:{written}").since == since
    assert filters(f"until:{written}").until == until


def test_the_newest_day_and_the_first_one_are_in_the_calendar() -> None:
    assert filters("since:0001-01-01 until:9999-12-31").until == 253_402_300_800_000


def test_the_help_shows_only_what_is_understood() -> None:
    for example, _ in HELP:
        parse(example.replace(":@name", ":U0123ABCD"), NOW)


# --- what is not -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("acount:@mallory", "Did you mean account:?"),
        ("reviewr:U01AGENT", "Did you mean reviewer:?"),
        ("requester:U01AGENT", "Did you mean by:?"),
        ("status:open", "Did you mean state:?"),
        ("colour:red", "Keys are: account:, by:"),
        ("vetoed", "Did you mean state:vetoed?"),
        ("cooling-of", "Did you mean state:cooling-off?"),
        ("hlep", "Did you mean help?"),
        ("state", "Did you mean state:?"),
        ("12", "Did you mean R-12?"),
        ("007", "Did you mean R-7?"),
        ("r12", "Did you mean R-12?"),
        ("R-0", "Did you mean R-1?"),
        ("R–12", "Did you mean R-12?"),
        ("R12 spam", "Did you mean R-12?"),
        ("exprot since:7d", "Did you mean export?"),
        ("stat", "Did you mean stats?"),
        ("verfy", "Did you mean verify?"),
        ("mnie state:open", "Did you mean mine?"),
        ("mine vetoed", "Did you mean state:vetoed?"),
        ("vetoed", "put it in quotes"),
        ("stat:vetoed", "Did you mean state:?"),
        ("stat:vetoed spam", "Did you mean state:?"),
        ("demo:acct-1", "put it in quotes"),
        ("word:spam", "Did you mean words:?"),
        ("words:", 'For example: words:"press office"'),
        ('"…"', "neither a letter nor a digit"),
        ("...", "neither a letter nor a digit"),
        ("words:?!", "neither a letter nor a digit"),
        ("ab*", "Before * there have to be at least 3 letters: “ab*”"),
        ('"press of*"', "at least 3 letters"),
        ("limit:0", "a number from 1 to 100; “0” is none"),
        ("limit:101", "a number from 1 to 100"),
        ("limit:-1", "a number from 1 to 100"),
        ("limit:ten", "a number from 1 to 100"),
        ("limit:²", "a number from 1 to 100"),
        ("limit:", "For example: limit:20"),
        ("limit:1 limit:2", "limit: is given twice"),
        ("export format:cvs", "Did you mean format:csv?"),
        ("export format:xml", "Formats are: jsonl, csv, tiles"),
        ("format:csv", "for export only"),
        ("stats format:csv", "for export only"),
        ("mine format:csv", "for export only"),
        ("R-1 format:csv", "for export only"),
        ("export state:open", "export takes only since:, until:, format: beside it"),
        ("stats spam", "stats takes only since:, until: beside it"),
        ("stats limit:5", "stats takes only since:, until: beside it"),
        ("verify since:7d", "verify is asked for alone"),
        ("spam verify", 'put it in quotes: "verify"'),
        ("since:7d stats", "stats comes first"),
        ("stats export", "one thing at a time"),
        ("mine R-1", "one thing at a time"),
        ("@mallory", "Write account:… or by:…"),
        ("<@U01AGENT|ada>", "Write account:… or by:…"),
        ("@president:example.org", "Write account:… or by:…"),
        ("state:vetod", "Did you mean state:vetoed?"),
        ("state:cooling", "Did you mean state:cooling-off?"),
        ("state:blue", "States are: open, cooling-off, ready"),
        ("state:", "state: has no value. For example: state:vetoed."),
        ('state:""', "has no value"),
        ("account:@", "has no value"),
        ("account:<@U01AGENT>", "Slack took that for one of its members"),
        ("by:@ada", "give the Slack user id"),
        ("by:ada", "give the Slack user id"),
        ("state:open state:vetoed", "state: is given twice"),
        ("by:U01AGENT By:U01AGENT", "by: is given twice"),
        ("R-1 R-2", "one thing at a time"),
        ("R-1 state:open", "R-1 is asked for alone"),
        ("state:open R-1", "R-1 is asked for alone"),
        ("help help", "one thing at a time"),
        ('state:"open', "not closed"),
        ('"', "not closed"),
        ("since:7", "is neither"),
        ("since:yesterday", "is neither"),
        ("since:-7d", "is neither"),
        ("since:99999d", "is neither"),
        ("since:2026-13-01", "is not in the calendar"),
        ("since:2026-02-30", "is not in the calendar"),
        ("since:2026-11-01T25:00Z", "is not in the calendar"),
        ("since:0000-01-01", "is not in the calendar"),
        ("since:2026-11-01T10:00+01:00", "is neither"),
        ("since:1d until:2d", "is not before until:"),
        ("account:\x00", "nobody can type: U+0000"),
        ("account:\x1b[2J", "nobody can type: U+001B"),
        ("account:\udc80", "nobody can type: U+DC80"),
        ("a" * (LONGEST + 1), "longer than"),
    ],
)
def test_what_is_not_understood_is_answered_with_what_may_be_meant(text: str, told: str) -> None:
    assert told in refused(text)


def test_what_is_told_shows_hidden_characters_and_stays_short() -> None:
    told = refused("state:ab\u202ecd" + "x" * 200)
    assert "\u202e" not in told
    assert "U+202E" in told
    assert len(told) < 200


# --- whatever comes --------------------------------------------------------------------------


@given(st.text() | st.text('"<>|@:R-1 \nashelpty&;“', max_size=40))
def test_any_text_is_a_query_or_a_bad_query(text: str) -> None:
    with contextlib.suppress(BadQuery):
        assert len(parse(text, NOW).text) <= LONGEST


FILTERS = [f.name for f in fields(Filters)]


@given(st.sampled_from(FILTERS), st.text(max_size=60))
def test_any_value_is_a_query_or_a_bad_query(key: str, value: str) -> None:
    with contextlib.suppress(BadQuery):
        assert getattr(filters(f'{key}:"{value}"'), key)


VALUES = ("7d", "open", "U012", "3", "csv")
ALONE = ("R-12", "r12", "vetoed", "spam", '"a phrase"', "words:stats", "@ada", "<@U012|ada>")
TOKEN = st.sampled_from([*KEYWORDS, *(f"{k}:{v}" for k in KEYS for v in VALUES), *ALONE])


@given(st.lists(TOKEN, max_size=5))
def test_any_tokens_are_a_query_or_a_bad_query(tokens: list[str]) -> None:
    with contextlib.suppress(BadQuery):
        found = parse(" ".join(tokens), NOW)
        assert (found.request is not None) == (found.ask is Ask.REQUEST)
        assert found.format is None or found.ask is Ask.EXPORT
        if found.filters != Filters() or found.limit is not None:
            assert found.ask in {Ask.LIST, Ask.MINE, Ask.STATS, Ask.EXPORT}


@given(st.lists(TOKEN, max_size=5), st.randoms(use_true_random=False))
def test_what_stands_after_the_keyword_may_stand_in_any_order(
    tokens: list[str], random: Random
) -> None:
    first = [t for t in tokens[:1] if t in [*KEYWORDS, "R-12"]]
    rest = tokens[len(first) :]
    assume(first or not {*KEYWORDS, "R-12"} & set(rest))  # else it is the keyword that moves

    def read(rest: list[str]) -> object:
        try:
            found = parse(" ".join([*first, *rest]), NOW)
        except BadQuery:
            return None
        same = replace(found.filters, words=tuple(sorted(found.filters.words)))
        return replace(found, text="", filters=same)

    assert read(rest) == read(random.sample(rest, len(rest)))


WORD = st.text(string.ascii_letters + string.digits + "._-:@ é日", min_size=1).map(
    lambda text: " ".join(text.split())
)
PERSON = st.text(string.ascii_uppercase + string.digits, min_size=2, max_size=10).map("U{}".format)
INSTANT = st.integers(0, 4_000_000_000).map(lambda s: s * 1000)


def written(found: Filters, order: list[str]) -> str:
    """`found` as somebody may write it."""
    words = []
    for key in order:
        value = getattr(found, key)
        if value is None:
            continue
        if isinstance(value, tuple):
            words += [f'words:"{word}"' for word in value]
        elif isinstance(value, int):
            words.append(f"{key}:{utc(value)}")
        else:
            words.append(f'{key}:"{value}"')
    return "  ".join(words)


@given(
    st.builds(
        Filters,
        account=st.none() | WORD.filter(lambda w: w.removeprefix("@") != ""),
        by=st.none() | PERSON,
        reviewer=st.none() | PERSON,
        state=st.none() | st.sampled_from(Phase),
        tier=st.none() | WORD.filter(bool),
        since=st.none() | INSTANT,
        until=st.none() | INSTANT,
        words=st.lists(WORD.filter(lambda w: any(c.isalnum() for c in w)), max_size=3).map(tuple),
    ),
    st.permutations(FILTERS),
)
def test_what_is_written_is_what_is_read(found: Filters, order: list[str]) -> None:
    text = written(found, order)
    if len(text) > LONGEST:
        assert "longer than" in refused(text)
    elif found.since is not None and found.until is not None and found.since >= found.until:
        assert "is not before until:" in refused(text)
    else:
        assert filters(text) == found
