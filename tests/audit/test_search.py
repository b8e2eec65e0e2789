"""What people typed of a request finds it, however it is written, and nothing typed is syntax."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.audit.answer import Answer, Requests
from bot.audit.query import BadQuery
from bot.core.actions import ActionKind
from bot.core.commands import File, Refusal, Settle, Start, Unclear, Veto
from bot.core.duration import DAY
from bot.core.events import Grounds
from bot.core.reasons import ReasonCode
from bot.core.subject import AccountState
from bot.ledger.entry import Opening
from bot.store import replay, search
from bot.store.tx import Tx

from .trail import AGENT, ANN, Trail


def ids(found: Answer) -> list[str]:
    assert isinstance(found.body, Requests)
    return [line.id for line in found.body.lines]


@pytest.mark.parametrize(
    "asked",
    [
        "mallory",
        "MALLORY",
        '"@mallory"',
        "acct-7",
        "words:demo:acct-7",
        "Liddell",
        "somebody",
        '"to be somebody"',
        "4.2",
        '"§ 4.2"',
        "TS-4711",
        "https://pipit.example/p/17",
        "words:17",
        "pipit",
        "else somebody says",
        "imper*",
        '"to be some*"',
    ],
)
async def test_a_request_is_found_by_what_was_typed_and_by_its_account(
    trail: Trail, asked: str
) -> None:
    await trail.filed("other", what="Nothing of that.")
    active = AccountState.ACTIVE
    named = "Alice Liddell"
    found = trail.accounts.put("acct-7", "mallory", trail.now, active, display_name=named)
    grounds = Grounds(
        what_happened="Says to be somebody else: impersonation.",
        clause="§ 4.2",
        ticket="TS-4711",
        evidence=("https://pipit.example/p/17",),
    )
    file = File(AGENT, ActionKind.DEACTIVATE, found.subject, ReasonCode.IMPERSONATION, grounds)
    await trail.give(file, found=found)
    assert ids(trail.ask(asked)) == ["R-2"]


@pytest.mark.parametrize(
    "asked",
    [
        "mallor",
        '"somebody to be"',
        "somebody nowhere",
        '"somebody 4"',
        "impersonate",
        '"b* somebody"',
    ],
)
async def test_what_was_not_typed_finds_nothing(trail: Trail, asked: str) -> None:
    await trail.filed("mallory", what="Says to be somebody.", clause="4")
    assert ids(trail.ask(asked)) == []


async def test_whatever_reason_was_given_is_found(trail: Trail) -> None:
    await trail.filed("vetoed")
    await trail.give(Veto(ANN, "R-1", "A parody, plainly."))
    await trail.recorded(await trail.started(handle="failed"), Refusal("the hinge is stuck"))
    unclear = await trail.recorded(await trail.started(handle="unclear"), Unclear("fog"))
    trail.clock.skip(DAY)
    await trail.give(Settle(ANN, unclear.id, took_effect=True, reason="Seen by my aunt."))
    moved = await trail.ready(handle="lapsed")
    del trail.accounts.known[moved.subject.open]
    await trail.give(Start(moved.id))
    await trail.restored(await trail.executed(handle="executed"))
    await trail.came_to_nothing(await trail.started(handle="tried"))
    for asked, found in {
        "parody": ["R-1"],
        "hinge": ["R-2"],
        "fog": ["R-3"],
        "aunt": ["R-3"],
        '"no longer there"': ["R-4"],
        '"right account"': ["R-6"],
        '"was not reached"': ["R-7"],
        "parody words:vetoed": ["R-1"],  # in one text and in another
    }.items():
        assert ids(trail.ask(asked)) == found, asked


async def test_who_is_reopened_is_found_by_the_old_and_the_new_name(trail: Trail) -> None:
    request = await trail.ready(handle="before", id="acct-7")
    trail.accounts.put("acct-7", "after", trail.now, request.known.open.state, followers=10)
    again = await trail.give(Start(request.id))
    assert again.round == 2
    for asked in ("before", "after", "account:after"):
        assert ids(trail.ask(asked)) == ["R-1"], asked


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("Crème brûlée", "creme BRULEE"),
        ("creme brulee", "crème"),
        ("STRASSE", "straße"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full"),
        ("full", "ｆｕｌｌ"),
        ("pass\u200bword", "password"),
        ("\u202bpassword\u202c", "password"),
        ("so\u00adft", "soft"),
        ("İstanbul", "istanbul"),
        ("ÅNGSTRÖM", "a\u030angstro\u0308m"),
        ("Привет, мир", "ПРИВЕТ"),
        ("미안합니다 정말", "정말"),
        ("これは詐欺です", "詐欺"),
        ("冒充记者", "记者"),
        ("हिन्दी में", "हिन्दी"),
        ("ﬁne print", "fine"),
        ("bad_actor", "actor"),
        ("mail a@example.org now", "example"),
        ("a-b-c", '"a b"'),
        ("n°5", "words:5"),
    ],
)
async def test_words_are_found_however_they_are_written(
    trail: Trail, typed: str, asked: str
) -> None:
    await trail.filed("x", what=typed)
    assert ids(trail.ask(asked)) == ["R-1"]


HOSTILE = (
    'a" OR "b',
    "a OR b",
    "NEAR(a b)",
    "a AND NOT b",
    "text : a",
    "{text}: a",
    "^a",
    "a + b",
    "-a",
    "a*b",
    "(a",
    "a; DROP TABLE words",
    "a' OR '1'='1",
    "%",
    "\\",
)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_nothing_that_is_searched_for_is_syntax(trail: Trail, hostile: str) -> None:
    await trail.filed("x", what="a b")
    await trail.filed("y", what=f"It said {hostile}")
    text = hostile.replace('"', "")
    if not search.fold(text):
        with pytest.raises(BadQuery, match="neither a letter nor a digit"):
            trail.ask(f'"{text}"')
    else:
        assert "R-2" in ids(trail.ask(f'"{text}"'))


ANY = st.text(max_size=30) | st.text("ab*\"' -+:^(){}ANDORNOT日é\u202e_", max_size=30)


@settings(deadline=None)
@given(said=st.lists(ANY, min_size=1, max_size=4), asked=st.lists(ANY, min_size=1, max_size=3))
def test_the_index_finds_what_looking_into_the_texts_finds(
    said: list[str], asked: list[str]
) -> None:
    words = [word for word in asked if search.fold(word)]
    if not words:
        return
    with replay.scratch() as tx:
        for n, text in enumerate(said, 1):
            sealed = json.dumps({"text": text})
            search.put(tx, f"R-{n}", [Opening("reason", "00", sealed)])
        indexed = {
            n
            for (n,) in tx.each(
                "SELECT rowid FROM words_fts WHERE words_fts MATCH :match",
                match=search.MATCH["sqlite"](words),
            )
        }
        looked = {
            n
            for n, text in tx.each("SELECT n, text FROM words")
            if all(within in text for within in search.within(words))
        }
    assert indexed == looked


# --- in step ---------------------------------------------------------------------------------


async def test_a_click_that_adds_no_words_writes_none(trail: Trail) -> None:
    request = await trail.filed()

    def forbid(tx: Tx) -> None:
        for when in ("INSERT", "UPDATE", "DELETE"):
            tx.execute(
                f"CREATE TRIGGER no_{when} BEFORE {when} ON words BEGIN SELECT RAISE(ABORT, 'no'); END"
            )

    trail.store.run_now(forbid)
    await trail.approved(request)
    with pytest.raises(Exception, match="no"):
        await trail.give(Veto(ANN, request.id, "It has words."))


async def test_what_is_erased_is_not_found_and_leaves_no_word_in_the_index(trail: Trail) -> None:
    await trail.filed("mallory", what="a secret thing")
    await trail.give(Veto(ANN, "R-1", "not so secret"))
    await trail.filed("other", what="another secret")

    def erase(tx: Tx, *fields: str) -> None:
        for field in fields:
            tx.execute(
                "DELETE FROM openings WHERE field = :field"
                " AND seq IN (SELECT seq FROM entries WHERE stream = 'R-1')",
                field=field,
            )
        search.rewrite(tx, "R-1")

    def held(tx: Tx) -> set[str]:
        return {term for (term,) in tx.each("SELECT term FROM words_held WHERE doc = 1")}

    trail.store.run_now(lambda tx: erase(tx, "grounds"))
    assert ids(trail.ask("secret")) == ["R-2", "R-1"]
    assert ids(trail.ask('"secret thing"')) == []
    assert "thing" not in trail.store.run_now(held)
    trail.store.run_now(lambda tx: erase(tx, "snapshot", "subject", "reason"))
    assert ids(trail.ask("secret")) == ["R-2"]
    assert trail.store.run_now(held) == set()


async def test_a_database_from_before_the_search_is_indexed_alike(trail: Trail) -> None:
    await trail.one_in_every_phase()
    tables = ("SELECT * FROM words", "SELECT * FROM words_held")
    kept = [trail.store.run_now(lambda tx, q=q: list(tx.each(q))) for q in tables]

    def anew(tx: Tx) -> None:
        tx.execute("DROP TABLE words_held")
        tx.execute("DROP TABLE words_fts")
        tx.execute("DROP TABLE words")
        tx.execute("CREATE TABLE words (n INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        search.set_up(tx._connection)  # type: ignore[attr-defined]

    trail.store.run_now(anew)
    assert [trail.store.run_now(lambda tx, q=q: list(tx.each(q))) for q in tables] == kept
