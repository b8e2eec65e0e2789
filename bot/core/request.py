"""A request: the fold of its events. `evolve` is the only function that changes its state."""

from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, assert_never

from bot.core.actions import ActionKind, Order, Outcome, Receipt
from bot.core.events import (
    Approved,
    AttemptEnded,
    Electorate,
    Erased,
    Executed,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
    Expired,
    Filed,
    Grounds,
    Identity,
    Lapsed,
    QuorumLost,
    QuorumReached,
    Reopened,
    RequestEvent,
    Retracted,
    SettlementProposed,
    Vetoed,
    Withdrawn,
)
from bot.core.reasons import ReasonCode
from bot.core.sealed import Sealed, Words
from bot.core.subject import Observed, Snapshot, SubjectId
from bot.core.terms import Terms


class Phase(StrEnum):
    OPEN = "open"
    COOLING_OFF = "cooling off"
    READY = "ready"
    EXECUTING = "executing"
    UNKNOWN = "unknown"
    EXECUTED = "executed"
    FAILED = "failed"
    VETOED = "vetoed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    LAPSED = "lapsed"

    @property
    def closed(self) -> bool:
        return self not in STILL_OPEN


WAITING = frozenset({Phase.OPEN, Phase.COOLING_OFF, Phase.READY})  # nothing was started
STILL_OPEN = WAITING | {Phase.EXECUTING, Phase.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Approval:
    by: str
    at: int
    digest: str
    groups: tuple[str, ...]
    identity: Sealed[Identity]


@dataclass(frozen=True, slots=True)
class Veto:
    by: str
    at: int
    reason: Sealed[Words]


@dataclass(frozen=True, slots=True)
class Execution:
    """An attempt under way, or whose effect is not known."""

    attempt: int
    order: Sealed[Order]
    before: Sealed[Snapshot]
    started_at: int
    unknown_since: int | None = None
    why: Sealed[Words] | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    by: str
    took_effect: bool
    identity: Sealed[Identity]


@dataclass(frozen=True, slots=True)
class Ending:
    """How and when it ended; of the rest what that ending has."""

    phase: Phase
    at: int
    by: str
    why: Sealed[Words] | None = None
    outcome: Outcome | None = None
    receipt: Sealed[Receipt] | None = None
    observed: Sealed[Observed] | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """That what was sealed is gone: who had it erased, and when."""

    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Request:
    id: str
    action: ActionKind
    requester: str
    reason: ReasonCode
    subject: Sealed[SubjectId]
    grounds: Sealed[Grounds]
    identity: Sealed[Identity]
    electorate: Electorate
    undoes: str | None
    filed_at: int
    version: int = 0  # how many events
    round: int = 1
    opened_at: int = 0  # when this round began
    snapshot: Sealed[Snapshot] | None = None
    terms: Terms | None = None
    digest: str = ""
    approvals: tuple[Approval, ...] = ()
    quorum_at: int | None = None
    attempts: int = 0
    execution: Execution | None = None
    late_veto: Veto | None = None  # came after an attempt had begun
    settlements: tuple[Settlement, ...] = ()
    reopened_why: Sealed[Words] | None = None
    last_attempt_why: Sealed[Words] | None = None
    last_attempt_at: int | None = None  # when an attempt ended with nothing done (ms)
    ending: Ending | None = None
    erasure: Erasure | None = None

    def phase(self, now: int) -> Phase:
        """Derived, never stored: no job has to run for a cool-off to end."""
        if self.ending is not None:
            return self.ending.phase
        if self.execution is not None:
            return Phase.EXECUTING if self.execution.unknown_since is None else Phase.UNKNOWN
        if self.eta is None:
            return Phase.OPEN
        return Phase.COOLING_OFF if now < self.eta else Phase.READY

    @property
    def deadline(self) -> int:
        """Until when a quorum may be reached (ms)."""
        return self.opened_at + self.pinned.open_for

    @property
    def eta(self) -> int | None:
        """When the cool-off ends (ms); None without a quorum."""
        return None if self.quorum_at is None else self.quorum_at + self.pinned.cool_off

    @property
    def run_by(self) -> int | None:
        """Until when it may be started (ms); None without a quorum."""
        return None if self.eta is None else self.eta + self.pinned.run_within

    @property
    def expires_at(self) -> int | None:
        """When its time is over unless something is done (ms); None: it was started, or ended."""
        if self.ending is not None or self.execution is not None:
            return None
        return self.deadline if self.run_by is None else self.run_by

    def overdue(self, now: int) -> bool:
        """Whether its time is over, whether or not somebody has come to say so: an Expire that is
        late lengthens nothing."""
        return self.expires_at is not None and now >= self.expires_at

    @property
    def pinned(self) -> Terms:
        assert self.terms is not None
        return self.terms

    @property
    def known(self) -> Sealed[Snapshot]:
        assert self.snapshot is not None
        return self.snapshot

    def could_review(self, person: str) -> frozenset[str]:
        """The groups that `person` was in when the request was filed."""
        return frozenset(group for group, members in self.electorate if person in members)


def _ended(request: Request, ending: Ending) -> Request:
    return replace(request, ending=ending, execution=None)


def evolve(request: Request | None, event: RequestEvent) -> Request:
    """`request` after `event`. The events of a stream, folded from None, are its state."""
    if request is None:
        assert isinstance(event, Filed)
        return Request(
            id=event.request,
            action=event.action,
            requester=event.by,
            reason=event.reason,
            subject=event.subject,
            grounds=event.grounds,
            identity=event.identity,
            electorate=event.electorate,
            undoes=event.undoes,
            filed_at=event.at,
            version=1,
            opened_at=event.at,
            snapshot=event.snapshot,
            terms=event.terms,
            digest=event.digest,
        )
    return _next(replace(request, version=request.version + 1), event)


def _next(request: Request, event: RequestEvent) -> Request:
    at, by = event.at, event.by
    match event:
        case Filed():
            raise ValueError(f"{request.id} is filed twice")
        case Approved():
            given = Approval(by, at, event.digest, event.groups, event.identity)
            return replace(request, approvals=(*request.approvals, given))
        case QuorumReached():
            return replace(request, quorum_at=at)
        case Retracted():
            left = tuple(a for a in request.approvals if a.by != by)
            return replace(request, approvals=left)
        case QuorumLost():
            return replace(request, quorum_at=None)
        case Vetoed():
            if request.execution is None:
                return _ended(request, Ending(Phase.VETOED, at, by, event.reason))
            return replace(request, late_veto=Veto(by, at, event.reason))
        case Withdrawn():
            return _ended(request, Ending(Phase.WITHDRAWN, at, by))
        case Reopened():
            return replace(
                request,
                round=request.round + 1,
                opened_at=at,
                snapshot=event.snapshot,
                terms=event.terms,
                digest=event.digest,
                approvals=(),
                quorum_at=None,
                reopened_why=event.why,
            )
        case Lapsed():
            return _ended(request, Ending(Phase.LAPSED, at, by, event.why))
        case Expired():
            return _ended(request, Ending(Phase.EXPIRED, at, by))
        case ExecutionStarted():
            execution = Execution(event.attempt, event.order, event.before, at)
            return replace(request, attempts=event.attempt, execution=execution)
        case Executed():
            ending = Ending(
                Phase.EXECUTED,
                at,
                by,
                outcome=event.outcome,
                receipt=event.receipt,
                observed=event.observed,
            )
            return _ended(request, ending)
        case ExecutionFailed():
            return _ended(request, Ending(Phase.FAILED, at, by, event.why))
        case AttemptEnded():
            if (veto := request.late_veto) is not None:
                return _ended(request, Ending(Phase.VETOED, veto.at, veto.by, veto.reason))
            return replace(request, execution=None, last_attempt_why=event.why, last_attempt_at=at)
        case ExecutionUnknown():
            assert request.execution is not None
            execution = replace(request.execution, unknown_since=at, why=event.why)
            return replace(request, execution=execution)
        case SettlementProposed():
            said = Settlement(by, event.took_effect, event.identity)
            return replace(request, settlements=(*request.settlements, said))
        case Erased():
            emptied: Request = _emptied(request)
            return replace(emptied, erasure=Erasure(by, at))
        case _:  # pragma: no cover
            assert_never(event)


def _emptied(part: Any) -> Any:
    """`part` without the values sealed anywhere in it, but for what tells people apart."""
    match part:
        case Sealed():
            return part.erased
        case tuple():
            return tuple(_emptied(one) for one in part)
        case _ if is_dataclass(part) and not isinstance(part, type):
            kept = (f.name for f in fields(part) if f.name != "identity")
            return replace(part, **{name: _emptied(getattr(part, name)) for name in kept})
        case _:
            return part
