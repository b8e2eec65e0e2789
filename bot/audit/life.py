"""The life of a request as a story: for each event when, who, and what, in words."""

import re
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from bot.core.actions import ACTIONS, Outcome
from bot.core.duration import spelled
from bot.core.events import (
    Approved,
    AttemptEnded,
    Erased,
    Executed,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
    Expired,
    Filed,
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
from bot.core.request import Request, evolve
from bot.core.sealed import Sealed, Words
from bot.core.subject import Snapshot
from bot.core.terms import Terms
from bot.store import audit, ledger
from bot.store.tx import Tx


class Who(NamedTuple):
    """A person by their Slack user id, or `worker`: the bot."""

    id: str


class When(NamedTuple):
    """An instant, in ms."""

    ms: int


class Typed(NamedTuple):
    """What somebody outside wrote: a person, or a platform. To be shown as theirs, in quotes."""

    text: str


Said = tuple[str | Who | When | Typed, ...]
ERASED = "(erased)"
DID = {  # of the kinds of events, what a person did
    "Approved": "approved",
    "Retracted": "took it back",
    "SettlementProposed": "settled",
    "Vetoed": "vetoed",
    "Withdrawn": "withdrew",
}

OUTCOME = {
    Outcome.VERIFIED: "verified: the effect was seen",
    Outcome.ALREADY_OURS: "it was so already, by us",
    Outcome.ALREADY_OTHERS: "it was so already, by somebody else",
    Outcome.PARTIAL: "partial: it was done, and is not to be seen everywhere",
    Outcome.NOT_APPLIED: "not applied",
    Outcome.UNKNOWN: "what came of it was never seen",
}
# The one text of the core's own that names people; in it are nothing but ids and groups' names.
_QUORUM_GONE = re.compile(r"the quorum no longer stands \(.*\)", re.DOTALL)
_MENTION = re.compile(r"<@([A-Z0-9]+)>")


@dataclass(frozen=True, slots=True)
class Step:
    at: int
    by: str
    kind: str  # of the event; `Restored`: by another request, named in what is said
    said: Said  # what `by` did: "approved, as legal"


def facts(request: Request) -> tuple[tuple[str, Said], ...]:
    """What the request is about, named; of what is optional only what was given."""
    known, grounds = request.known.value, request.grounds.value
    told: list[tuple[str, Said]] = [("account", _account(known))]
    if known is not None:
        told.append(("looked up", (When(known.at), f": {known.state}{_reach(known)}")))
    told.append(
        ("reason", (f"{request.reason}: ", Typed(grounds.what_happened) if grounds else ERASED))
    )
    if grounds is not None:
        for name, text in (("clause", grounds.clause), ("ticket", grounds.ticket)):
            if text:
                told.append((name, (Typed(text),)))
        told += [("evidence", (Typed(link),)) for link in grounds.evidence]
    told.append(("terms", (_terms(request.pinned),)))
    if request.undoes is not None:
        told.append(("undoes", (request.undoes,)))
    return tuple(told)


def steps(tx: Tx, id: str) -> tuple[Step, ...]:
    """The story of a request, its restore by another one included."""
    told: list[Step] = []
    request: Request | None = None
    for _, event in ledger.events(tx, id):
        assert isinstance(event, RequestEvent)
        request = evolve(request, event)
        said = _told(event, request)
        if isinstance(event, Executed) and event.outcome is not Outcome.UNKNOWN:
            said += _back(tx, request)
        told.append(Step(event.at, event.by, event.kind, said))
    restore = audit.restored_by(tx, id)
    if request is not None and restore is not None:
        told.append(_restored(request, restore))
    return tuple(told)


def _restored(request: Request, restore: audit.Executed) -> Step:
    said: Said = (f"restored the account with {restore.id}",)
    ending = request.ending
    if ending is not None and ending.outcome is not Outcome.UNKNOWN:
        said += (f": it was away for {length(restore.at - ending.at)}",)
    return Step(restore.at, restore.requester, "Restored", said)


def _back(tx: Tx, restore: Request) -> Said:
    """How long the account was away because of the request that `restore` undid."""
    undone = audit.executed(tx, restore.undoes) if restore.undoes else None
    if undone is None or undone.outcome is Outcome.UNKNOWN or restore.ending is None:
        return ()
    return (
        f"; because of {undone.id} the account was away for {length(restore.ending.at - undone.at)}",
    )


def _told(event: RequestEvent, request: Request) -> Said:
    """What `event` did; `request` as it is after it."""
    match event:
        case Filed():
            return _filed(event)
        case Approved():
            return (f"approved, as {', '.join(event.groups)}",)
        case QuorumReached():
            return _quorum(event, request)
        case Retracted():
            return ("took the approval back",)
        case QuorumLost():
            return ("took the quorum away with it",)
        case Vetoed():
            late = (
                "" if request.ending else " after it had been started: no further attempt is made"
            )
            return (f"vetoed{late}: ", _words(event.reason))
        case Withdrawn():
            return ("withdrew it",)
        case Reopened():
            again = f"reopened it, as round {request.round}; approvals are void: "
            return (again, *_why(event.why), f"; {_terms(event.terms)}")
        case Lapsed():
            return ("let it lapse: ", *_why(event.why))
        case Expired():
            late = "it had no quorum in time" if event.phase == "open" else "it was not run in time"
            return (f"let it expire: {late}",)
        case ExecutionStarted():
            before = event.before.value
            seen = ERASED if before is None else before.state
            return (f"started it (attempt {event.attempt}); before, the account was {seen}",)
        case Executed():
            return (f"executed it: {OUTCOME[event.outcome]}", *_evidence(event))
        case ExecutionFailed():
            return ("recorded that it failed: ", _words(event.why))
        case AttemptEnded():
            return ("recorded that the attempt came to nothing: ", _words(event.why))
        case ExecutionUnknown():
            return ("recorded that what came of it is not known: ", _words(event.why))
        case SettlementProposed():
            what = "took effect" if event.took_effect else "did not take effect"
            return (f"said that it {what}: ", _words(event.reason))
        case Erased():
            return ("erased what it was about: ", _words(event.reason))
        case _:  # pragma: no cover
            assert_never(event)


def _filed(event: Filed) -> Said:
    grounds = event.grounds.value
    why = Typed(grounds.what_happened) if grounds else ERASED
    undoing = f" to undo {event.undoes}" if event.undoes else ""
    verb = ACTIONS[event.action].verb.lower()
    what = _account(event.snapshot.value)
    return (f"filed{undoing}: {verb} ", *what, f", for {event.reason}: ", why)


def _quorum(event: QuorumReached, request: Request) -> Said:
    said: Said = ("completed the quorum",) if event.counted else ("needed no approval",)
    for i, person in enumerate(event.counted):
        said += (", " if i else " of ", Who(person))
    if request.pinned.cool_off and request.eta is not None:
        said += ("; cooling off until ", When(request.eta))
    return said


def _evidence(event: Executed) -> Said:
    said: Said = ()
    if event.receipt is not None:
        receipt = event.receipt.value
        said += ("; the platform answered ", Typed(receipt.answer) if receipt else ERASED)
    if event.observed is not None:
        if (seen := event.observed.value) is None:
            return (*said, f"; seen: {ERASED}")
        said += (f"; seen as {seen.state} in the {seen.surface} at ", When(seen.at))
        if seen.by:
            said += (", done by ", Typed(seen.by))
    return said


def _words(sealed: Sealed[Words]) -> str | Typed:
    return ERASED if sealed.value is None else Typed(sealed.value.text)


def _why(sealed: Sealed[Words]) -> Said:
    """A reason of the core's own, with the people whom it names."""
    if sealed.value is None:
        return (ERASED,)
    text = sealed.value.text
    if not _QUORUM_GONE.fullmatch(text):
        return (Typed(text),)
    parts = _MENTION.split(text)  # text and ids by turns
    return tuple(Who(p) if i % 2 else p for i, p in enumerate(parts) if p)


def _account(known: Snapshot | None) -> Said:
    if known is None:
        return (ERASED,)
    return (Typed(f"@{known.handle.removeprefix('@')}"), f" ({known.subject})")


def _reach(known: Snapshot) -> str:
    followers = "unknown" if known.followers is None else f"{known.followers:,}"
    return f", followers {followers}"


def _terms(terms: Terms) -> str:
    approvals = f"{terms.approvals} approval{'' if terms.approvals == 1 else 's'}"
    including = "".join(f", {n} of {group}" for group, n in terms.including)
    strict = ", once an anchor keeps its quorum" if terms.strict else ""
    return (
        f"tier {terms.tier}: {approvals}{including}; cool-off {spelled(terms.cool_off)};"
        f" {spelled(terms.open_for)} to reach quorum; {spelled(terms.run_within)} to run{strict}"
        f" ({terms.why})"
    )


def length(ms: int) -> str:
    return spelled(ms) if ms >= 1000 else "less than a second"
