"""Every state that a request can come into within twelve steps, and what is true in all of them.

A step is a command that is accepted, the passing of time to the next instant that matters, or a
change of the world. Two states are the same if nothing that may follow can tell them apart: salts,
names in endings and the past are dropped, and an instant is how far it lies ahead, exactly; so no
pair of states is merged that could behave differently, and there are finitely many.

The world is disturbed in one way at a time, any number of times in turn: all disturbances in all
combinations would be a hundred times as many states. Combinations of findings are in test_checks.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

import pytest

from bot.core.actions import ACTIONS, ActionKind, Outcome
from bot.core.assess import assess, may
from bot.core.commands import (
    Approve,
    Command,
    Erase,
    Expire,
    File,
    NothingHappened,
    Recheck,
    Record,
    Refusal,
    Restore,
    Retract,
    SetBack,
    Settle,
    Start,
    Unclear,
    Veto,
    Withdraw,
)
from bot.core.decide import Refused, decide
from bot.core.events import Event, ExecutionStarted
from bot.core.facts import Facts, Missing, Posted, Unread
from bot.core.quorum import count
from bot.core.request import WAITING, Phase, Request
from bot.core.rules import REGRET, SETTLE_AFTER, Act
from bot.core.subject import Snapshot

from .build import (
    AGENT,
    ANN,
    AWAY,
    BOB,
    FACTS,
    LEE,
    NOW,
    SECOND,
    STANDARD,
    TEAM,
    approve,
    file,
    fold,
    group,
    record,
    restoring,
    seen,
    sharing,
    with_groups,
)

DEPTH = 12
PEOPLE = (AGENT, ANN, BOB, LEE)
REVIEWERS = (ANN, BOB, LEE)
DPO = "host:dpo"
AS_EVER = "as ever"


class State(NamedTuple):
    request: Request | None
    now: int
    world: str


ENDINGS = frozenset(phase for phase in Phase if phase.closed)
NEVER_LAPSED = ENDINGS - {Phase.LAPSED}  # within twelve steps


@dataclass(frozen=True)
class Scenario:
    name: str
    worlds: Mapping[str, Facts]
    root: Request | None = None
    file: File = field(default_factory=file)
    endings: frozenset[Phase] = ENDINGS


def people(facts: Facts) -> dict[str, Facts]:
    """What may become of those who decide."""
    return {
        AS_EVER: facts,
        "Lee left legal": with_groups(facts, legal=group()),
        "trust-safety cannot be read": with_groups(facts, ts=group(ANN, BOB, fresh=False)),
        "Bob is the requester": sharing(facts, "email:y", AGENT, BOB),
    }


def surroundings(facts: Facts) -> dict[str, Facts]:
    """What may become of the account, of the requester and of Slack."""
    shown = facts.subject
    assert isinstance(shown, Snapshot)
    renamed = shown.model_copy(update={"handle": "@vice"})
    return {
        AS_EVER: facts,
        "the account is gone": replace(facts, subject=Missing()),
        "the account cannot be looked up": replace(facts, subject=Unread("it timed out")),
        "the account is renamed": replace(facts, subject=renamed),
        "the requester is no agent": replace(facts, agents=group()),
        "nothing is posted": replace(facts, posted=Posted()),
    }


UNREADABLE = with_groups(AWAY, ts=group(fresh=False), legal=group(fresh=False))
MERGED = {"Ann and Lee are one person": sharing(FACTS, "email:x", ANN, LEE)}
UNDONE = {
    "R-2 undoes it": replace(FACTS, holder="R-2"),
    "R-2 undid it": replace(FACTS, undone_by="R-2", newer="R-2"),
}
GROWN = {
    AS_EVER: STANDARD,
    "it became famous": FACTS,
    "the requester is no agent": replace(STANDARD, agents=group()),
}
RESTORE = file(action=ActionKind.RESTORE)
SCENARIOS = [
    Scenario("top tier, people", people(FACTS) | MERGED, endings=NEVER_LAPSED),
    Scenario("top tier, surroundings", surroundings(FACTS)),
    Scenario("top tier, undone while unknown", {AS_EVER: FACTS} | UNDONE, endings=NEVER_LAPSED),
    Scenario("standard tier, people", people(STANDARD)),
    Scenario("standard tier, surroundings", GROWN),
    Scenario("a restore that is asked for, people", people(AWAY), file=RESTORE),
    Scenario("a restore that is asked for, surroundings", surroundings(AWAY), file=RESTORE),
    Scenario("a restore with one click, people", people(AWAY), restoring(), endings=NEVER_LAPSED),
    Scenario(
        "a restore with one click, surroundings",
        surroundings(AWAY) | {"no group was ever read": UNREADABLE},
        restoring(),
    ),
]


# --- states ------------------------------------------------------------------------------------


def key(state: State) -> object:
    """What the future of a state depends on."""
    request, now, world = state

    def ahead(at: int | None) -> int | None:
        return None if at is None else max(at - now, 0)

    if request is None:
        return (world, now)
    if request.ending is not None:
        ending = request.ending
        left = ahead(ending.at + REGRET)
        return (world, ending.phase, ending.outcome, left, request.erasure is not None)
    execution = request.execution
    since = execution.unknown_since if execution else None
    return (
        world,
        request.round,
        request.pinned.policy,
        request.pinned.tier,
        request.pinned.approvals,
        request.pinned.including,
        (request.pinned.cool_off, request.pinned.open_for, request.pinned.run_within),
        request.known.open.handle,
        frozenset(
            (a.by, a.groups, a.identity.open.keys, a.digest == request.digest)
            for a in request.approvals
        ),
        ahead(request.deadline),
        ahead(request.eta),
        ahead(request.run_by),
        execution is not None,
        None if since is None else ahead(since + SETTLE_AFTER),
        request.late_veto is not None,
        frozenset((s.by, s.took_effect, s.identity.open.keys) for s in request.settlements),
    )


def next_instant(state: State) -> int | None:
    """The next instant at which anything can become possible or impossible."""
    request, now, _ = state
    if request is None:
        return None
    execution, ending = request.execution, request.ending
    since = execution.unknown_since if execution else None
    instants = [
        request.deadline,
        request.eta,
        request.run_by,
        None if since is None else since + SETTLE_AFTER,
        None if ending is None else ending.at + REGRET,
    ]
    return min((at for at in instants if at is not None and at > now), default=None)


def commands(state: State, scenario: Scenario) -> Iterator[Command]:
    """Whatever anybody could ask for."""
    request = state.request
    if request is None:
        yield from (replace(scenario.file, by=by) for by in PEOPLE)
        return
    id = request.id
    for by in PEOPLE:
        yield approve(request, by)
        yield Retract(by, id)
        yield Veto(by, id, "No.")
        yield Withdraw(by, id)
        yield Restore(by, id, "A mistake.")
        yield Settle(by, id, True, "I asked.")
        if request.execution is not None:
            yield Settle(by, id, False, "I asked.")
    yield replace(approve(request, BOB), round=request.round - 1)
    yield Start(id)
    yield Recheck(id)
    yield Expire(id)
    yield Erase(DPO, id, "Art. 17")
    yield SetBack(DPO, id, "a backup was restored")
    yield Record(id, request.attempts + 1, seen())
    if request.execution is not None:
        for outcome in Outcome:
            yield record(request, seen(outcome))
        for finding in (Refusal("no"), NothingHappened("not sent"), Unclear("it timed out")):
            yield record(request, finding)


# --- what is true in every state -----------------------------------------------------------------


def stands(request: Request, facts: Facts) -> bool:
    """Whether distinct entitled people, none of them the requester, are behind the request: all
    choices of approvals are tried. Shares nothing with quorum.py."""
    keys = {request.requester: facts.person(request.requester).identity}
    able = {}
    for a in request.approvals:
        person = facts.person(a.by)
        keys[a.by] = person.identity | a.identity.open.keys
        then = {name for name, members in request.electorate if a.by in members}
        now = {name for name, m in facts.groups.items() if m.fresh and a.by in m.members}
        groups = then & set(a.groups) & now
        fit = person.team == TEAM and person.flaw is None and not person.unread
        if groups and fit and a.digest == request.digest:
            able[a.by] = groups
    for chosen in combinations(able, request.pinned.approvals):
        people = combinations([request.requester, *chosen], 2)
        if any(one == other or keys[one] & keys[other] for one, other in people):
            continue
        if all(sum(g in able[p] for p in chosen) >= n for g, n in request.pinned.including):
            return True
    return False


def check_state(state: State, facts: Facts, accepted: set[tuple[type[Command], str]]) -> None:
    request, now, world = state
    if request is None:
        return
    phase = request.phase(now)
    # one person is never counted twice, nor the requester
    if count(request, facts).reached:
        assert stands(request, facts)
    elif world == AS_EVER:
        assert not stands(request, facts)
    # never fewer than two people behind what takes access away
    assert request.pinned.approvals >= 1 or not ACTIONS[request.action].restrictive
    # no attempt is ever open to what was vetoed
    assert request.late_veto is None or phase in (Phase.EXECUTING, Phase.UNKNOWN) or phase.closed
    # a veto works whatever cannot be read
    stoppable = phase in WAITING or (phase is Phase.EXECUTING and request.late_veto is None)
    for by in REVIEWERS:
        assert ((Veto, by) in accepted) == (stoppable and by != request.requester)
    # what one click can undo is not erased, nor what is not over
    if (Erase, DPO) in accepted:
        assert phase.closed
        assert not {(Restore, by) for by in PEOPLE} & accepted
    # what is shown to a person is what would be accepted from them
    assessment = assess(request, facts, now)
    for by in PEOPLE:
        shown = set(may(assessment, by, facts, now))
        assert shown == {act for act, kind in ACTS.items() if (kind, by) in accepted}
    # time and the worker alone bring every request to an end, and to no action
    if phase in WAITING:
        end = request.deadline if request.run_by is None else request.run_by
        (event,) = decide(request, Expire(request.id), facts, max(now, end))
        assert event.kind == "Expired"
    elif not phase.closed:
        free = replace(facts, holder=None)
        (event,) = decide(request, record(request, Refusal("no")), free, now)
        assert fold(request, [event]).phase(now).closed


ACTS: dict[Act, type[Command]] = {
    Act.APPROVE: Approve,
    Act.VETO: Veto,
    Act.WITHDRAW: Withdraw,
    Act.RETRACT: Retract,
    Act.RESTORE: Restore,
    Act.SETTLE: Settle,
}
# which events a command may have, and no others
ALLOWED: dict[type[Command], set[str]] = {
    File: {"Filed"},
    Approve: {"Approved", "QuorumReached"},
    Retract: {"Retracted", "QuorumLost"},
    Veto: {"Vetoed"},
    Withdraw: {"Withdrawn"},
    Recheck: {"Reopened", "Lapsed", "QuorumReached"},
    Start: {"ExecutionStarted", "Reopened", "Lapsed"},
    Record: {"Executed", "ExecutionFailed", "AttemptEnded", "ExecutionUnknown"},
    Expire: {"Expired"},
    Restore: {"Filed", "QuorumReached"},
    Settle: {"SettlementProposed", "Executed", "ExecutionFailed"},
    Erase: {"Erased"},
    SetBack: {"Lapsed", "ExecutionUnknown"},
}


def check_step(
    state: State, command: Command, facts: Facts, events: list[Event], after: Request
) -> None:
    before, now, _ = state
    kinds = [event.kind for event in events]
    assert set(kinds) <= ALLOWED[type(command)]
    assert all((event.at, event.by) == (now, command.by) for event in events)
    if before is None:
        return
    # nothing happens after the end, but that a restore begins a request of its own
    if isinstance(command, Restore):
        return
    if isinstance(command, Erase):  # and that what it was about is forgotten, once
        assert before.erasure is None
        assert after.erasure is not None
        assert (after.ending and after.ending.phase) == before.phase(now)
        assert {after.subject.value, after.known.value, after.grounds.value} == {None}
        return
    assert not before.phase(now).closed
    # no request weakens its own terms
    was, terms = before.pinned, after.pinned
    assert terms.approvals >= was.approvals
    assert dict(terms.including).items() >= dict(was.including).items()
    assert terms.cool_off >= was.cool_off
    assert terms.open_for <= was.open_for
    assert terms.run_within <= was.run_within
    # only people bring about a quorum, in time, and only with what counts
    if "QuorumReached" in kinds:
        assert isinstance(command, Approve | Recheck)
        assert now < before.deadline
        assert stands(after, facts)
    # whoever decides is certainly a reviewer, and not the requester from another account
    if isinstance(command, Approve | Settle):
        fresh = [m.members for m in facts.groups.values() if m.fresh]
        assert any(command.by in members for members in fresh)
        keys = [facts.person(by).identity for by in (command.by, before.requester)]
        assert command.by != before.requester
        assert not frozenset.intersection(*keys)
    for event in events:
        if isinstance(event, ExecutionStarted):
            check_start(before, event, facts, now)
    # every effect has an attempt that the ledger knows of
    if ALLOWED[Record] & set(kinds):
        assert before.execution is not None
    # what is not known keeps the subject
    if isinstance(command, Record) and command.finding == seen(Outcome.UNKNOWN):
        assert not after.phase(now).closed or facts.undone_by is not None


def check_start(request: Request, event: ExecutionStarted, facts: Facts, now: int) -> None:
    assert request.ending is None
    assert request.execution is None
    assert request.late_veto is None
    assert stands(request, facts)
    assert request.quorum_at is not None
    ready = request.quorum_at + request.pinned.cool_off
    assert ready <= now < ready + request.pinned.run_within
    assert all(request.opened_at <= a.at <= request.quorum_at for a in request.approvals)
    order, subject = event.order.open, facts.subject
    assert isinstance(subject, Snapshot)
    assert order.subject == request.subject.open == subject.subject
    assert order.action is request.action
    assert order.not_after <= min(ready + request.pinned.run_within, now + 30 * SECOND)
    assert order.key == f"{facts.origin}/{request.id}/{request.round}"
    assert not facts.person(request.requester).unread
    if ACTIONS[request.action].restrictive:
        assert request.requester in facts.agents.members
        assert subject.handle == request.known.open.handle
        tier, _ = facts.policy.tier_for(request.action, subject, now)
        assert tier.quorum.approvals <= request.pinned.approvals
        assert tier.cool_off <= request.pinned.cool_off
        assert facts.posted.card
        assert facts.posted.notice
        assert facts.channel is None


# --- the walk ----------------------------------------------------------------------------------


def walk(scenario: Scenario) -> tuple[Counter[str], set[Phase]]:
    counts: Counter[str] = Counter()
    endings: set[Phase] = set()
    frontier = [State(scenario.root, NOW, AS_EVER)]
    known = {key(state) for state in frontier}
    for depth in range(DEPTH + 1):
        reached: list[State] = []
        for state in frontier:
            counts["states"] += 1
            if state.request is not None and state.request.ending is not None:
                endings.add(state.request.ending.phase)
            reached += steps(state, scenario, counts)
        if depth == DEPTH:
            return counts, endings
        frontier = []
        for state in reached:
            if (k := key(state)) not in known:
                known.add(k)
                frontier.append(state)
    raise AssertionError("unreachable")


def steps(state: State, scenario: Scenario, counts: Counter[str]) -> Iterator[State]:
    """The states one step on; each command that leads there, and the state itself, is checked."""
    request, now, world = state
    facts = scenario.worlds[world]
    accepted: set[tuple[type[Command], str]] = set()
    for command in commands(state, scenario):
        try:
            events = decide(request, command, facts, now)
        except Refused:
            counts["refusals"] += 1
            continue
        counts["transitions"] += 1
        accepted.add((type(command), command.by))
        # a restore begins another request, which is another scenario
        after = request if isinstance(command, Restore) else fold(request, events)
        assert after is not None
        check_step(state, command, facts, events, after)
        if not isinstance(
            command, SetBack
        ):  # it leads nowhere new, and would hide what never lapses
            yield State(after, now, world)
    check_state(state, facts, accepted)
    if (later := next_instant(state)) is not None:
        yield State(request, later, world)
    others = scenario.worlds if world == AS_EVER else (AS_EVER,)
    yield from (State(request, now, other) for other in others if other != world)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_what_can_never_happen_does_not_within_twelve_steps(scenario: Scenario) -> None:
    began = time.monotonic()
    counts, endings = walk(scenario)
    took = time.monotonic() - began
    print(f"\n{scenario.name}: {dict(counts)}, {sorted(e.value for e in endings)}, {took:.1f} s")
    assert endings == scenario.endings
