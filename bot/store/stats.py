"""The transaction scripts that figures are made of. They read, and change nothing."""

from collections.abc import Iterator
from typing import NamedTuple

from bot.core.request import Phase
from bot.store.tx import Tx

# Request.phase in SQL: of those that are not closed, only what was started never expires.
# A restore by one click is complete from its filing on. A card's name in Slack is the second in
# which it was posted.
_COUNTS = """
    SELECT tier,
        CASE
            WHEN phase IS NOT NULL THEN phase
            WHEN unknown_since IS NOT NULL THEN 'unknown'
            WHEN expires_at IS NULL THEN 'executing'
            WHEN eta IS NULL THEN 'open'
            WHEN :now < eta THEN 'cooling off'
            ELSE 'ready'
        END AS state,
        coalesce(undoes IS NOT NULL AND quorum_at = filed_at, FALSE) AS at_once,
        count(*),
        count(approved_at),
        count(CASE WHEN approved_at - CASE
            WHEN CAST(ts AS DOUBLE PRECISION) * 1000 BETWEEN filed_at AND approved_at
                THEN CAST(ts AS DOUBLE PRECISION) * 1000
            ELSE filed_at
        END <= :hasty THEN 1 END)
    FROM requests LEFT JOIN posts ON posts.key = requests.id || '/card'
    WHERE filed_at >= :since AND filed_at < :until
    GROUP BY 1, 2, 3
"""
_TIMES = """
    SELECT
        coalesce(approved_at, CASE phase WHEN 'vetoed' THEN ended_at END) - filed_at,
        quorum_at - filed_at,
        ended_at - filed_at
    FROM requests
    WHERE filed_at >= :since AND filed_at < :until
    AND NOT coalesce(undoes IS NOT NULL AND quorum_at = filed_at, FALSE)
"""
# coalesce: by their index, the executed ones of all times are the longer way
_AWAY = """
    SELECT back.ended_at - gone.ended_at
    FROM requests back LEFT JOIN requests gone
    ON gone.id = back.undoes AND gone.phase = 'executed' AND gone.ended_at <= back.ended_at
    WHERE back.filed_at >= :since AND back.filed_at < :until
    AND back.action = 'restore' AND coalesce(back.phase, '') = 'executed'
"""
_NOW = (
    "SELECT count(*), count(CASE WHEN expires_at <= :now THEN 1 END) FROM requests"
    " WHERE phase IS NULL"
)


class Count(NamedTuple):
    """How many requests are alike."""

    tier: str
    state: Phase
    at_once: bool  # restores by one click
    n: int
    approved: int  # of them have had an approval
    hasty: int  # and have had the first one at once


class Times(NamedTuple):
    """Of each request from its filing on, in ms."""

    review: list[int]  # until it was approved or vetoed for the first time
    quorum: list[int]
    end: list[int]


def counts(tx: Tx, since: int, until: int, now: int, hasty: int) -> Iterator[Count]:
    """The requests filed from `since` on and before `until`, as of `now` (ms). An approval is
    hasty within `hasty` ms after the card was posted; after the filing, where no card is known."""
    found = tx.each(_COUNTS, since=since, until=until, now=now, hasty=hasty)
    for tier, state, at_once, n, approved, quick in found:
        yield Count(tier, Phase(state), bool(at_once), n, approved, quick)


def times(tx: Tx, since: int, until: int) -> Times:
    """Those of the same requests, without the restores by one click."""
    columns = list(zip(*tx.each(_TIMES, since=since, until=until), strict=True)) or [()] * 3
    review, quorum, end = ([ms for ms in column if ms is not None] for column in columns)
    return Times(review, quorum, end)


def away(tx: Tx, since: int, until: int) -> list[int | None]:
    """For each restore filed in that time and executed, how long (ms) its account had been away;
    None where what it undid was not seen before."""
    return [ms for (ms,) in tx.each(_AWAY, since=since, until=until)]


def open_now(tx: Tx, now: int) -> tuple[int, int]:
    """How many requests are not closed, and the time of how many of them is over."""
    ((still_open, overdue),) = tx.each(_NOW, now=now)
    return still_open, overdue
