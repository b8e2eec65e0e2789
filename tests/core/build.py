"""Builders: people, a policy, facts, and requests that only `decide` and `evolve` have made."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bot.core.actions import ActionKind, Capability, Outcome, Receipt, Reversibility
from bot.core.commands import (
    Approve,
    Command,
    Export,
    File,
    Finding,
    Record,
    Restore,
    Seen,
    Start,
    Unclear,
)
from bot.core.decide import Refused, decide
from bot.core.events import Event, Grounds, RequestEvent
from bot.core.facts import Facts, Membership, Person, Posted
from bot.core.policy import Policy
from bot.core.reasons import ReasonCode
from bot.core.request import Request, evolve
from bot.core.sealed import canonical
from bot.core.subject import AccountState, Observed, Snapshot, SubjectId

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 1_700_000_000_000

TEAM = "T01TEST"
AGENT, MANAGER, EVE = "U01AGENT", "U09MANAGER", "U08EVE"  # Eve has no part in anything
ANN, BOB = "U02ANN", "U03BOB"  # of trust-safety
LEE = "U05LEE"  # of legal
TS, LEGAL = "trust-safety", "legal"

SUBJECT = SubjectId(platform="demo", id="a1")
FAMOUS, OBSCURE = 2_000_000, 10  # followers: the top tier, the standard one


def policy(**changed: Any) -> Policy:
    said: dict[str, Any] = {
        "version": 1,
        "workspace": TEAM,
        "channels": {"review": "C02REV"},
        "people": {
            "agents": {"users": [AGENT]},
            "managers": {"users": [MANAGER]},
            "reviewers": {TS: {"usergroup": "S01TS"}, LEGAL: {"usergroup": "S02LEGAL"}},
        },
        "tiers": [
            {
                "name": "top",
                "when": {"followers_at_least": 1_000_000},
                "quorum": {"approvals": 2, "including": {LEGAL: 1}},
                "cool_off": 30 * MINUTE,
                "open_for": 24 * HOUR,
                "run_within": HOUR,
            },
            {
                "name": "standard",
                "quorum": {"approvals": 1},
                "cool_off": 5 * MINUTE,
                "open_for": 8 * HOUR,
                "run_within": HOUR,
            },
        ],
        **changed,
    }
    return Policy.model_validate_json(canonical(said))


def snapshot(**known: Any) -> Snapshot:
    usual = {
        "subject": SUBJECT,
        "handle": "@president",
        "at": NOW,
        "state": AccountState.ACTIVE,
        "followers": FAMOUS,
        "roles": frozenset(),
        "legal_hold": False,
    }
    return Snapshot(**(usual | known))


def group(*members: str, fresh: bool = True) -> Membership:
    return Membership(frozenset(members), fresh)


EVERYBODY = (AGENT, MANAGER, EVE, ANN, BOB, LEE)
FACTS = Facts(
    origin="test.example",
    policy=policy(),
    next_id="R-1",
    people={id: Person(id, team=TEAM) for id in EVERYBODY},
    agents=group(AGENT),
    managers=group(MANAGER),
    groups={TS: group(ANN, BOB), LEGAL: group(LEE)},
    subject=snapshot(),
    capability=Capability(reversibility=Reversibility.LOSSLESS, idempotent=True),
    posted=Posted(card=True, notice=True),
)
STANDARD = replace(FACTS, subject=snapshot(followers=OBSCURE))
AWAY = replace(FACTS, subject=snapshot(state=AccountState.DEACTIVATED, by="somebody"))


def with_groups(facts: Facts = FACTS, **groups: Membership) -> Facts:
    """`facts` with other members in `ts` or `legal`."""
    named = {{"ts": TS, "legal": LEGAL}[name]: members for name, members in groups.items()}
    return replace(facts, groups={**facts.groups, **named})


def with_person(id: str, facts: Facts = FACTS, **changed: Any) -> Facts:
    """`facts` in which Slack says something else of a person."""
    return replace(facts, people={**facts.people, id: replace(facts.person(id), **changed)})


def sharing(facts: Facts, key: str, *ids: str) -> Facts:
    """`facts` in which these accounts share an identity key as well."""
    for id in ids:
        facts = with_person(id, facts, identity=facts.person(id).identity | {key})
    return facts


# --- commands and what they lead to ------------------------------------------------------------


def file(by: str = AGENT, action: ActionKind = ActionKind.DEACTIVATE, **changed: Any) -> File:
    usual = File(by, action, SUBJECT, ReasonCode.SPAM, Grounds(what_happened="Sells pills."))
    return replace(usual, **changed)


def approve(request: Request, by: str) -> Approve:
    return Approve(by, request.id, request.round, request.digest[:8])


def record(request: Request, finding: Finding) -> Record:
    assert request.execution is not None
    return Record(request.id, request.execution.attempt, finding)


def seen(outcome: Outcome = Outcome.VERIFIED) -> Seen:
    observed = Observed(state=AccountState.DEACTIVATED, surface="search", at=NOW)
    return Seen(outcome, Receipt(answer="PUT users: 200", at=NOW), observed)


def fold(request: Request | None, events: Iterable[Event]) -> Request:
    for event in events:
        assert isinstance(event, RequestEvent)
        request = evolve(request, event)
    assert request is not None
    return request


def after(
    request: Request | None, *commands: Command, facts: Facts = FACTS, now: int = NOW
) -> Request:
    """`request` after commands that are given at `now`."""
    for command in commands:
        starts = isinstance(command, File | Restore)
        request = fold(None if starts else request, decide(request, command, facts, now))
    assert request is not None
    return request


def refusal(request: Request | None, command: Command, facts: Facts = FACTS, now: int = NOW) -> str:
    """Why `command` is refused."""
    try:
        events = decide(request, command, facts, now)
    except Refused as refused:
        return str(refused)
    raise AssertionError(f"not refused: {events}")


def decided(
    request: Request | None, command: Command, facts: Facts = FACTS, now: int = NOW
) -> list[Any]:
    """The events of `command`; Any, because the test says which they are."""
    return list(decide(request, command, facts, now))


def kinds(
    request: Request | None, command: Command, facts: Facts = FACTS, now: int = NOW
) -> list[str]:
    """Which events `command` has."""
    return [event.kind for event in decide(request, command, facts, now)]


# --- requests, each a step further ---------------------------------------------------------------


def filed(facts: Facts = FACTS, **changed: Any) -> Request:
    return after(None, file(**changed), facts=facts)


def approved(*people: str, facts: Facts = FACTS, request: Request | None = None) -> Request:
    request = request or filed(facts)
    return after(request, *(approve(request, by) for by in people), facts=facts)


def cooling(facts: Facts = FACTS) -> Request:
    return approved(ANN, LEE, facts=facts)


ETA = NOW + 30 * MINUTE  # of what has its quorum at NOW
RUN_BY = ETA + HOUR


def executing(request: Request | None = None, facts: Facts = FACTS, now: int = ETA) -> Request:
    request = request or cooling()
    return after(request, Start(request.id), facts=facts, now=now)


def unknown(now: int = ETA) -> Request:
    request = executing()
    return after(request, record(request, Unclear("it timed out")), now=now)


def executed(outcome: Outcome = Outcome.VERIFIED, **changed: Any) -> Request:
    filed_with = filed(**changed)
    request = executing(approved(ANN, LEE, request=filed_with))
    return after(request, record(request, seen(outcome)), now=ETA)


def restoring(facts: Facts = AWAY, by: str = ANN) -> Request:
    """The request that one click on Restore makes."""
    return after(executed(), Restore(by, "R-1", "A mistake."), facts=replace(facts, next_id="R-2"))


def exported(by: str, names: tuple[tuple[str, str], ...] | None = None) -> Export:
    """The command of an export of everything."""
    return Export(by, "export", "jsonl", None, None, 12, "cm9vdA==", 12, "d1" * 32, names)
