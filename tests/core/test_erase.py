"""What a request keeps when it is erased, and while it must not be."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from bot.core.actions import ActionKind, Outcome
from bot.core.assess import assess
from bot.core.commands import (
    Erase,
    EraseQueries,
    Expire,
    NothingHappened,
    Refusal,
    Restore,
    Settle,
    Start,
    Veto,
    Withdraw,
)
from bot.core.facts import Facts
from bot.core.reasons import ReasonCode
from bot.core.request import Erasure, Phase, Request
from bot.core.rules import PHASES, REGRET, Act, objection
from bot.core.sealed import Sealed

from .build import (
    AGENT,
    ANN,
    AWAY,
    BOB,
    DAY,
    ETA,
    FACTS,
    LEE,
    NOW,
    RUN_BY,
    after,
    approve,
    cooling,
    decided,
    executed,
    executing,
    filed,
    kinds,
    record,
    refusal,
    restoring,
    seen,
    snapshot,
    unknown,
)

DPO = "host:dpo"
LATER = ETA + REGRET


def erase(request: Request, by: str = DPO, reason: str = "Art. 17") -> Erase:
    return Erase(by, request.id, reason)


def sealed(part: Any, name: str = "") -> dict[str, Sealed[Any]]:
    """Everything sealed in it, by its place."""
    if isinstance(part, Sealed):
        return {name: part}
    if isinstance(part, tuple):
        return {k: v for n, one in enumerate(part) for k, v in sealed(one, f"{name}.{n}").items()}
    if is_dataclass(part):
        inner = (sealed(getattr(part, f.name), f"{name}.{f.name}") for f in fields(part))
        return {k: v for found in inner for k, v in found.items()}
    return {}


def a_full_life() -> Request:
    """Reopened, attempted in vain, vetoed too late and executed: whatever can stand sealed."""
    renamed = replace(FACTS, subject=snapshot(handle="@vice"))
    request = after(cooling(), Start("R-1"), facts=renamed, now=ETA)
    assert request.reopened_why is not None
    request = after(request, approve(request, ANN), approve(request, LEE), facts=renamed, now=ETA)
    eta = request.eta
    assert eta is not None
    request = after(request, Start("R-1"), facts=renamed, now=eta)
    request = after(request, record(request, NothingHappened("not sent")), facts=renamed, now=eta)
    request = after(request, Start("R-1"), facts=renamed, now=eta)
    request = after(request, Veto(BOB, "R-1", "No."), facts=renamed, now=eta)
    return after(request, record(request, seen()), facts=renamed, now=eta)


def test_of_an_erased_request_nothing_sealed_is_left_but_who_is_whom() -> None:
    before = a_full_life()
    erased = after(before, erase(before), now=LATER + DAY)
    had, has = sealed(before), sealed(erased)
    assert had.keys() == has.keys()
    assert {name for name, s in has.items() if s.value is not None} == {
        name for name in had if name.endswith(".identity")
    }
    assert {".subject", ".grounds", ".snapshot", ".reopened_why", ".last_attempt_why"} <= had.keys()
    assert {".late_veto.reason", ".ending.receipt", ".ending.observed"} <= had.keys()
    assert [s.salt for name, s in has.items() if not name.endswith(".identity")] == [None] * (
        len(has) - sum(name.endswith(".identity") for name in has)
    )
    assert [s.commitment for s in has.values()] == [s.commitment for s in had.values()]


def test_what_was_decided_by_whom_and_when_stays() -> None:
    before = executed()
    erased = after(before, erase(before), now=LATER)
    assert erased.erasure == Erasure(DPO, LATER)
    assert erased.version == before.version + 1
    assert erased.phase(LATER) is Phase.EXECUTED
    assert [(a.by, a.at, a.groups, a.digest) for a in erased.approvals] == [
        (a.by, a.at, a.groups, a.digest) for a in before.approvals
    ]
    assert (erased.ending and erased.ending.outcome, erased.requester) == (Outcome.VERIFIED, AGENT)
    assert assess(erased, FACTS, LATER).count.counted == (ANN, LEE)


def test_erasing_is_recorded_with_its_reason() -> None:
    before = executed()
    (event,) = decided(before, erase(before), now=LATER)
    assert (event.kind, event.by, event.at) == ("Erased", DPO, LATER)
    assert event.reason.open.text == "Art. 17"


# --- when it is refused --------------------------------------------------------------------------


OPEN = [
    (filed(), NOW, "R-1 is open, and has to end first: it can be vetoed or withdrawn"),
    (cooling(), NOW, "R-1 is cooling off, and has to end first: it can be vetoed or withdrawn"),
    (cooling(), ETA, "R-1 is ready, and has to end first: it can be vetoed or withdrawn, and its"),
    (cooling(), RUN_BY, "R-1 is ready, and has to end first: its time is over, and the bot ends"),
    (executing(), ETA, "R-1 is executing, and has to end first: it is being carried out."),
    (unknown(), ETA, "R-1 is unknown, and has to end first: its effect has to be seen, or two"),
]


@pytest.mark.parametrize(("request_", "now", "said"), OPEN)
def test_an_open_request_keeps_what_it_is_about(request_: Request, now: int, said: str) -> None:
    assert refusal(request_, erase(request_), now=now).startswith(said)


def test_what_one_click_can_undo_keeps_what_that_needs() -> None:
    request = executed()
    why = refusal(request, erase(request), now=LATER - 1)
    assert why.startswith("R-1 can be undone with one click until 2023-11-15T22:43:20Z")
    assert kinds(request, erase(request), now=LATER) == ["Erased"]


UNDOABLE_BY_NOBODY: list[tuple[Request, Facts]] = [
    (executed(), replace(FACTS, undone_by="R-2", newer="R-2")),
    (executed(), replace(FACTS, newer="R-3")),
    (executed(Outcome.ALREADY_OTHERS), FACTS),
    (executed(reason=ReasonCode.CHILD_SAFETY), FACTS),
]


@pytest.mark.parametrize(("request_", "facts"), UNDOABLE_BY_NOBODY)
def test_what_no_click_can_undo_need_not_wait(request_: Request, facts: Facts) -> None:
    assert kinds(request_, erase(request_), facts=facts, now=ETA) == ["Erased"]


@pytest.mark.parametrize(
    "end",
    [
        lambda: after(filed(), Withdraw(AGENT, "R-1")),
        lambda: after(filed(), Veto(ANN, "R-1", "No.")),
        lambda: after(filed(), Expire("R-1"), now=NOW + DAY),
        lambda: after(executing(), record(executing(), Refusal("no")), now=ETA),
    ],
)
def test_what_was_never_done_need_not_wait(end: Any) -> None:
    request = end()
    assert kinds(request, erase(request), now=NOW + DAY) == ["Erased"]


def test_a_restore_need_not_wait_once_it_is_done() -> None:
    restore = restoring()
    started = after(restore, Start("R-2"), facts=AWAY)
    done = after(started, record(started, seen()), facts=AWAY)
    assert done.action is ActionKind.RESTORE
    assert kinds(done, erase(done)) == ["Erased"]


def test_while_a_restore_of_it_is_open_it_keeps_what_that_needs() -> None:
    request = executed()
    why = refusal(request, erase(request), facts=replace(FACTS, holder="R-2"), now=LATER)
    assert why == "R-2 still concerns the account of R-1, and has to end first."


def test_nothing_is_erased_twice() -> None:
    request = executed()
    erased = after(request, erase(request), now=LATER)
    assert refusal(erased, erase(erased), now=LATER + 1).startswith("R-1 was erased already, at ")


def test_nobody_erases_from_slack_or_without_a_reason() -> None:
    request = executed()
    for by in (AGENT, ANN, "worker", "U0host:me"):
        why = refusal(request, erase(request, by=by), now=LATER)
        assert why == "Only on the machine can something be erased: nolone audit erase."
        assert refusal(None, EraseQueries(by, (3,), "Art. 17")) == why
    assert refusal(request, erase(request, reason=" \n"), now=LATER).startswith("Say why it is")
    assert refusal(None, EraseQueries(DPO, (3,), "")).startswith("Say why it is erased")
    assert refusal(None, erase(request)) == "There is no request R-1."


def test_queries_are_erased_by_their_entries() -> None:
    (event,) = decided(None, EraseQueries(DPO, (3, 9), "Art. 17"))
    assert (event.kind, event.entries, event.reason.open.text) == (
        "QueriesErased",
        (3, 9),
        "Art. 17",
    )
    assert refusal(None, EraseQueries(DPO, (), "Art. 17")) == "There is no query to erase."


# --- what can be done with it ----------------------------------------------------------------------


def test_an_erased_request_can_be_acted_on_by_nobody() -> None:
    request = executed(reason=ReasonCode.CHILD_SAFETY)
    erased = after(request, erase(request), now=ETA)
    assert assess(erased, FACTS, ETA).acts == ()
    for act in PHASES:
        for person in FACTS.people.values():
            assert objection(act, erased, person, FACTS, ETA) is not None
    assert refusal(erased, Restore(ANN, "R-1", "A mistake."), facts=AWAY, now=ETA) == (
        "What R-1 was about is erased: use /request-restore, which takes an approval."
    )
    assert objection(Act.LOOK, erased, FACTS.person(ANN), FACTS, ETA) is None
    assert refusal(erased, Settle(ANN, "R-1", True, "I asked."), now=ETA)
