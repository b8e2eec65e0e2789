"""The transaction scripts of the ledger: entries, what is sealed in them, and all that follows.

The entries, what is derived from them and the outbox rows are written together or not at all.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from bot.core.events import Erased, Event, QueriesErased, RequestEvent
from bot.core.request import Request, evolve
from bot.ledger.entry import Entry, Opening, read, write
from bot.store import outbox, search, tree
from bot.store.index import Placed, index
from bot.store.tx import Duplicate, Stale, Tx, Values

DAY = 24 * 60 * 60_000
AUDIT, POLICY = "audit", "policy"
DELIVERIES_KEPT = 7 * DAY  # Slack redelivers for minutes, a signature replays for five


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
    rows = tx.each(
        f"{_WITH_OPENINGS} WHERE stream = :stream AND version > :after ORDER BY version",
        stream=stream,
        after=after,
    )
    return [(entry.seq, read(entry, openings)) for entry, openings in _grouped(rows)]


# in one statement, which sees an erasure whole or not at all
_WITH_OPENINGS = (
    "SELECT e.seq, e.stream, e.version, e.body, o.field, o.salt, o.value FROM entries e"
    " LEFT JOIN openings o USING (seq)"
)


def _grouped(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Entry, list[Opening]]]:
    for place, found in groupby(rows, itemgetter(0, 1, 2, 3)):
        yield Entry(*place), [Opening(*row[4:]) for row in found if row[4] is not None]


def entries(tx: Tx) -> Iterator[tuple[Entry, list[Opening]]]:
    """All entries in their order, each with its openings, one after another."""
    return _grouped(tx.each(f"{_WITH_OPENINGS} ORDER BY seq"))


def event_at(tx: Tx, seq: int) -> Event:
    ((entry, openings),) = _grouped(tx.each(f"{_WITH_OPENINGS} WHERE seq = :seq", seq=seq))
    return read(entry, openings)


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


def newest(tx: Tx) -> int:
    """The newest instant (ms) in the ledger; 0 while it is empty."""
    (row,) = tx.query("SELECT coalesce(max(at), 0) AS at FROM entries")
    at: int = row["at"]
    return at


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
    wanted = (outbox.wanted(stream, after, event, seq, gone[seq]) for seq, event, _ in placed)
    outbox.put(tx, [*chain.from_iterable(wanted)])
    if happened and after is not None and after.undoes is not None:
        outbox.refresh_card(
            tx, after.undoes, happened[-1].at
        )  # it shows that it is undone, and by whom
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
            rows = [
                row
                for named in event.entries
                for row in tx.query(
                    "DELETE FROM openings WHERE field = 'query' AND seq IN ("
                    " SELECT seq FROM entries WHERE seq = :named"
                    " AND stream = :stream AND seq < :seq) RETURNING seq",
                    named=named,
                    stream=stream,
                    seq=seq,
                )
            ]
        case _:
            return ()
    return sorted({row["seq"] for row in rows})
