"""What has to be done outside because of an event: the rows that go into the outbox with it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from bot.core.commands import HOST
from bot.core.events import (
    Approved,
    Erased,
    Event,
    Executed,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
    Expired,
    Exported,
    Filed,
    Lapsed,
    PolicyAdopted,
    Queried,
    QueriesErased,
    QuorumReached,
    Reopened,
    Unmasked,
    Vetoed,
    Withdrawn,
)
from bot.core.request import Request


@dataclass(frozen=True, slots=True)
class Effect:
    """`card`: render the card again; `thread`: tell it in the thread; `retell`: put in the place of
    what was told there how it reads now; `direct`: tell `to` by DM; `channel`: tell the review
    channel; `execute`: carry out the order of this event; `export`: make the file that `to` asked
    for; `file`: send it to `to`."""

    what: Literal["card", "thread", "retell", "direct", "channel", "execute", "export", "file"]
    to: str = ""


class Urgency(IntEnum):
    """What goes first where not everything can be sent at once, the least first."""

    ORDER = 0  # nothing waits for Slack that is to be done on a platform
    DECIDED = 1  # it changes what anybody may still do about it
    NEWS = 2
    DIGEST = 3
    CARD = 4  # a request that nobody has decided about yet
    FILED = 5  # the reply that says no more than its card


DECISIVE = (
    QuorumReached,
    Vetoed,
    Withdrawn,
    ExecutionStarted,
    ExecutionUnknown,
    Executed,
    ExecutionFailed,
)

FIRST_PAUSE = 1_000  # ms after an attempt that came to nothing; doubled each time
LONGEST_PAUSE = 60_000  # ms

TOLD_TO_THE_REQUESTER = (
    Vetoed,
    Withdrawn,
    Lapsed,
    Expired,
    Reopened,
    Executed,
    ExecutionFailed,
    ExecutionUnknown,
)


def effects(request: Request | None, event: Event) -> tuple[Effect, ...]:
    """The effects of `event`; `request` is its request after it, None in the other streams."""
    match event:
        case Queried():
            return (Effect("export", event.by),) if event.export else ()
        case Exported():  # on the machine the file is there already
            return () if event.by.startswith(HOST) else (Effect("file", event.by),)
        case Unmasked() | QueriesErased():
            return ()
        case PolicyAdopted():
            return (Effect("channel"),)
        case Erased():  # nobody is told what it was about once more
            return (Effect("card"), Effect("retell"))
    assert request is not None
    told = [Effect("card"), Effect("thread")]
    if isinstance(event, ExecutionStarted):
        told.append(Effect("execute"))
    if isinstance(event, TOLD_TO_THE_REQUESTER):
        told.append(Effect("direct", request.requester))
    if isinstance(event, Approved):
        told.append(Effect("direct", event.by))
    if isinstance(event, QuorumReached) and request.pinned.is_top:
        reviewers = {p for _, members in request.electorate for p in members}
        told += [Effect("direct", p) for p in sorted(reviewers - {request.requester})]
    return tuple(told)


def urgency(effect: Effect, event: Event) -> Urgency:
    if effect.what == "execute":
        return Urgency.ORDER
    if isinstance(event, DECISIVE):
        return Urgency.DECIDED
    if isinstance(event, Filed):
        return Urgency.CARD if effect.what == "card" else Urgency.FILED
    return Urgency.NEWS


def next_due(request: Request, now: int) -> int | None:
    """When (ms) somebody has to look at `request` again without being asked; None: never."""
    if request.ending is not None:
        return None
    if request.execution is not None:
        return None if request.execution.unknown_since is None else now
    if request.eta is None:
        return request.deadline
    if request.last_attempt_at is None:
        return request.eta
    pause = min(FIRST_PAUSE << min(request.attempts - 1, 10), LONGEST_PAUSE)
    return max(request.eta, request.last_attempt_at + pause)
