"""A decision that explains itself: where a request stands, what is missing, what is possible."""

from dataclasses import dataclass

from bot.core.actions import ACTIONS, Outcome
from bot.core.facts import Facts
from bot.core.quorum import ANYBODY, Count, count
from bot.core.request import WAITING, Phase, Request
from bot.core.rules import PHASES, Act, objection


@dataclass(frozen=True, slots=True)
class Assessment:
    request: Request
    phase: Phase
    count: Count
    holds: tuple[str, ...]  # why it cannot go on now, in sentences
    acts: tuple[Act, ...]  # what this phase allows somebody to do
    undone_by: str | None
    away: int | None  # how long the subject was without access until it was restored (ms)

    @property
    def missing(self) -> tuple[str, ...]:
        """What the quorum still lacks, in words."""
        names = self.count.missing
        said = []
        for group in dict.fromkeys(names):
            n = names.count(group)
            if group == ANYBODY:
                said.append("one more reviewer" if n == 1 else f"{n} more reviewers")
            else:
                said.append(group if n == 1 else f"{n} of {group}")
        return tuple(said)


def assess(request: Request, facts: Facts, now: int) -> Assessment:
    phase = request.phase(now)
    return Assessment(
        request=request,
        phase=phase,
        count=count(request, facts),
        holds=tuple(_holds(request, facts, phase)),
        acts=tuple(_acts(request, facts, phase)),
        undone_by=facts.undone_by,
        away=_away(request, facts),
    )


def may(assessment: Assessment, person: str, facts: Facts, now: int) -> tuple[Act, ...]:
    """Of the acts that the phase allows, those that `person` may do."""
    who = facts.person(person)
    return tuple(
        act
        for act in assessment.acts
        if objection(act, assessment.request, who, facts, now) is None
    )


def _away(request: Request, facts: Facts) -> int | None:
    if facts.undone_at is None or request.ending is None:
        return None
    return facts.undone_at - request.ending.at


def _acts(request: Request, facts: Facts, phase: Phase) -> list[Act]:
    allowed = [act for act, phases in PHASES.items() if phase in phases]
    undoable = (
        ACTIONS[request.action].restrictive
        and facts.undone_by is None
        and request.erasure is None
        and (request.ending is None or request.ending.outcome is not Outcome.ALREADY_OTHERS)
    )
    return [act for act in allowed if act is not Act.RESTORE or undoable]


def _holds(request: Request, facts: Facts, phase: Phase) -> list[str]:
    if phase not in WAITING:
        return []
    holds = []
    if request.pinned.approvals > 0:
        unread = sorted(name for name, m in facts.groups.items() if not m.fresh)
        empty = sorted(name for name, m in facts.groups.items() if m.fresh and not m.members)
        if unread:
            holds.append(
                f"the members of {', '.join(unread)} could not be read from Slack: "
                "no approval counts until they can; a veto works"
            )
        if empty:
            holds.append(f"nobody is in {', '.join(empty)}")
    if ACTIONS[request.action].restrictive and facts.channel is not None:
        holds.append(facts.channel)
    waits = facts.waiting if phase is Phase.READY else None
    if waits is not None and not any(hold in waits for hold in holds):
        holds.append(waits)
    return holds
