"""A request is the fold of its events, and its phase follows from the time."""

from dataclasses import replace

import pytest

from bot.core.commands import NothingHappened, Restore, Settle, Start, Unclear, Veto
from bot.core.decide import decide
from bot.core.request import STILL_OPEN, WAITING, Phase, evolve

from .build import (
    ANN,
    AWAY,
    BOB,
    DAY,
    ETA,
    FACTS,
    HOUR,
    LEE,
    MINUTE,
    NOW,
    RUN_BY,
    STANDARD,
    after,
    approve,
    approved,
    cooling,
    executed,
    executing,
    file,
    filed,
    fold,
    record,
    snapshot,
    unknown,
)


def test_phases_follow_from_the_time_alone() -> None:
    request = cooling()
    assert [request.phase(t) for t in (NOW, ETA - 1, ETA, RUN_BY + DAY)] == [
        Phase.COOLING_OFF,
        Phase.COOLING_OFF,
        Phase.READY,
        Phase.READY,
    ]
    assert filed().phase(NOW + 9 * DAY) is Phase.OPEN


def test_the_ends_of_time_come_from_the_terms() -> None:
    assert (filed().deadline, filed().eta, filed().run_by) == (NOW + DAY, None, None)
    assert (cooling().eta, cooling().run_by) == (NOW + 30 * MINUTE, NOW + 90 * MINUTE)
    standard = approved(ANN, facts=STANDARD)
    assert (standard.deadline, standard.eta) == (NOW + 8 * HOUR, NOW + 5 * MINUTE)


def test_what_has_only_to_expire_is_overdue() -> None:
    assert not filed().overdue(NOW + DAY - 1)
    assert filed().overdue(NOW + DAY)
    assert not cooling().overdue(RUN_BY - 1)
    assert cooling().overdue(RUN_BY)
    late = after(filed(), approve(filed(), ANN), now=NOW + DAY - 1)
    late = after(late, approve(late, LEE), now=NOW + DAY - 1)
    assert not late.overdue(NOW + DAY)  # it cools off, past the time for a quorum
    assert not executing().overdue(NOW + 9 * DAY)
    assert not executed().overdue(NOW + 9 * DAY)


def test_unknown_is_not_closed_and_every_end_is() -> None:
    closed = {p for p in Phase if p.closed}
    assert {p.value for p in closed} == {
        "executed",
        "failed",
        "vetoed",
        "withdrawn",
        "expired",
        "lapsed",
    }
    assert frozenset({Phase.EXECUTING, Phase.UNKNOWN}) == STILL_OPEN - WAITING


def test_every_event_is_a_version() -> None:
    assert filed().version == 1
    assert cooling().version == 4
    assert executing().version == 5


def test_what_is_unknown_has_been_so_since_it_was_first_said() -> None:
    execution = unknown().execution
    assert execution is not None
    assert (execution.started_at, execution.unknown_since) == (ETA, ETA)
    assert execution.before.open == FACTS.subject


def test_an_end_keeps_what_was_answered_and_seen() -> None:
    ending = executed().ending
    assert ending is not None
    assert ending.receipt is not None
    assert ending.receipt.open.answer == "PUT users: 200"
    assert executed().execution is None


def test_an_attempt_that_came_to_nothing_is_remembered() -> None:
    request = executing()
    request = after(request, record(request, NothingHappened("refused")), now=ETA + 7)
    assert request.last_attempt_at == ETA + 7
    assert request.last_attempt_why is not None
    assert request.last_attempt_why.open.text == "refused"


def test_a_new_round_voids_the_approvals() -> None:
    facts = replace(FACTS, subject=snapshot(handle="@vice"))
    request = after(cooling(), Start("R-1"), facts=facts, now=ETA)
    assert (request.round, request.approvals, request.quorum_at) == (2, (), None)
    assert (request.opened_at, request.filed_at) == (ETA, NOW)
    assert request.reopened_why is not None


def test_folding_the_same_events_again_gives_the_same_state() -> None:
    commands = [
        lambda r: approve(r, ANN),
        lambda r: approve(r, LEE),
        lambda r: Start("R-1"),
        lambda r: record(r, Unclear("it timed out")),
        lambda r: Settle(ANN, "R-1", True, "I asked."),
        lambda r: Settle(BOB, "R-1", True, "I asked, too."),
    ]
    events = decide(None, file(), FACTS, NOW)
    for command, now in zip(commands, (NOW, NOW, ETA, ETA, ETA + DAY, ETA + DAY), strict=True):
        request = fold(None, events)
        events += decide(request, command(request), FACTS, now)
    request = fold(None, events)
    assert request == fold(None, events)
    assert request.phase(ETA + DAY) is Phase.EXECUTED
    assert [s.by for s in request.settlements] == [ANN, BOB]


def test_nothing_is_filed_twice() -> None:
    (event,) = decide(None, file(), FACTS, NOW)
    with pytest.raises(ValueError, match="R-1 is filed twice"):
        fold(filed(), [event])


def test_a_stream_begins_with_its_filing() -> None:
    (event,) = decide(filed(), Veto(ANN, "R-1", "No."), FACTS, NOW)
    with pytest.raises(AssertionError):
        evolve(None, event)  # type: ignore[arg-type]


def test_a_restore_begins_a_request_of_its_own() -> None:
    events = decide(executed(), Restore(ANN, "R-1", "A mistake."), AWAY, ETA)
    assert fold(None, events).undoes == "R-1"
