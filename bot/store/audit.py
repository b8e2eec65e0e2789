"""The transaction scripts that the trail is asked by. They read, and change nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from bot.core.actions import Outcome
from bot.core.request import Phase
from bot.ledger.entry import leaf_hash
from bot.store import search, tree
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
_STATE = """
    CASE
        WHEN r.phase IS NOT NULL THEN r.phase
        WHEN r.unknown_since IS NOT NULL THEN 'unknown'
        WHEN r.started_seq IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM entries e WHERE e.stream = r.id AND e.seq > r.started_seq
            AND e.kind = 'AttemptEnded') THEN 'executing'
        WHEN r.eta IS NULL THEN 'open'
        WHEN :now < r.eta THEN 'cooling off'
        ELSE 'ready'
    END
"""
_DECIDED = "d.role IN ('Approved', 'Vetoed', 'SettlementProposed')"
_ITS = """
    SELECT n FROM requests WHERE handle IN (:handle, '@' || :handle)
    UNION SELECT n FROM requests WHERE subject = :account
    UNION SELECT n FROM requests WHERE substr(subject, instr(subject, ':') + 1) = :account
"""
COUNTED = 30_000  # of those that a filter fits, at most, to find the one that the fewest fit
FEW = 1_000  # so few that no search need be counted


class _Way(NamedTuple):
    """A filter: where those are that it fits, in the order of their numbers, and how to check one."""

    source: str
    where: str
    check: str  # of r, a row of requests
    n: str = "r.n"  # a request's number in the source; r.n where that is requests itself
    search: bool = False  # it looks for words


def _filed_by(param: str) -> _Way:
    """Those that the person in a parameter filed."""
    filed = f"r.requester = :{param}"
    return _Way("requests r INDEXED BY requests_requester", filed, filed)


def _decided_by(param: str) -> _Way:
    """Those that the person in a parameter decided on."""
    decided = f"d.person = :{param} AND {_DECIDED}"
    return _Way(
        "involved d INDEXED BY involved_decided",
        decided,
        f"EXISTS (SELECT 1 FROM involved d WHERE {decided} AND d.request = r.id)",  # noqa: S608
        "d.n",
    )


_EVERY = _Way("requests r NOT INDEXED", "TRUE", "TRUE")
_CLOSED = _Way("requests r INDEXED BY requests_phase", "r.phase = :state", "r.phase = :state")
_LIVE = _Way(
    "requests r INDEXED BY requests_phase",
    f"r.phase IS NULL AND {_STATE} = :state",
    f"r.phase IS NULL AND {_STATE} = :state",
)
_WAYS = {
    "account": _Way(f"({_ITS}) d", "TRUE", f"r.n IN ({_ITS})", "d.n"),
    "by": _filed_by("by"),
    "mine": _filed_by("mine"),
    "reviewer": _decided_by("reviewer"),
    "decided": _decided_by("decided"),
    "tier": _Way("requests r INDEXED BY requests_tier", "r.tier = :tier", "r.tier = :tier"),
}


def _containing(tx: Tx, words: Sequence[str]) -> _Way:
    """Those in whose text there are these words. To ask the index of one request takes fifty times
    as long as to look into its text."""
    contained = " AND ".join(f"instr(w.text, :word{i}) > 0" for i in range(len(words)))
    check = f"EXISTS (SELECT 1 FROM words w WHERE w.n = r.n AND {contained})"  # noqa: S608
    source, where, n = search.INDEX[tx.kind]
    if tx.kind == "postgres":  # its index knows no phrases
        where += f" AND {contained}"
    return _Way(source, where, check, n, search=True)


class Head(NamedTuple):
    """How many entries there are, and the root over them."""

    size: int
    root: bytes


def head(tx: Tx) -> Head:
    """The trail's head. Raises LedgerBroken where the tree is not theirs."""
    (row,) = tx.query("SELECT coalesce(max(seq), 0) AS size FROM entries")
    return Head(row["size"], tree.frontier(tx, row["size"]).root)


def newest(tx: Tx, id: str) -> tuple[int, bytes]:
    """The seq of a request's newest entry, and its leaf hash."""
    (row,) = tx.query(
        "SELECT seq, body FROM entries WHERE stream = :id ORDER BY version DESC LIMIT 1", id=id
    )
    return row["seq"], leaf_hash(row["body"])


def find(
    tx: Tx, filters: Filters, now: int, asked: int, most: int, mine: str | None = None
) -> tuple[str, ...]:
    """The ids of the newest requests, `most` at most, that match as of `now` (ms), of those that
    were filed by `asked` (ms); `mine`: and that this person filed or decided on.
    """
    handle = filters.account and filters.account.removeprefix("@").casefold()
    params = {
        **asdict(filters),
        "handle": handle,
        "now": now,
        "match": search.MATCH[tx.kind](filters.words),
        **{f"word{i}": text for i, text in enumerate(search.within(filters.words))},
        **_between(tx, filters, asked),
    }
    if mine is None:
        found = _find(tx, params, most)
    else:
        filed = _find(tx, {**params, "mine": mine}, most)
        found = sorted({*filed, *_find(tx, {**params, "decided": mine}, most)}, reverse=True)[:most]
    return tuple(f"R-{n}" for n in found)


def _between(tx: Tx, filters: Filters, asked: int) -> dict[str, int]:
    """The numbers of the first and the last request that was filed in time.

    Numbers are given in the order of filing, and the clock does not go back.
    """
    (row,) = tx.query(
        "SELECT (SELECT n FROM requests WHERE filed_at >= :since ORDER BY filed_at, n LIMIT 1)"
        " AS first, (SELECT n FROM requests WHERE filed_at < :until"
        " ORDER BY filed_at DESC, n DESC LIMIT 1) AS last",
        since=0 if filters.since is None else filters.since,
        until=asked + 1 if filters.until is None else min(filters.until, asked + 1),
    )
    none = {"first": 1, "last": 0}
    return none if row["first"] is None or row["last"] is None else dict(row)


def _find(tx: Tx, params: dict[str, Any], most: int) -> list[int]:
    """The numbers of the newest. What the fewest requests fit is looked up, the rest is checked."""
    ways = [way for key, way in _WAYS.items() if params.get(key)]
    if (state := params["state"]) is not None:
        ways.append(_CLOSED if Phase(state).closed else _LIVE)
    if params["words"]:
        ways.append(_containing(tx, params["words"]))
    first = _fewest(tx, ways, params) if len(ways) > 1 else ways[0] if ways else _EVERY
    checks = [way.check for way in ways if way is not first]
    source = first.source
    if checks and first.n != "r.n":
        source += " CROSS JOIN requests r"
        checks.insert(0, f"r.n = {first.n}")
    where = " AND ".join([first.where, f"{first.n} BETWEEN :first AND :last", *checks])
    return [
        n
        for (n,) in tx.each(
            f"SELECT DISTINCT {first.n} FROM {source} WHERE {where}"  # noqa: S608 - ours, above
            f" ORDER BY {first.n} DESC LIMIT :most",
            **params,
            most=most,
        )
    ]


def _fewest(tx: Tx, ways: Sequence[_Way], params: dict[str, Any]) -> _Way:
    """The one that fits the fewest, or every request in a time that has fewer."""
    best, fewest = _EVERY, params["last"] - params["first"] + 1
    many: list[_Way] = []
    for way in ways:
        if way.search and fewest <= FEW:
            continue  # a phrase can take longer to count than so few to check
        most = min(COUNTED, fewest) if way.search else COUNTED
        (row,) = tx.query(
            f"SELECT count(*) AS n FROM (SELECT 1 FROM {way.source} WHERE {way.where}"  # noqa: S608
            f" AND {way.n} BETWEEN :first AND :last LIMIT :most) c",
            **params,
            most=most,
        )
        if row["n"] == most:
            # to look into texts takes longest, unless two other filters leave few to look into
            many.insert(0 if way.search and len(ways) == 2 else len(many), way)
        elif row["n"] < fewest:
            best, fewest = way, row["n"]
    return many[0] if many and fewest > COUNTED else best


def states(tx: Tx, since: int, now: int) -> dict[Phase, int]:
    """How many of the requests that were filed since `since` (ms) are in which phase as of `now`
    (ms), in the order of a request's life."""
    rows = tx.query(
        f"SELECT {_STATE} AS state, count(*) AS n FROM requests r"  # noqa: S608 - ours, above
        " WHERE filed_at >= :since GROUP BY state",
        since=since,
        now=now,
    )
    return _in_order(rows)


def _in_order(rows: Sequence[Row]) -> dict[Phase, int]:
    found = {r["state"]: r["n"] for r in rows}
    return {phase: found[phase] for phase in Phase if phase in found}


def states_of(tx: Tx, ids: Sequence[str], now: int) -> dict[Phase, int]:
    """How many of these requests are in which phase as of `now` (ms), in the order of a request's
    life."""
    which = {f"id{i}": id for i, id in enumerate(ids)} or {"id0": ""}
    rows = tx.query(
        f"SELECT {_STATE} AS state, count(*) AS n FROM requests r"  # noqa: S608
        f" WHERE r.id IN ({', '.join(f':{name}' for name in which)}) GROUP BY state",
        **which,
        now=now,
    )
    return _in_order(rows)


def did(tx: Tx, person: str, id: str) -> tuple[tuple[str, int], ...]:
    """What a person did to a request beyond filing it: the kinds of their events, and when (ms) the
    first of each was."""
    rows = tx.each(
        "SELECT role, at FROM involved WHERE person = :person AND request = :id AND role IN"
        " ('Approved', 'Retracted', 'Vetoed', 'Withdrawn', 'SettlementProposed') ORDER BY at, role",
        person=person,
        id=id,
    )
    return tuple(rows)


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
        "SELECT count(*) AS n FROM requests INDEXED BY requests_restored WHERE action = 'restore' AND phase = 'executed'"
        " AND ended_at >= :since",
        since=since,
    )
    n: int = row["n"]
    return n


def still_open(tx: Tx, limit: int) -> tuple[int, tuple[str, ...]]:
    """How many requests are not closed, and the ids of the newest of them."""
    (row,) = tx.query("SELECT count(*) AS n FROM requests WHERE phase IS NULL")
    rows = tx.query(
        "SELECT n FROM requests WHERE phase IS NULL ORDER BY n DESC LIMIT :limit", limit=limit
    )
    return row["n"], tuple(f"R-{r['n']}" for r in rows)


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
