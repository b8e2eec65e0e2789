"""What is answered reads well in Slack and in a terminal, and nothing in it acts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.audit.answer import Answer, Life, Line, Page, Requests
from bot.audit.life import Typed
from bot.audit.query import LONGEST, Ask, BadQuery, Query, parse
from bot.audit.show import text, words
from bot.core.actions import ActionKind
from bot.core.commands import Retract, Veto
from bot.core.request import Phase
from bot.ledger.note import rebase64
from bot.sandbox.slack.blocks import message_problems
from bot.slack.views import audit as view
from bot.store.audit import Head

from .trail import AGENT, ANN, MANAGER, MINUTE, START, Trail

HEAD = Head(10**12, bytes(32))
HOSTILE = "<!channel> <@U09MANAGER> &lt;x&gt; @everyone\n*R-9 vetoed*\u202e\u200b\x1b[2J <https://evil.example|ok>"

ENDS = {  # the last step of Trail.one_in_every_phase
    1: "let it expire: it had no quorum in time",
    2: "recorded that the attempt came to nothing: “the platform was not reached”",
    3: "recorded that it failed: “it said no”",
    4: "recorded that what came of it is not known: “it did not answer”",
    5: "executed it: verified",
    6: "let it lapse: “the account is no longer there”",
    7: "started it (attempt 1); before, the account was active",
    8: "completed the quorum of ",
    9: "vetoed: “No.”",
    10: "withdrew it",
    12: "filed: deactivate “@open” (demo:id-open)",
}


def rendered(answer: Answer) -> str:
    """All the blocks of an answer as text, found to be such as Slack takes."""
    said, blocks = view.render(answer)
    assert said
    assert message_problems(blocks) == []
    return json.dumps(blocks, ensure_ascii=False)


def turns(answer: Answer) -> list[tuple[str, view.Turn | None]]:
    _, blocks = view.render(answer)
    buttons = [e for b in blocks if b["type"] == "actions" for e in b["elements"]]
    assert all(view.PAGE.fullmatch(b["action_id"]) for b in buttons)
    return [(b["text"]["text"], view.parse_page(b["value"])) for b in buttons]


def terminal(answer: Answer) -> str:
    """What a terminal shows, but for its last line, which tells what was considered."""
    told, last = text(answer).rsplit("\n", 1)
    size, root = answer.head
    assert last == f"considered: all {size} entries, up to #{size} · root {rebase64(root)}"
    return told


# --- in a terminal ---------------------------------------------------------------------------


async def test_a_life_in_a_terminal(trail: Trail) -> None:
    first = await trail.executed(handle="mallory", ticket="T-9")
    trail.clock.skip(11 * MINUTE)
    await trail.restored(first)
    answer = trail.ask("R-1", page_size=50)
    assert isinstance(answer.body, Life)
    assert terminal(answer).replace(answer.body.newest.leaf.hex()[:16], "…") == (
        """\
R-1  deactivate  @mallory  standard  executed  by U01AGENT  \
filed 2026-11-24T10:00:00Z, ended 2026-11-24T10:05:00Z, restored by R-2, away for 11 min
  account    “@mallory” (demo:id-mallory)
  looked up  2026-11-24T10:00:00Z: active, followers 10
  reason     impersonation: “Says to be somebody else.”
  ticket     “T-9”
  terms      tier standard: 1 approval; cool-off 5 min; 8 h to reach quorum; 1 h to run \
(matched standard: no stricter tier applies)
  card       channel C02REV, message 9.0
  proof      its newest entry is #6, leaf ……; an export holds proof/R-1.tlog-proof: \
nolone audit export DIR, nolone audit verify DIR
2026-11-24T10:00:00Z  U01AGENT  filed: deactivate “@mallory” (demo:id-mallory), for impersonation: \
“Says to be somebody else.”
2026-11-24T10:00:00Z  U02ANN    approved, as trust-safety
2026-11-24T10:00:00Z  U02ANN    completed the quorum of U02ANN; cooling off until 2026-11-24T10:05:00Z
2026-11-24T10:05:00Z  the bot   started it (attempt 1); before, the account was active
2026-11-24T10:05:00Z  the bot   executed it: verified: the effect was seen; the platform answered \
“PUT lock: 200”; seen as deactivated in the public search at 2026-11-24T10:05:00Z
2026-11-24T10:16:00Z  U03BOB    restored the account with R-2: it was away for 11 min"""
    )


async def test_a_list_and_a_summary_in_a_terminal(trail: Trail) -> None:
    for handle in ("a", "bb", "ccc"):
        await trail.filed(handle)
    await trail.give(Veto(ANN, "R-2", "No."))
    assert terminal(trail.ask("since:1d", page_size=2)) == (
        """\
3 requests: 2 open, 1 vetoed
R-3  deactivate  @ccc  standard  open    by U01AGENT  filed 2026-11-24T10:00:00Z
R-2  deactivate  @bb   standard  vetoed  by U01AGENT  filed 2026-11-24T10:00:00Z, ended 2026-11-24T10:00:00Z
page 1 of 2; the next: --page 2"""
    )
    assert terminal(trail.ask("", page_size=1)) == (
        """\
since 2026-11-17T10:00:00Z
filed     3: 2 open, 1 vetoed
vetoes    1
restores  0
open now  2
R-3  deactivate  @ccc  standard  open  by U01AGENT  filed 2026-11-24T10:00:00Z
… and 1 more, by state:open, state:cooling-off, …"""
    )
    assert terminal(trail.ask("R-9")) == "There is no request R-9."
    assert "nolone audit show state:vetoed" in text(trail.ask("help"))


async def test_a_persons_list_tells_what_they_did(trail: Trail) -> None:
    await trail.approved(await trail.filed("a"))
    trail.clock.skip(MINUTE)
    await trail.give(Retract(ANN, "R-1"))
    await trail.give(Veto(ANN, "R-1", "No."))
    did = "approved 2026-11-24T10:00:00Z, took it back 2026-11-24T10:01:00Z, vetoed 2026-11-24T10:01:00Z"
    assert terminal(trail.ask(f"reviewer:{ANN}")).endswith(did)
    assert did not in terminal(trail.ask(f"by:{AGENT}"))
    assert "took it back <!date^" in rendered(trail.ask(f"reviewer:{ANN}"))


async def test_an_accounts_list_tells_how_long_it_was_away(trail: Trail) -> None:
    first = await trail.executed(handle="mallory")
    trail.clock.skip(11 * MINUTE)
    await trail.restored(first)
    for said in (terminal(trail.ask("account:mallory")), rendered(trail.ask("account:mallory"))):
        assert "2 executed" in said
        assert "restored by R-2" in said
        assert said.count("away for 11 min") == 1


async def test_of_many_it_is_said_that_there_are_more(trail: Trail) -> None:
    for handle in ("a", "b", "c"):
        await trail.filed(handle)
    assert terminal(trail.ask("limit:2")).startswith(
        "the newest 2 of more requests (older ones by until:): 2 open\n"
    )
    said = rendered(trail.ask("limit:2"))
    assert "*The newest 2 of more requests in the trail*: 2 open" in said
    assert "Older ones by `until:`" in said
    assert "more" not in terminal(trail.ask("limit:3"))


async def test_nothing_steers_a_terminal_or_begins_a_line_of_its_own(trail: Trail) -> None:
    await trail.filed(HOSTILE, id="x\x1b[2J\ny", what=HOSTILE, ticket=HOSTILE, clause=HOSTILE)
    await trail.give(Veto(ANN, "R-1", HOSTILE))
    for query in ("R-1", "state:vetoed", ""):
        told = text(trail.ask(query))
        assert "\x1b" not in told
        assert "\u202e" not in told
        assert "\u200b" not in told
        assert not any(line.startswith(("*R-9", "y")) for line in told.splitlines())
    assert "⟨U+202E⟩⟨U+200B⟩⟨U+001B⟩[2J" in text(trail.ask("R-1"))


# --- in Slack --------------------------------------------------------------------------------


async def test_slack_shows_people_and_times_in_its_own_way(trail: Trail) -> None:
    await trail.executed(handle="mallory")
    life = rendered(trail.ask("R-1", page_size=50))
    assert f"<@{AGENT}> filed: deactivate “@mallory”" in life
    assert f"<!date^{START // 1000}^" in life
    assert "the bot executed it" in life
    line = rendered(trail.ask("state:executed"))
    assert "*R-1*  Deactivate @mallory · standard · *executed* · filed by <@U01AGENT>" in line
    assert "`/audit state:executed`" in line


async def test_slack_takes_every_kind_of_answer(trail: Trail) -> None:
    for query in ("", "help", "R-1", "state:open"):
        rendered(trail.ask(query))
    for n in range(12):
        await trail.filed(f"a{n}")
    for query in ("", "state:open", "R-1"):
        rendered(trail.ask(query, page_size=10))


async def test_every_life_is_told_in_both_places(trail: Trail) -> None:
    await trail.one_in_every_phase()
    for n, end in ENDS.items():
        answer = trail.ask(f"R-{n}", page_size=50)
        assert answer.named == 1
        assert end in terminal(answer).splitlines()[-1]
        assert end in rendered(answer)


async def test_what_people_typed_mentions_nobody_and_links_nowhere(trail: Trail) -> None:
    await trail.filed(HOSTILE, id="<!here>", what=HOSTILE, ticket=HOSTILE, evidence=(HOSTILE,) * 3)
    await trail.give(Veto(ANN, "R-1", HOSTILE))
    for query in ("R-1", "state:vetoed", f"account:{HOSTILE[:10]}"):
        said, blocks = view.render(trail.ask(query))
        assert "\u202e" not in json.dumps(blocks, ensure_ascii=False)
        for shown in (said, *(t["text"] for t in _texts(blocks) if t["type"] == "mrkdwn")):
            assert "<!channel>" not in shown
            assert "<!here>" not in shown
            assert f"<@{MANAGER}>" not in shown
            assert "<https" not in shown
            assert "\u202e" not in shown
    assert "&lt;!channel&gt;" in rendered(trail.ask("R-1"))
    for block in _texts(view.render(trail.ask("R-1"))[1]):
        assert block["type"] != "mrkdwn" or block["verbatim"] is True


async def test_long_texts_are_cut_and_never_inside_an_escape(trail: Trail) -> None:
    long = "&<>" * 1000
    await trail.filed("m" * 300, what=long, ticket=long, clause=long, evidence=(long,) * 10)
    await trail.give(Veto(ANN, "R-1", long))
    shown = rendered(trail.ask("R-1", page_size=10))
    for bare in shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").split("&")[1:]:
        pytest.fail(f"a broken escape before {bare[:20]}")


async def test_a_querys_own_words_do_not_escape_their_quotes(trail: Trail) -> None:
    shown = rendered(trail.ask('account:"`*x*` &lt;!channel&gt;"'))
    assert '`/audit account:\\"ˋ*x*ˋ &amp;lt;!channel&amp;gt;\\"`' in shown


def _texts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for one in value for found in _texts(one)]
    if not isinstance(value, dict):
        return []
    own = [value] if value.get("type") in ("mrkdwn", "plain_text") else []
    return own + [found for one in value.values() for found in _texts(one)]


@given(st.text(max_size=400))
def test_any_text_is_one_visible_line_in_a_terminal(typed: str) -> None:
    assert words((Typed(typed),)).isprintable()


# --- paging ----------------------------------------------------------------------------------


async def test_the_buttons_turn_to_the_pages_beside(trail: Trail) -> None:
    for n in range(12):
        await trail.filed(f"a{n}")
    trail.clock.skip(MINUTE)
    now = trail.now
    older = ("Older", view.Turn("state:open", 2, now))
    assert turns(trail.ask("state:open")) == [older]
    assert turns(trail.ask("state:open", 2)) == [
        ("Newer", view.Turn("state:open", 1, now)),
        ("Older", view.Turn("state:open", 3, now)),
    ]
    assert turns(trail.ask("R-1")) == []


@given(st.text(min_size=1, max_size=LONGEST) | st.text('"\\\\', max_size=LONGEST))
def test_any_query_fits_a_button_and_comes_back(asked: str) -> None:
    try:
        query = parse(f'account:x"{asked}"'[:LONGEST], START)
    except BadQuery:
        return
    line = Line(
        id="R-1",
        action=ActionKind.DEACTIVATE,
        handle="x",
        tier="standard",
        requester=AGENT,
        state=Phase.OPEN,
        filed_at=START,
        ended_at=None,
        undoes=None,
        restored_by=None,
    )
    answer = Answer(query, START, Requests((line,), Page(2, 10**9, 10**10), True, ()), HEAD)
    _, blocks = view.render(answer)
    assert message_problems(blocks) == []
    assert turns(answer) == [
        ("Newer", view.Turn(query.text, 1, START)),
        ("Older", view.Turn(query.text, 3, START)),
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "R-1.1.abcdef01",
        "1",
        "0.1.a",
        "-1.1.a",
        "1.0.a",
        "1.1",
        "01.1.a",
        "1.5e3.a",
        "99999999999.1.a",
    ],
)
def test_a_value_that_somebody_made_up_is_none(value: object) -> None:
    assert view.parse_page(value) is None


def test_a_page_of_a_query_that_somebody_made_up_is_parsed_like_any_other() -> None:
    turn = view.parse_page("3.1795514400000.state:open")
    assert turn == view.Turn("state:open", 3, START)
    assert parse(turn.text, turn.asked) == Query(
        "state:open", START, Ask.LIST, filters=parse("state:open", START).filters
    )


async def test_on_the_command_line_the_trail_is_verified_by_another_command(trail: Trail) -> None:
    assert text(trail.ask("verify")) == "On the command line it is `nolone audit verify`."
