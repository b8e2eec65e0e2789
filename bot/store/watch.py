"""What whoever operates the bot has to know of the database, and a write that shows that one can be
made. Each question is bounded, however long the trail is: open requests by the index on their phase,
the first rows of the outbox, single entries by their place."""

from dataclasses import dataclass
from typing import NamedTuple

from bot.core.request import Phase
from bot.store.tx import Tx

ROWS_MOST = 10_000  # of the outbox that are counted
NAMED_MOST = 20  # rows that are told one by one

_REQUESTS = """
    SELECT state, count(*), min(since) FROM (
        SELECT
            CASE
                WHEN unknown_since IS NOT NULL THEN 'unknown'
                WHEN expires_at IS NULL THEN 'executing'
                WHEN eta IS NULL THEN 'open'
                WHEN :now < eta THEN 'cooling off'
                ELSE 'ready'
            END AS state,
            CASE
                WHEN unknown_since IS NOT NULL THEN unknown_since
                WHEN expires_at IS NULL THEN NULL
                WHEN eta IS NULL THEN filed_at
                WHEN :now < eta THEN quorum_at
                ELSE eta
            END AS since
        FROM requests WHERE phase IS NULL
    ) AS r GROUP BY state
"""
_OUTBOX = """
    SELECT what, count(*), count(error), min(since) FROM (
        SELECT what, error, asked_at AS since FROM outbox ORDER BY id LIMIT :most
    ) AS first GROUP BY what
"""
_UNDELIVERED = """
    SELECT what, stream, seq, error FROM (
        SELECT id, what, stream, seq, error FROM outbox ORDER BY id LIMIT :most
    ) AS first WHERE error IS NOT NULL ORDER BY id LIMIT :named
"""


class Open(NamedTuple):
    """The requests in one phase that is not closed."""

    phase: Phase
    n: int
    since: int | None  # when the first of them came into it (ms); None: not known


class Waiting(NamedTuple):
    """The outbox rows of one kind."""

    what: str
    n: int
    failed: int  # of them were tried, and could not be done yet
    since: int  # when the first was asked for (ms)


@dataclass(frozen=True, slots=True)
class Seen:
    at: int  # ms
    entries: int
    requests: tuple[Open, ...]
    outbox: tuple[Waiting, ...]
    undelivered: tuple[str, ...]  # the first of them, in words
    anchored: dict[str, int]  # how many entries each anchor keeps
    behind: dict[str, int]  # ms since the first entry that it does not keep; 0: it keeps all


def seen(tx: Tx, now: int, anchors: frozenset[str]) -> Seen:
    """How it stands at `now` (ms); `anchors` are the names of those there are."""
    ((entries,),) = tx.each("SELECT coalesce(max(seq), 0) FROM entries")
    kept = dict.fromkeys(sorted(anchors), 0)
    kept |= {a: n for a, n in tx.each("SELECT anchor, size FROM anchored") if a in anchors}
    return Seen(
        at=now,
        entries=entries,
        requests=tuple(Open(Phase(p), n, at) for p, n, at in tx.each(_REQUESTS, now=now)),
        outbox=tuple(Waiting(*row) for row in tx.each(_OUTBOX, most=ROWS_MOST)),
        undelivered=tuple(
            f"{what} of {stream}/{seq} is not delivered: {error}"
            for what, stream, seq, error in tx.each(_UNDELIVERED, most=ROWS_MOST, named=NAMED_MOST)
        ),
        anchored=kept,
        behind={anchor: _behind(tx, size, now) for anchor, size in kept.items()},
    )


def _behind(tx: Tx, size: int, now: int) -> int:
    for (at,) in tx.each("SELECT at FROM entries WHERE seq = :next", next=size + 1):
        return max(0, now - int(at))
    return 0


def write(tx: Tx) -> None:
    """Write something, and take it away again."""
    key = "a write that shows that one can be made"
    tx.execute("INSERT INTO deliveries (key, at) VALUES (:key, 0) ON CONFLICT DO NOTHING", key=key)
    tx.execute("DELETE FROM deliveries WHERE key = :key", key=key)
