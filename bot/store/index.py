"""What requests are found by, kept in step with their events."""

from collections.abc import Sequence

from bot.core.effects import next_due
from bot.core.events import Approved, Event, ExecutionStarted, Filed, Reopened, RequestEvent
from bot.core.request import Request, evolve
from bot.ledger.entry import Opening
from bot.store import search
from bot.store.tx import Stale, Tx, Values

Placed = tuple[int, Event, Sequence[Opening]]  # an event, its seq, and what is sealed in it


def index(tx: Tx, before: Request | None, placed: Sequence[Placed]) -> Request | None:
    """Keep what requests are found by in step with further events of one. Gives the request after
    them; the events of other streams change none.

    Raises Stale if another request holds the subject.
    """
    after = before
    started = approved = None
    involved: list[Values] = []
    for seq, event, openings in placed:
        if not isinstance(event, RequestEvent):
            continue
        after = evolve(after, event)
        if isinstance(event, Filed):
            _enter(tx, after)
        elif isinstance(event, Reopened):
            _enter_anew(tx, after)
        search.put(tx, after.id, openings)
        if isinstance(event, ExecutionStarted):
            started = seq
        if isinstance(event, Approved) and approved is None:
            approved = event.at
        involved.append({"person": event.by, "role": event.kind, "id": after.id, "at": event.at})
    tx.execute_many(
        "INSERT INTO involved (person, role, request, at) VALUES (:person, :role, :id, :at)"
        " ON CONFLICT DO NOTHING",
        involved,
    )
    if involved and after is not None:
        _derive(tx, after, started, approved, placed[-1][1].at)
    return after


def _enter(tx: Tx, request: Request) -> None:
    """Claim the subject of a new request, and note what of it never changes.

    An erased subject, as when a trail is read again, holds nothing: its requests are over.
    """
    subject = "" if request.subject.value is None else str(request.subject.value)
    claimed = not subject or tx.execute(
        "INSERT INTO claims (subject, holder) VALUES (:subject, :id)"
        " ON CONFLICT (subject) DO UPDATE SET holder = :id WHERE claims.holder = :undoes",
        subject=subject,
        id=request.id,
        undoes=request.undoes,
    )
    if not claimed:
        raise Stale(subject)
    tx.send(
        "INSERT INTO requests (n, id, version, action, tier, subject, handle, requester,"
        " filed_at, undoes) VALUES (:n, :id, 0, :action, :tier, :subject, :handle, :requester,"
        " :filed_at, :undoes)",
        n=int(request.id.removeprefix("R-")),
        id=request.id,
        action=request.action.value,
        tier=request.pinned.tier,
        subject=subject,
        handle=_handle(request),
        requester=request.requester,
        filed_at=request.filed_at,
        undoes=request.undoes,
    )


def _enter_anew(tx: Tx, request: Request) -> None:
    """Note what changes of a request only when it is reopened."""
    tx.send(
        "UPDATE requests SET tier = :tier, handle = :handle WHERE id = :id",
        id=request.id,
        tier=request.pinned.tier,
        handle=_handle(request),
    )


def _handle(request: Request) -> str:
    """In lower case; without what a database may not be able to hold."""
    if request.known.value is None:
        return ""
    return request.known.value.handle.casefold().replace("\0", "\ufffd")


def _derive(tx: Tx, request: Request, started: int | None, approved: int | None, now: int) -> None:
    """Keep what requests are found by in step with their events; `started` is the seq of an
    ExecutionStarted among them, `approved` the instant (ms) of the first Approved."""
    ending = request.ending
    execution = request.execution
    tx.send(  # each column that is set costs its indexes, whether or not its value is another
        "UPDATE requests SET version = :version, quorum_at = :quorum_at, eta = :eta,"
        " started_seq = coalesce(:started, started_seq), unknown_since = :unknown_since,"
        " due_at = :due_at, expires_at = :expires_at,"
        " approved_at = coalesce(approved_at, :approved), waiting = NULL WHERE id = :id",
        id=request.id,
        version=request.version,
        quorum_at=request.quorum_at,
        eta=request.eta,
        started=started,
        unknown_since=execution.unknown_since if execution else None,
        due_at=next_due(request, now),
        expires_at=request.expires_at,
        approved=approved,
    )
    if request.erasure is not None:
        tx.send("UPDATE requests SET subject = '', handle = '' WHERE id = :id", id=request.id)
    if ending is not None:
        tx.send(
            "UPDATE requests SET phase = :phase, ended_at = :ended_at, outcome = :outcome"
            " WHERE id = :id",
            id=request.id,
            phase=ending.phase.value,
            ended_at=ending.at,
            outcome=ending.outcome.value if ending.outcome else None,
        )
        tx.send("DELETE FROM claims WHERE holder = :id", id=request.id)
        tx.send(  # what a restore was to undo, and is not known yet, holds its subject again
            "INSERT INTO claims (subject, holder) SELECT subject, id FROM requests"
            " WHERE id = :undoes AND phase IS NULL ON CONFLICT DO NOTHING",
            undoes=request.undoes,
        )
