"""The trail answers from what really happened, as of the instant it is asked."""

from itertools import combinations

import pytest

from bot.audit.answer import Answer, Help, Life, Nothing, Requests, Summary, answer
from bot.audit.query import parse
from bot.audit.show import words
from bot.core.commands import Expire, Retract, Settle, Start, Unclear, Veto
from bot.core.request import Phase
from bot.ledger.entry import leaf_hash
from bot.store import audit
from bot.store.trail import Trail as TrailInStore
from bot.store.trail import verify_trail
from bot.store.tx import Row

from .trail import AGENT, ANN, BOB, COOL_OFF, DAY, HOUR, LEE, MINUTE, OTHER_AGENT, Trail


def ids(found: Answer) -> list[str]:
    assert isinstance(found.body, Requests)
    return [line.id for line in found.body.lines]


def life(found: Answer) -> list[tuple[str, str]]:
    assert isinstance(found.body, Life)
    return [(step.by, words(step.said)) for step in found.body.steps]


# --- filters ---------------------------------------------------------------------------------


async def test_an_account_is_found_by_handle_and_by_id(trail: Trail) -> None:
    await trail.filed("Mallory", id="acct-7")
    await trail.filed("eve", id="acct-77")
    for text in ("Mallory", "@mallory", "MALLORY", "acct-7", "demo:acct-7"):
        assert ids(trail.ask(f"account:{text}")) == ["R-1"], text
    for text in ("mall", "acct", "other:acct-7", "%", "Acct-7"):
        assert ids(trail.ask(f"account:{text}")) == [], text


async def test_a_handle_that_was_stored_with_its_sign_is_found_without(trail: Trail) -> None:
    await trail.filed("@mallory")
    assert ids(trail.ask("account:mallory")) == ids(trail.ask("account:@Mallory")) == ["R-1"]


async def test_a_matrix_id_is_an_id_though_it_begins_like_a_handle(trail: Trail) -> None:
    await trail.filed("president", id="@president:example.org")
    assert ids(trail.ask("account:@president:example.org")) == ["R-1"]
    assert ids(trail.ask("account:@president")) == ["R-1"]


async def test_by_is_who_filed(trail: Trail) -> None:
    await trail.filed("a", by=AGENT)
    await trail.filed("b", by=OTHER_AGENT)
    assert ids(trail.ask(f"by:<@{OTHER_AGENT}|bo>")) == ["R-2"]
    assert ids(trail.ask(f"by:{ANN}")) == []


async def test_a_reviewer_approved_or_vetoed_even_if_they_took_it_back(trail: Trail) -> None:
    await trail.approved(await trail.filed("a"), ANN)
    await trail.give(Retract(ANN, "R-1"))
    await trail.filed("b")
    await trail.give(Veto(ANN, "R-2", "The wrong account."))
    await trail.approved(await trail.filed("c"), BOB)
    assert ids(trail.ask(f"reviewer:{ANN}")) == ["R-2", "R-1"]
    assert ids(trail.ask(f"reviewer:{AGENT}")) == []


async def test_a_tier_is_the_one_in_the_terms(trail: Trail) -> None:
    await trail.filed("a", followers=5_000_000)
    await trail.filed("b")
    assert ids(trail.ask("tier:public-office")) == ["R-1"]
    assert ids(trail.ask("tier:standard")) == ["R-2"]
    assert ids(trail.ask("tier:Standard")) == []


async def test_since_and_until_bound_when_it_was_filed(trail: Trail) -> None:
    await trail.filed("a")  # 2026-11-24T10:00Z
    trail.clock.skip(2 * HOUR)
    await trail.filed("b")
    trail.clock.skip(DAY)
    assert ids(trail.ask("since:24h")) == ["R-2"]
    assert ids(trail.ask("since:25h")) == ["R-2"]
    assert ids(trail.ask("until:24h")) == ["R-1"]
    assert ids(trail.ask("since:2026-11-24")) == ["R-2", "R-1"]
    assert ids(trail.ask("until:2026-11-24")) == ["R-2", "R-1"]
    assert ids(trail.ask("until:2026-11-23")) == []
    assert ids(trail.ask("since:2026-11-24T10:00Z until:2026-11-24T12:00Z")) == ["R-1"]


async def test_filters_all_have_to_hold(trail: Trail) -> None:
    await trail.filed("a")
    await trail.give(Veto(ANN, "R-1", "No."))
    await trail.filed("b")
    assert ids(trail.ask(f"state:vetoed reviewer:{ANN} by:{AGENT} account:a")) == ["R-1"]
    assert ids(trail.ask(f"state:vetoed reviewer:{ANN} account:b")) == []


# --- states ----------------------------------------------------------------------------------


async def test_a_state_is_what_the_requests_own_history_says(trail: Trail) -> None:
    await trail.one_in_every_phase()
    for wait in (0, COOL_OFF - 1, 1, 12 * HOUR):
        trail.clock.skip(wait)
        folded: dict[str, list[str]] = {phase: [] for phase in Phase}
        for n in range(12, 0, -1):
            request = await trail.engine.request(f"R-{n}")
            assert request is not None
            folded[request.phase(trail.now)].append(request.id)
        for phase in Phase:
            assert ids(trail.ask(f'state:"{phase}"')) == folded[phase], (phase, wait)
        assert wait or all(folded.values())


async def test_a_cool_off_ends_without_anybody_doing_anything(trail: Trail) -> None:
    await trail.approved(await trail.filed())
    trail.clock.skip(COOL_OFF - 1)
    assert ids(trail.ask("state:cooling-off")) == ["R-1"]
    trail.clock.skip(1)
    assert ids(trail.ask("state:cooling-off")) == []
    assert ids(trail.ask("state:ready")) == ["R-1"]


# --- lines -----------------------------------------------------------------------------------


async def test_a_line_tells_what_became_of_a_request(trail: Trail) -> None:
    first_one = await trail.executed(handle="Mallory")
    ended = trail.now
    trail.clock.skip(11 * MINUTE)
    await trail.restored(first_one)
    body = trail.ask("account:mallory").body
    assert isinstance(body, Requests)
    restore, first = body.lines
    assert (first.handle, first.action, first.tier) == ("Mallory", "deactivate", "standard")
    assert (first.requester, first.state) == (AGENT, Phase.EXECUTED)
    assert (first.filed_at, first.ended_at) == (ended - COOL_OFF, ended)
    assert (first.restored_by, first.undoes) == ("R-2", None)
    assert (restore.undoes, restore.requester, restore.restored_by) == ("R-1", BOB, None)


# --- pages -----------------------------------------------------------------------------------


async def test_pages_hold_everything_once_and_the_newest_first(trail: Trail) -> None:
    for n in range(12):
        await trail.filed(f"a{n}")
    pages = [trail.ask("state:open", page) for page in (1, 2, 3)]
    assert [id for page in pages for id in ids(page)] == [f"R-{n}" for n in range(12, 0, -1)]
    assert [page.page for page in pages] == [(1, 3, 12), (2, 3, 12), (3, 3, 12)]
    assert [page.named for page in pages] == [5, 5, 2]


@pytest.mark.parametrize(("page", "shown"), [(0, 1), (-3, 1), (4, 3), (10**12, 3)])
async def test_a_page_that_is_not_there_is_the_nearest(trail: Trail, page: int, shown: int) -> None:
    for n in range(12):
        await trail.filed(f"a{n}")
    assert trail.ask("state:open", page).page.number == shown


async def test_what_is_filed_between_two_pages_moves_nothing(trail: Trail) -> None:
    for n in range(7):
        await trail.filed(f"a{n}")
    queries = [parse(text, trail.now) for text in ("state:open", "until:2030-01-01")]
    trail.clock.skip(MINUTE)
    await trail.filed("later")
    for query in queries:
        second = trail.store.run_now(lambda tx, q=query: answer(tx, q, trail.now, 2, 5))
        assert ids(second) == ["R-2", "R-1"]


async def test_an_empty_answer_is_one_page(trail: Trail) -> None:
    assert trail.ask("state:failed").page == (1, 1, 0)


# --- the summary -----------------------------------------------------------------------------


async def test_the_summary_counts_a_week_and_shows_all_that_is_open(trail: Trail) -> None:
    await trail.recorded(await trail.started(handle="old"), Unclear("it did not answer"))
    trail.clock.skip(8 * DAY)
    await trail.restored(await trail.executed(handle="executed"))
    await trail.filed("vetoed")
    await trail.give(Veto(ANN, "R-4", "No."))
    started = await trail.started(handle="late")
    await trail.give(Veto(BOB, started.id, "Too late, and still."))
    for n in range(6):
        await trail.filed(f"open{n}")
    asked = trail.ask("")
    found = asked.body
    assert isinstance(found, Summary)
    assert found.since == trail.now - 7 * DAY
    assert found.filed == 10
    assert dict(found.states) == {
        Phase.OPEN: 6,
        Phase.EXECUTING: 1,
        Phase.EXECUTED: 2,
        Phase.VETOED: 1,
    }
    assert (found.vetoes, found.restores) == (2, 1)
    assert found.open == 8
    assert [line.id for line in found.newest] == ["R-11", "R-10", "R-9", "R-8", "R-7"]
    assert asked.named == 5


async def test_the_summary_of_an_empty_trail_is_zeros(trail: Trail) -> None:
    body = trail.ask("").body
    assert isinstance(body, Summary)
    assert (body.filed, body.states, body.open, body.newest) == (0, (), 0, ())


# --- a life ----------------------------------------------------------------------------------


async def test_a_life_is_told_from_filing_to_restore(trail: Trail) -> None:
    first = await trail.executed(handle="mallory", what="Says to be\n the president.")
    trail.clock.skip(11 * MINUTE)
    await trail.restored(first)
    told = life(trail.ask("R-1", page_size=50))
    assert [by for by, _ in told] == [AGENT, ANN, ANN, "worker", "worker", BOB]
    texts = [text for _, text in told]
    assert texts[0] == (
        "filed: deactivate “@mallory” (demo:id-mallory), for impersonation:"
        " “Says to be the president.”"
    )
    assert texts[1] == "approved, as trust-safety"
    assert texts[2] == f"completed the quorum of {ANN}; cooling off until 2026-11-24T10:05:00Z"
    assert texts[3] == "started it (attempt 1); before, the account was active"
    assert texts[4] == (
        "executed it: verified: the effect was seen; the platform answered “PUT lock: 200”;"
        " seen as deactivated in the public search at 2026-11-24T10:05:00Z"
    )
    assert texts[5] == "restored the account with R-2: it was away for 11 min"


async def test_the_life_of_a_restore_tells_how_long_the_account_was_away(trail: Trail) -> None:
    first = await trail.executed()
    trail.clock.skip(11 * MINUTE)
    await trail.restored(first)
    told = [text for _, text in life(trail.ask("R-2"))]
    assert told[0].startswith("filed to undo R-1: restore “@mallory”")
    assert told[1] == "needed no approval"
    assert told[-1].endswith("because of R-1 the account was away for 11 min")


async def test_a_life_names_facts_once_and_only_those_given(trail: Trail) -> None:
    await trail.filed(ticket="T-9", evidence=("https://example.org/a", "https://example.org/b"))
    body = trail.ask("R-1").body
    assert isinstance(body, Life)
    names = [name for name, _ in body.facts]
    assert names == ["account", "looked up", "reason", "ticket", "evidence", "evidence", "terms"]
    said = {name: words(text) for name, text in body.facts}
    assert said["looked up"] == "2026-11-24T10:00:00Z: active, followers 10"
    assert said["terms"].startswith(
        "tier standard: 1 approval; cool-off 5 min; 8 h to reach quorum"
    )


async def test_a_life_tells_vetoes_and_what_is_taken_back(trail: Trail) -> None:
    await trail.approved(await trail.filed("a"))
    await trail.give(Retract(ANN, "R-1"))
    await trail.give(Veto(LEE, "R-1", "The wrong account."))
    told = life(trail.ask("R-1", page_size=50))
    assert told[3:] == [
        (ANN, "took the approval back"),
        (ANN, "took the quorum away with it"),
        (LEE, "vetoed: “The wrong account.”"),
    ]


async def test_a_life_tells_a_veto_that_came_too_late(trail: Trail) -> None:
    started = await trail.started()
    await trail.give(Veto(BOB, started.id, "Stop."))
    assert life(trail.ask("R-1"))[-1] == (
        BOB,
        "vetoed after it had been started: no further attempt is made: “Stop.”",
    )


async def test_a_life_names_the_people_of_a_quorum_that_is_gone(trail: Trail) -> None:
    request = await trail.ready()
    trail.people.in_group = frozenset({BOB})
    trail.clock.skip(MINUTE)  # after which the groups are read anew
    await trail.give(Start(request.id))
    (*_, (by, text)) = life(trail.ask("R-1"))
    assert by == "worker"
    assert text.startswith(
        "reopened it, as round 2; approvals are void: the quorum no longer stands"
    )
    assert f"({ANN}: no longer in trust-safety)" in text


async def test_a_life_tells_what_cannot_be_known(trail: Trail) -> None:
    request = await trail.recorded(await trail.started(), Unclear("it did not answer"))
    trail.clock.skip(DAY)
    await trail.give(Settle(ANN, request.id, True, "The page is gone."))
    await trail.give(Settle(BOB, request.id, True, "Seen it too."))
    told = [text for _, text in life(trail.ask("R-1", page_size=50))]
    assert told[-4:] == [
        "recorded that what came of it is not known: “it did not answer”",
        "said that it took effect: “The page is gone.”",
        "said that it took effect: “Seen it too.”",
        "executed it: what came of it was never seen",
    ]


@pytest.mark.parametrize("phase", ["open", "ready"])
async def test_a_life_tells_which_time_ran_out(trail: Trail, phase: str) -> None:
    if phase == "open":
        await trail.filed()
    else:
        await trail.ready()
    trail.clock.skip(9 * HOUR)
    await trail.give(Expire("R-1"))
    late = {"open": "it had no quorum in time", "ready": "it was not run in time"}[phase]
    assert life(trail.ask("R-1"))[-1] == ("worker", f"let it expire: {late}")


async def test_a_long_life_is_told_in_pages(trail: Trail) -> None:
    request = await trail.filed()
    for _ in range(4):
        await trail.approved(request)
        request = await trail.give(Retract(ANN, request.id))
    whole = life(trail.ask("R-1", page_size=50))
    pages = [trail.ask("R-1", page) for page in range(1, 5)]
    assert [step for page in pages for step in life(page)] == whole
    assert pages[0].page.total == len(whole) == 17


async def test_what_was_erased_is_told_as_erased(trail: Trail) -> None:
    await trail.executed(ticket="T-9")
    await trail.filed("vetoed")
    await trail.give(Veto(ANN, "R-2", "Secret."))
    trail.store.run_now(lambda tx: tx.execute("DELETE FROM openings"))
    body = trail.ask("R-1").body
    assert isinstance(body, Life)
    assert body.line.handle is None
    assert {name: words(said) for name, said in body.facts}["account"] == "(erased)"
    assert life(trail.ask("R-1"))[0][1] == "filed: deactivate (erased), for impersonation: (erased)"
    assert life(trail.ask("R-2"))[-1] == (ANN, "vetoed: (erased)")
    assert ids(trail.ask(f"by:{AGENT}")) == ["R-2", "R-1"]


# --- the rest --------------------------------------------------------------------------------


async def test_help_and_what_is_not_there_name_nothing(trail: Trail) -> None:
    assert isinstance(trail.ask("help").body, Help)
    assert trail.ask("R-7").body == Nothing("R-7")
    assert trail.ask("help").named == trail.ask("R-7").named == 0


async def test_asking_changes_nothing(trail: Trail) -> None:
    await trail.one_in_every_phase()

    def rows() -> list[Row]:
        return trail.store.run_now(
            lambda tx: tx.query("SELECT * FROM requests") + tx.query("SELECT * FROM outbox")
        )

    before = rows()
    for text in ("", "help", "R-1", "state:open", f"reviewer:{ANN}"):
        trail.ask(text)
    assert rows() == before


# --- how many, and out of what ---------------------------------------------------------------


async def test_a_limit_is_of_all_pages_together(trail: Trail) -> None:
    for n in range(7):
        await trail.filed(f"a{n}")
    pages = [trail.ask("limit:5", page=n, page_size=2) for n in (1, 2, 3)]
    assert [ids(page) for page in pages] == [["R-7", "R-6"], ["R-5", "R-4"], ["R-3"]]
    assert [page.page for page in pages] == [(1, 3, 5), (2, 3, 5), (3, 3, 5)]
    assert ids(trail.ask("limit:5", page=4, page_size=2)) == ["R-3"]
    for n, more in ((6, True), (7, False), (8, False)):
        found = trail.ask(f"limit:{n}").body
        assert isinstance(found, Requests)
        assert found.more is more


async def test_of_very_many_the_newest_are_listed(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.audit.answer.MOST", 3)
    for n in range(4):
        await trail.filed(f"a{n}")
    found = trail.ask("state:open")
    assert ids(found) == ["R-4", "R-3", "R-2"]
    assert isinstance(found.body, Requests)
    assert (found.page.total, found.body.more) == (3, True)


async def test_an_answer_states_the_entries_that_it_considered(trail: Trail) -> None:
    await trail.filed("a")
    for text in ("", "help", "R-1", "R-9", "state:open"):
        head = trail.ask(text).head
        assert head.size == trail.store.run_now(TrailInStore).size
        assert head.root == trail.store.run_now(lambda tx: verify_trail(tx).root)
    before = trail.ask("").head
    await trail.filed("b")
    assert trail.ask("").head.size == before.size + 1
    assert trail.ask("").head.root != before.root


async def test_a_life_names_its_newest_entry_and_its_card(trail: Trail) -> None:
    request = await trail.filed("a")
    await trail.filed("b")
    found = trail.ask("R-1").body
    assert isinstance(found, Life)
    assert found.card is None  # nothing was posted
    await trail.approved(request)
    trail.post_everything()
    found = trail.ask("R-1").body
    assert isinstance(found, Life)
    (entry,) = trail.store.run_now(
        lambda tx: tx.query("SELECT seq, body FROM entries WHERE stream = 'R-1' AND version = 3")
    )
    assert found.newest == (entry["seq"], leaf_hash(entry["body"]))
    assert found.card is not None
    assert found.card[0] == "C02REV"


# --- the one that the fewest fit is looked up, and the rest checked --------------------------


@pytest.mark.parametrize("counted", [1, 10_000])
@pytest.mark.parametrize("few", [0, 1_000])
async def test_every_combination_of_filters_finds_what_each_finds(
    trail: Trail, monkeypatch: pytest.MonkeyPatch, counted: int, few: int
) -> None:
    """Whichever filter is looked up first: it finds what all of them find."""
    monkeypatch.setattr(audit, "COUNTED", counted)
    monkeypatch.setattr(audit, "FEW", few)
    await trail.one_in_every_phase()
    await trail.filed("mallory", by=OTHER_AGENT, followers=5_000_000)
    await trail.approved(await trail.filed("eve", what="Quite another thing."), BOB)
    one = [f"state:{p.replace(' ', '-')}" for p in ("open", "vetoed", "executed", "cooling off")]
    each = [*one, f"by:{AGENT}", f"by:{OTHER_AGENT}", f"reviewer:{ANN}", f"reviewer:{BOB}"]
    each += ["tier:standard", "tier:public-office", "account:mallory", "account:id-eve", "since:6h"]
    each += ["until:5h", "words:somebody", '"another thing"', "words:some*"]
    found = {text: set(ids(trail.ask(text, page_size=50))) for text in each}
    assert all(found.values())
    for first, second, third in combinations(each, 3):
        keys = {text.partition(":")[0] for text in (first, second, third) if ":" in text}
        if len(keys) + ('"another thing"' in (first, second, third)) < 3:
            continue
        both = trail.ask(f"{first} {second}", page_size=50)
        assert set(ids(both)) == found[first] & found[second], (first, second)
        every = trail.ask(f"{first} {second} {third}", page_size=50)
        assert set(ids(every)) == found[first] & found[second] & found[third]
