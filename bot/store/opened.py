"""The entries of the trail with the values behind their commitments, as exports for people have
them. They are read one after another, so that a trail of any size takes the same memory."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from bot.ledger.entry import Opening
from bot.store.tx import Tx

_BETWEEN = (
    "seq <= :size AND at >= coalesce(CAST(:since AS BIGINT), 0)"
    " AND (CAST(:until AS BIGINT) IS NULL OR at < CAST(:until AS BIGINT))"
)
_OPENED = f"""
    SELECT e.seq, e.body, o.field, o.salt, o.value FROM entries e LEFT JOIN openings o USING (seq)
    WHERE {_BETWEEN} ORDER BY e.seq, o.field
"""  # noqa: S608 - ours, above
_LENGTHS = f"""
    SELECT (SELECT CAST(coalesce(sum(length(body)), 0) AS BIGINT) FROM entries WHERE {_BETWEEN})
    + (SELECT CAST(coalesce(sum(length(value)), 0) AS BIGINT) FROM openings JOIN entries USING (seq)
       WHERE {_BETWEEN})
"""  # noqa: S608


class Between(NamedTuple):
    """Of the first `size` entries those from `since` on and before `until` (ms)."""

    size: int
    since: int | None = None
    until: int | None = None


def opened(tx: Tx, between: Between) -> Iterator[tuple[int, bytes, list[Opening]]]:
    """Each entry: its seq, its bytes, and what opens its sealed values, as far as it is kept."""
    rows = tx.each(_OPENED, **between._asdict())
    for (seq, body), of_one in groupby(rows, key=itemgetter(0, 1)):
        openings = [Opening(*row[2:]) for row in of_one if row[2] is not None]
        yield seq, body, openings


def lengths(tx: Tx, between: Between) -> int:
    """How many bytes those entries and values are, about."""
    ((n,),) = tx.each(_LENGTHS, **between._asdict())
    length: int = n
    return length
