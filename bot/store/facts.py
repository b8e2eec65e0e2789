"""The facts that the database knows."""

from dataclasses import replace

from bot.core.facts import Facts, Posted
from bot.core.request import Request
from bot.core.subject import SubjectId
from bot.store import ledger
from bot.store.tx import Tx

DAY = 24 * 60 * 60_000


def complete(
    tx: Tx, facts: Facts, request: Request | None, subject: SubjectId | None, by: str, now: int
) -> Facts:
    """`facts` with what stands in the database, as of this transaction."""
    about = request.subject.value if request else subject
    (known,) = tx.query(
        "SELECT (SELECT coalesce(max(n), 0) FROM requests) AS last,"
        " (SELECT holder FROM claims WHERE subject = :about) AS holder,"
        " (SELECT count(*) FROM requests WHERE requester = :by AND undoes IS NOT NULL"
        "  AND quorum_at = filed_at AND +filed_at > :since) AS restores,"  # +: that index is the longer way
        " (SELECT waiting FROM requests WHERE id = :id) AS waiting",
        id=None if request is None else request.id,
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
        waiting=known["waiting"],
    )


def _sent_until(tx: Tx, id: str) -> int | None:
    """Until when (ms) what a request asked for may still be sent; None: it is known what came of it."""
    undone = ledger.request(tx, id)
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
