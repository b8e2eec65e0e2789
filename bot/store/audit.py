"""The transaction scripts that the trail is asked by. They read, and change nothing."""

from dataclasses import asdict, dataclass

from bot.core.actions import Outcome
from bot.core.request import Phase
from bot.store.tx import Row, Tx


@dataclass(frozen=True, slots=True)
class Filters:
    """Which requests are meant: those for which everything given holds. Times in ms."""

    account: str | None = None  # a handle, an id, or `platform:id`
    by: str | None = None  # the requester
    reviewer: str | None = None  # approved, vetoed, or said what became of it
    state: Phase | None = None
    tier: str | None = None
    since: int | None = None  # filed then or later
    until: int | None = None  # filed before
    words: tuple[str, ...] = ()  # words and phrases, of which all occur


# Request.phase in SQL: `phase` is stored for the closed ones only, the rest follows from the time.
# `started_seq` stays when an attempt comes to nothing, so that one has to be looked for.
_REQUESTS = """
    WITH now_so AS (
        SELECT r.*, CASE
            WHEN phase IS NOT NULL THEN phase
            WHEN unknown_since IS NOT NULL THEN 'unknown'
            WHEN started_seq IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM entries e WHERE e.stream = r.id AND e.seq > r.started_seq
                AND e.kind = 'AttemptEnded') THEN 'executing'
            WHEN eta IS NULL THEN 'open'
            WHEN :now < eta THEN 'cooling off'
            ELSE 'ready'
        END AS state
        FROM requests r
    )
"""
_MATCHING = """
    FROM now_so
    WHERE filed_at <= :asked
    AND (:account IS NULL OR handle IN (:handle, '@' || :handle) OR subject = :account
         OR substr(subject, instr(subject, ':') + 1) = :account)
    AND (:by IS NULL OR requester = :by)
    AND (:reviewer IS NULL OR id IN (
         SELECT request FROM involved WHERE person = :reviewer
         AND role IN ('Approved', 'Vetoed', 'SettlementProposed')))
    AND (:state IS NULL OR state = :state)
    AND (:tier IS NULL OR tier = :tier)
    AND (:since IS NULL OR filed_at >= :since)
    AND (:until IS NULL OR filed_at < :until)
"""
_COUNT = f"{_REQUESTS} SELECT count(*) AS n {_MATCHING}"
_PAGE = f"{_REQUESTS} SELECT id {_MATCHING} ORDER BY n DESC LIMIT :limit OFFSET :offset"
_STATES = f"{_REQUESTS} SELECT state, count(*) AS n {_MATCHING} GROUP BY state"


def _params(filters: Filters, now: int, asked: int) -> dict[str, object]:
    handle = filters.account and filters.account.removeprefix("@").casefold()
    return {**asdict(filters), "handle": handle, "now": now, "asked": asked}


def count(tx: Tx, filters: Filters, now: int, asked: int) -> int:
    """How many requests match as of `now` (ms), of those filed by `asked` (ms)."""
    (row,) = tx.query(_COUNT, **_params(filters, now, asked))
    n: int = row["n"]
    return n


def page(
    tx: Tx, filters: Filters, now: int, asked: int, limit: int, offset: int
) -> tuple[str, ...]:
    """The ids of those requests, the newest first."""
    rows = tx.query(_PAGE, **_params(filters, now, asked), limit=limit, offset=offset)
    return tuple(row["id"] for row in rows)


def states(tx: Tx, filters: Filters, now: int, asked: int) -> dict[Phase, int]:
    """How many of those requests are in which phase, in the order of a request's life."""
    found = {r["state"]: r["n"] for r in tx.query(_STATES, **_params(filters, now, asked))}
    return {phase: found[phase] for phase in Phase if phase in found}


def vetoes(tx: Tx, since: int) -> int:
    """How many vetoes were given since `since` (ms)."""
    (row,) = tx.query(
        "SELECT count(*) AS n FROM involved WHERE role = 'Vetoed' AND at >= :since", since=since
    )
    n: int = row["n"]
    return n


def restores(tx: Tx, since: int) -> int:
    """How many restores were executed since `since` (ms)."""
    (row,) = tx.query(
        "SELECT count(*) AS n FROM requests WHERE action = 'restore' AND phase = 'executed'"
        " AND ended_at >= :since",
        since=since,
    )
    n: int = row["n"]
    return n


def still_open(tx: Tx, limit: int) -> tuple[int, tuple[str, ...]]:
    """How many requests are not closed, and the ids of the newest of them."""
    (row,) = tx.query("SELECT count(*) AS n FROM requests WHERE phase IS NULL")
    rows = tx.query(
        "SELECT id FROM requests WHERE phase IS NULL ORDER BY n DESC LIMIT :limit", limit=limit
    )
    return row["n"], tuple(r["id"] for r in rows)


@dataclass(frozen=True, slots=True)
class Executed:
    """A request that was executed; `at` in ms."""

    id: str
    requester: str
    at: int
    outcome: Outcome


def restored_by(tx: Tx, id: str) -> Executed | None:
    """The first restore that undid this request and was executed; None: there is none."""
    return _executed(
        tx.query(
            "SELECT * FROM requests WHERE undoes = :id AND phase = 'executed'"
            " ORDER BY started_seq LIMIT 1",
            id=id,
        )
    )


def executed(tx: Tx, id: str) -> Executed | None:
    """A request's execution; None if it was not, or not yet, executed."""
    return _executed(
        tx.query("SELECT * FROM requests WHERE id = :id AND phase = 'executed'", id=id)
    )


def _executed(rows: list[Row]) -> Executed | None:
    for r in rows:
        return Executed(r["id"], r["requester"], r["ended_at"], Outcome(r["outcome"]))
    return None
