"""The transaction scripts: everything that is read from or written to the database.

Each takes an open transaction. The ledger's entries, what is derived from them and the outbox rows
are written together or not at all.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from operator import itemgetter

from bot.core.actions import ActionKind
from bot.core.effects import effects, next_due
from bot.core.events import (
    Approved,
    Erased,
    Event,
    ExecutionStarted,
    Filed,
    QueriesErased,
    Reopened,
    RequestEvent,
)
from bot.core.facts import Facts, Posted
from bot.core.request import Request, evolve
from bot.core.subject import Snapshot, SubjectId
from bot.ledger.entry import Entry, Opening, read, write
from bot.store import search, tree
from bot.store.tx import Duplicate, Row, Stale, Tx, Values

DAY = 24 * 60 * 60_000
DELIVERIES_KEPT = 7 * DAY  # Slack redelivers for minutes, a signature replays for five
AUDIT, POLICY = "audit", "policy"


# --- the ledger ------------------------------------------------------------------------------


def once(tx: Tx, key: str, now: int) -> None:
    """Note a delivery. Raises Duplicate if it was noted before."""
    taken = tx.execute(
        "INSERT INTO deliveries (key, at) VALUES (:key, :now) ON CONFLICT DO NOTHING",
        key=key,
        now=now,
    )
    if not taken:
        raise Duplicate(key)


def forget_deliveries(tx: Tx, now: int) -> None:
    tx.execute("DELETE FROM deliveries WHERE at < :before", before=now - DELIVERIES_KEPT)


def events(tx: Tx, stream: str, after: int = 0) -> list[tuple[int, Event]]:
    """The events of a stream after a version, each with its seq."""
    rows = tx.query(
        "SELECT * FROM entries WHERE stream = :stream AND version > :after ORDER BY version",
        stream=stream,
        after=after,
    )
    openings: dict[int, list[Opening]] = {}
    if rows:
        for row in tx.query(
            "SELECT o.* FROM openings o JOIN entries e USING (seq)"
            " WHERE e.stream = :stream AND e.version > :after",
            stream=stream,
            after=after,
        ):
            opening = Opening(row["field"], row["salt"], row["value"])
            openings.setdefault(row["seq"], []).append(opening)
    return [(row["seq"], read(_entry(row), openings.get(row["seq"], []))) for row in rows]


def _entry(row: Row) -> Entry:
    return Entry(row["seq"], row["stream"], row["version"], row["body"])


def entries(tx: Tx) -> Iterator[tuple[Entry, list[Opening]]]:
    """All entries in their order, each with its openings, one after another."""
    rows = tx.each(
        "SELECT e.seq, e.stream, e.version, e.body, o.field, o.salt, o.value FROM entries e"
        " LEFT JOIN openings o USING (seq) ORDER BY e.seq"
    )
    for place, found in groupby(rows, itemgetter(0, 1, 2, 3)):
        yield Entry(*place), [Opening(*row[4:]) for row in found if row[4] is not None]


def event_at(tx: Tx, seq: int) -> Event:
    (row,) = tx.query("SELECT * FROM entries WHERE seq = :seq", seq=seq)
    openings = [
        Opening(o["field"], o["salt"], o["value"])
        for o in tx.query("SELECT * FROM openings WHERE seq = :seq", seq=seq)
    ]
    return read(_entry(row), openings)


def request(tx: Tx, id: str, known: Request | None = None) -> Request | None:
    """The request as it stands; `known` is what was folded before, and saves folding it again."""
    found = known
    for _, event in events(tx, id, known.version if known else 0):
        assert isinstance(event, RequestEvent)
        found = evolve(found, event)
    return found


def version(tx: Tx, stream: str) -> int:
    (row,) = tx.query("SELECT max(version) AS v FROM entries WHERE stream = :stream", stream=stream)
    return row["v"] or 0


def last_seq(tx: Tx, stream: str) -> int:
    """The newest entry of a stream, among all entries."""
    (row,) = tx.query("SELECT max(seq) AS seq FROM entries WHERE stream = :stream", stream=stream)
    return row["seq"] or 0


def append(
    tx: Tx, stream: str, before: Request | None, happened: Sequence[Event]
) -> Request | None:
    """Write events to their stream, with all that follows from them. Gives the request after them.

    Raises Stale if somebody else wrote to the stream, or took the subject, in the meantime.
    """
    (row,) = tx.query("SELECT max(seq) AS seq FROM entries")
    seq = row["seq"] or 0
    edge = tree.frontier(tx, seq)
    at = before.version if before else version(tx, stream)
    kept: list[Values] = []
    leaves: list[bytes] = []
    placed: list[Placed] = []
    gone: dict[int, Sequence[int]] = {}
    for event in happened:
        seq, at = seq + 1, at + 1
        entry, openings = write(event, seq, stream, at)
        written = tx.execute(
            "INSERT INTO entries (seq, stream, version, at, kind, actor, body) VALUES"
            " (:seq, :stream, :version, :at, :kind, :actor, :body) ON CONFLICT DO NOTHING",
            seq=seq,
            stream=stream,
            version=at,
            at=event.at,
            kind=event.kind,
            actor=event.by,
            body=entry.body,
        )
        if not written:
            raise Stale(stream)
        leaves.append(entry.leaf)
        kept += [{"seq": seq, "field": o.field, "salt": o.salt, "value": o.value} for o in openings]
        gone[seq] = _erase(tx, stream, event, seq)
        placed.append((seq, event, openings))
    tx.execute_many(tree.INSERT, tree.rows(edge, leaves))
    tx.execute_many(
        "INSERT INTO openings (seq, field, salt, value) VALUES (:seq, :field, :salt, :value)", kept
    )
    after = index(tx, before, placed)
    wanted = (_wanted(stream, after, event, seq, gone[seq]) for seq, event, _ in placed)
    _put(tx, [*chain.from_iterable(wanted)])
    if happened and after is not None and after.undoes is not None:
        refresh_card(tx, after.undoes, happened[-1].at)  # it shows that it is undone, and by whom
    return after


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


def _erase(tx: Tx, stream: str, event: Event, seq: int) -> Sequence[int]:
    """Delete the values that an event at `seq` says are gone; the entries that they stood in."""
    match event:
        case Erased():
            rows = tx.query(
                "DELETE FROM openings WHERE field <> 'identity' AND seq IN ("
                " SELECT seq FROM entries WHERE stream = :stream AND seq < :seq) RETURNING seq",
                stream=stream,
                seq=seq,
            )
            search.rewrite(tx, stream)
        case QueriesErased():
            rows = tx.query(
                "DELETE FROM openings WHERE field = 'query' AND seq IN ("
                " SELECT seq FROM entries JOIN json_each(:entries) ON value = seq"
                " WHERE stream = :stream AND seq < :seq) RETURNING seq",
                entries=json.dumps(event.entries),
                stream=stream,
                seq=seq,
            )
        case _:
            return ()
    return sorted({row["seq"] for row in rows})


def _enter(tx: Tx, request: Request) -> None:
    """Claim the subject of a new request, and note what of it never changes.

    An erased subject, as when a trail is read again, holds nothing: its requests are over.
    """
    subject = "" if request.subject.value is None else str(request.subject.value)
    claimed = not subject or tx.execute(
        "INSERT INTO claims (subject, holder) VALUES (:subject, :id)"
        " ON CONFLICT (subject) DO UPDATE SET holder = :id WHERE holder = :undoes",
        subject=subject,
        id=request.id,
        undoes=request.undoes,
    )
    if not claimed:
        raise Stale(subject)
    tx.execute(
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
    tx.execute(
        "UPDATE requests SET tier = :tier, handle = :handle WHERE id = :id",
        id=request.id,
        tier=request.pinned.tier,
        handle=_handle(request),
    )


def _handle(request: Request) -> str:
    return request.known.value.handle.casefold() if request.known.value else ""


def _derive(tx: Tx, request: Request, started: int | None, approved: int | None, now: int) -> None:
    """Keep what requests are found by in step with their events; `started` is the seq of an
    ExecutionStarted among them, `approved` the instant (ms) of the first Approved."""
    ending = request.ending
    execution = request.execution
    tx.execute(  # each column that is set costs its indexes, whether or not its value is another
        "UPDATE requests SET version = :version, quorum_at = :quorum_at, eta = :eta,"
        " started_seq = coalesce(:started, started_seq), unknown_since = :unknown_since,"
        " due_at = :due_at, expires_at = :expires_at,"
        " approved_at = coalesce(approved_at, :approved) WHERE id = :id",
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
        tx.execute("UPDATE requests SET subject = '', handle = '' WHERE id = :id", id=request.id)
    if ending is not None:
        tx.execute(
            "UPDATE requests SET phase = :phase, ended_at = :ended_at, outcome = :outcome"
            " WHERE id = :id",
            id=request.id,
            phase=ending.phase.value,
            ended_at=ending.at,
            outcome=ending.outcome.value if ending.outcome else None,
        )
        tx.execute("DELETE FROM claims WHERE holder = :id", id=request.id)
        tx.execute(  # what a restore was to undo, and is not known yet, holds its subject again
            "INSERT INTO claims (subject, holder) SELECT subject, id FROM requests"
            " WHERE id = :undoes AND phase IS NULL ON CONFLICT DO NOTHING",
            undoes=request.undoes,
        )


def _wanted(
    stream: str, request: Request | None, event: Event, seq: int, gone: Sequence[int]
) -> list[Values]:
    """The outbox rows of an event; `gone` are the entries whose values it erased."""
    rows: list[Values] = []
    for effect in effects(request, event):
        match effect.what:
            case "card":
                key, lane = f"{stream}/card", "channel"
            case "retell":
                for told in gone:
                    key = f"{stream}/{told}/thread"
                    rows.append(_row(key, "channel", stream, told, "thread", "", event.at))
                continue
            case "execute":
                key, lane = f"{stream}/{seq}/execute", "execute"
            case "direct":
                key, lane = f"{stream}/{seq}/direct/{effect.to}", f"direct/{effect.to}"
            case "export" | "file":  # in order, and nobody waits for another's
                key, lane = f"{stream}/{seq}/{effect.what}", f"direct/{effect.to}"
            case _:
                key, lane = f"{stream}/{seq}/{effect.what}", "channel"
        rows.append(_row(key, lane, stream, seq, effect.what, effect.to, event.at))
    return rows


def _row(
    key: str, lane: str, stream: str, seq: int, what: str, recipient: str, due_at: int
) -> Values:
    return {
        "key": key,
        "lane": lane,
        "stream": stream,
        "seq": seq,
        "what": what,
        "recipient": recipient,
        "due_at": due_at,
    }


def _put(tx: Tx, rows: Sequence[Values]) -> None:
    """Outbox rows; the card's row is one a request, and wants the newest state."""
    tx.execute_many(
        "INSERT INTO outbox (key, lane, stream, seq, what, recipient, due_at) VALUES"
        " (:key, :lane, :stream, :seq, :what, :recipient, :due_at)"
        " ON CONFLICT (key) DO UPDATE"
        " SET seq = :seq, wanted = wanted + 1, due_at = min(due_at, :due_at)",
        rows,
    )


def refresh_card(tx: Tx, id: str, now: int) -> None:
    """Have the card rendered again: something that it shows has changed outside the ledger."""
    _put(tx, [_row(f"{id}/card", "channel", id, last_seq(tx, id), "card", "", now)])


# --- facts that the database knows ------------------------------------------------------------


def complete(
    tx: Tx, facts: Facts, request: Request | None, subject: SubjectId | None, by: str, now: int
) -> Facts:
    """`facts` with what stands in the database, as of this transaction."""
    about = request.subject.value if request else subject
    (known,) = tx.query(
        "SELECT (SELECT coalesce(max(n), 0) FROM requests) AS last,"
        " (SELECT holder FROM claims WHERE subject = :about) AS holder,"
        " (SELECT count(*) FROM requests WHERE requester = :by AND undoes IS NOT NULL"
        "  AND quorum_at = filed_at AND +filed_at > :since) AS restores",  # +: that index is the longer way
        about=str(about),
        by=by,
        since=now - DAY,
    )
    undone_by = undone_at = newer = sent_until = None
    told = Posted()
    if request is not None:  # each is asked for only where there can be something: it costs a click
        if request.attempts:
            undone_by, undone_at, newer = _later(tx, request)
        if request.undoes is not None:
            sent_until = _sent_until(tx, request.undoes)
        if request.quorum_at is not None:
            told = posted(tx, request, facts.anchored)
    return replace(
        facts,
        next_id=f"R-{known['last'] + 1}",
        ever_filed=known["last"] > 0,
        holder=known["holder"],
        undone_by=undone_by,
        undone_at=undone_at,
        sent_until=sent_until,
        undoes=_undoable(tx, subject) if subject else None,
        newer=newer,
        restores_today=known["restores"],
        posted=told,
    )


def _sent_until(tx: Tx, id: str) -> int | None:
    """Until when (ms) what a request asked for may still be sent; None: it is known what came of it."""
    undone = request(tx, id)
    if undone is None or undone.execution is None:
        return None
    return undone.execution.order.open.not_after


def _undoable(tx: Tx, subject: SubjectId) -> str | None:
    """The newest request that took something from the subject, or may have."""
    for row in tx.query(
        "SELECT id FROM requests WHERE subject = :subject AND action <> 'restore'"
        " AND (phase = 'executed' OR (phase IS NULL AND unknown_since IS NOT NULL))"
        " ORDER BY started_seq DESC LIMIT 1",
        subject=str(subject),
    ):
        found: str = row["id"]
        return found
    return None


def _later(tx: Tx, request: Request) -> tuple[str | None, int | None, str | None]:
    """The executed restore of this request and its instant (ms), and the newest later request that
    changed its subject."""
    undone_by = undone_at = newer = None
    # an erased one is found by its restore alone
    which = "undoes = :id" if request.subject.value is None else "subject = :subject"
    for row in tx.query(
        f"SELECT id, undoes, ended_at FROM requests WHERE {which} AND phase = 'executed'"  # noqa: S608
        " AND started_seq > coalesce((SELECT started_seq FROM requests WHERE id = :id), 0)"
        " ORDER BY started_seq",
        subject=str(request.subject.value),
        id=request.id,
    ):
        newer = row["id"]
        if row["undoes"] == request.id:
            undone_by, undone_at = row["id"], row["ended_at"]
    return undone_by, undone_at, newer


def posted(tx: Tx, request: Request, anchored: int) -> Posted:
    """Whether this round's card and the notice of its quorum are in Slack, and its quorum is among
    the first `anchored` entries."""
    rows = tx.query(
        "SELECT e.seq, e.kind, p.key FROM entries e"
        " LEFT JOIN posts p ON p.key = e.stream || '/' || e.seq || '/thread'"
        " WHERE e.stream = :id AND e.kind IN ('Filed', 'Reopened', 'QuorumReached')"
        " ORDER BY e.seq DESC",
        id=request.id,
    )
    began = next(r["seq"] for r in rows if r["kind"] != "QuorumReached")
    card = tx.query(
        "SELECT 1 AS yes FROM posts WHERE key = :key AND seq >= :began",
        key=f"{request.id}/card",
        began=began,
    )
    quorum = next((r for r in rows if r["kind"] == "QuorumReached"), None)
    if quorum is None or quorum["seq"] < began:
        return Posted(card=bool(card))
    notice = quorum["key"] is not None
    return Posted(card=bool(card), notice=notice, anchored=quorum["seq"] <= anchored)


def holder_of(tx: Tx, subject: SubjectId) -> str | None:
    for row in tx.query("SELECT holder FROM claims WHERE subject = :s", s=str(subject)):
        found: str = row["holder"]
        return found
    return None


# --- what is due ------------------------------------------------------------------------------


def due_requests(tx: Tx, now: int, until: int, limit: int = 50) -> list[str]:
    """Take the requests that somebody has to look at; they are due again at `until`."""
    return [
        row["id"]
        for row in tx.query(
            "UPDATE requests SET due_at = :until WHERE n IN (SELECT n FROM requests"
            " WHERE due_at <= :now ORDER BY due_at LIMIT :limit) RETURNING id",
            now=now,
            until=until,
            limit=limit,
        )
    ]


def look_again(tx: Tx, id: str, at: int) -> None:
    tx.execute("UPDATE requests SET due_at = :at WHERE id = :id", id=id, at=at)


def still_open(tx: Tx) -> list[str]:
    return [r["id"] for r in tx.query("SELECT id FROM requests WHERE phase IS NULL ORDER BY n")]


@dataclass(frozen=True, slots=True)
class Task:
    """An outbox row under lease."""

    id: int
    key: str
    lane: str
    stream: str
    seq: int
    what: str
    recipient: str
    wanted: int  # how often it was asked for
    fence: int
    attempts: int
    tried: bool  # it may have been done already


def lease(tx: Tx, now: int, until: int, limit: int = 20) -> list[Task]:
    """Take due rows: of each stream and lane only the first, so that order is kept."""
    rows = tx.query(
        "UPDATE outbox SET fence = fence + 1, leased_until = :until WHERE id IN ("
        " SELECT id FROM outbox o WHERE due_at <= :now AND leased_until <= :now AND NOT EXISTS ("
        "  SELECT 1 FROM outbox e WHERE e.stream = o.stream AND e.lane = o.lane AND e.id < o.id)"
        " ORDER BY (what <> 'execute'), due_at, id LIMIT :limit) RETURNING *",
        now=now,
        until=until,
        limit=limit,
    )
    tasks = [
        Task(
            id=r["id"],
            key=r["key"],
            lane=r["lane"],
            stream=r["stream"],
            seq=r["seq"],
            what=r["what"],
            recipient=r["recipient"],
            wanted=r["wanted"],
            fence=r["fence"],
            attempts=r["attempts"],
            tried=bool(r["tried"]),
        )
        for r in rows
    ]
    return sorted(tasks, key=lambda t: (t.what != "execute", t.id))


def trying(tx: Tx, task: Task, now: int) -> bool:
    """Note that it is about to be done. False: the lease is lost, and it must not be."""
    held = tx.execute(
        "UPDATE outbox SET tried = 1, attempts = attempts + 1"
        " WHERE id = :id AND fence = :fence AND leased_until > :now",
        id=task.id,
        fence=task.fence,
        now=now,
    )
    return bool(held)


def finish(tx: Tx, task: Task, post: tuple[str, str] | None = None) -> bool:
    """It is done: `post` is the (channel, ts) that Slack gave. False: the lease was lost.

    A row that was asked for again while it was sent stays, and is sent again.
    """
    held = tx.query(
        "SELECT wanted FROM outbox WHERE id = :id AND fence = :fence", id=task.id, fence=task.fence
    )
    if not held:
        return False
    if post is not None:
        keep_post(tx, task.key, post, task.seq)
    if held[0]["wanted"] == task.wanted:
        tx.execute("DELETE FROM outbox WHERE id = :id", id=task.id)
    else:
        tx.execute(
            "UPDATE outbox SET leased_until = 0, tried = 0, attempts = 0, error = NULL WHERE id = :id",
            id=task.id,
        )
    return True


def put_off(tx: Tx, task: Task, until: int, error: str, tried: bool) -> None:
    """It could not be done; it is tried again from `until` (ms) on. `tried`: it may have been."""
    tx.execute(
        "UPDATE outbox SET leased_until = 0, due_at = :until, error = :error, tried = :tried"
        " WHERE id = :id AND fence = :fence",
        id=task.id,
        fence=task.fence,
        until=until,
        error=error,
        tried=int(tried),
    )


def free_leases(tx: Tx) -> None:
    """At start-up of the only process: whoever held a lease is gone; look at everything anew."""
    tx.execute("UPDATE outbox SET leased_until = 0 WHERE leased_until > 0")
    tx.execute("UPDATE requests SET due_at = 0 WHERE due_at IS NOT NULL")


def next_event(tx: Tx) -> int | None:
    """When (ms) the next outbox row or request is due; None: nothing waits."""
    (row,) = tx.query(
        "SELECT min(at) AS at FROM (SELECT min(max(due_at, leased_until)) AS at FROM outbox o"
        " WHERE NOT EXISTS (SELECT 1 FROM outbox e"
        "  WHERE e.stream = o.stream AND e.lane = o.lane AND e.id < o.id)"
        " UNION ALL SELECT min(due_at) FROM requests WHERE due_at IS NOT NULL)"
    )
    at: int | None = row["at"]
    return at


def backlog(tx: Tx) -> list[Row]:
    """What has not been delivered, the oldest first."""
    return tx.query("SELECT stream, seq, what, due_at, attempts, error FROM outbox ORDER BY id")


def post(tx: Tx, key: str) -> tuple[str, str] | None:
    """Where (channel, ts) a message is in Slack."""
    for row in tx.query("SELECT channel, ts FROM posts WHERE key = :key", key=key):
        return row["channel"], row["ts"]
    return None


def keep_post(tx: Tx, key: str, post: tuple[str, str], seq: int) -> None:
    """`post` (channel, ts) is what was sent for `key` after the entry `seq`."""
    tx.execute(
        "INSERT INTO posts (key, channel, ts, seq) VALUES (:key, :channel, :ts, :seq)"
        " ON CONFLICT (key) DO UPDATE SET channel = :channel, ts = :ts, seq = :seq",
        key=key,
        channel=post[0],
        ts=post[1],
        seq=seq,
    )


def forget_post(tx: Tx, key: str) -> None:
    """It was deleted in Slack."""
    tx.execute("DELETE FROM posts WHERE key = :key", key=key)


# --- drafts: what was looked up for a form that is open -----------------------------------------


@dataclass(frozen=True, slots=True)
class Draft:
    view_id: str
    person: str
    action: ActionKind
    handle: str
    found: Snapshot | None
    error: str
    at: int


def keep_draft(tx: Tx, draft: Draft) -> None:
    tx.execute("DELETE FROM drafts WHERE at < :before", before=draft.at - DAY)
    found = draft.found.model_dump_json() if draft.found else draft.error
    tx.execute(
        "INSERT OR REPLACE INTO drafts (view_id, person, action, handle, found, at)"
        " VALUES (:view_id, :person, :action, :handle, :found, :at)",
        view_id=draft.view_id,
        person=draft.person,
        action=draft.action.value,
        handle=draft.handle,
        found=found,
        at=draft.at,
    )


def draft(tx: Tx, view_id: str) -> Draft | None:
    for row in tx.query("SELECT * FROM drafts WHERE view_id = :v", v=view_id):
        found = Snapshot.model_validate_json(row["found"]) if row["found"][:1] == "{" else None
        return Draft(
            row["view_id"],
            row["person"],
            ActionKind(row["action"]),
            row["handle"],
            found,
            "" if found else row["found"],
            row["at"],
        )
    return None


def drop_draft(tx: Tx, view_id: str) -> None:
    tx.execute("DELETE FROM drafts WHERE view_id = :v", v=view_id)


# --- the clock's setting -------------------------------------------------------------------------


def clock_setting(tx: Tx) -> tuple[str, int, int] | None:
    for row in tx.query("SELECT boot, up, at FROM clock"):
        return row["boot"], row["up"], row["at"]
    return None


def keep_clock_setting(tx: Tx, boot: str, up: int, at: int) -> None:
    tx.execute(
        "INSERT INTO clock (one, boot, up, at) VALUES (1, :boot, :up, :at)"
        " ON CONFLICT (one) DO UPDATE SET boot = :boot, up = :up, at = :at",
        boot=boot,
        up=up,
        at=at,
    )


def newest(tx: Tx) -> int:
    """The newest instant (ms) in the ledger; 0 while it is empty."""
    (row,) = tx.query("SELECT coalesce(max(at), 0) AS at FROM entries")
    at: int = row["at"]
    return at
