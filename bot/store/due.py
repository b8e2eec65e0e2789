"""When somebody has to look at something without being asked."""

from bot.store.tx import Tx


def due_requests(tx: Tx, now: int, until: int, limit: int = 50) -> list[str]:
    """Take the requests that somebody has to look at; they are due again at `until`."""
    return [
        row["id"]
        for row in tx.query(
            "WITH taken AS MATERIALIZED (SELECT n FROM requests WHERE due_at <= :now"
            "  ORDER BY due_at LIMIT :limit /*pg FOR UPDATE SKIP LOCKED */)"
            " UPDATE requests SET due_at = :until WHERE n IN (SELECT n FROM taken) RETURNING id",
            now=now,
            until=until,
            limit=limit,
        )
    ]


def wait(tx: Tx, id: str, why: str) -> bool:
    """Note why the last Start of a request had to wait. Whether that is another reason than before."""
    return bool(
        tx.execute(
            "UPDATE requests SET waiting = :why"
            " WHERE id = :id AND phase IS NULL AND (waiting IS NULL OR waiting <> :why)",
            id=id,
            why=why,
        )
    )


def look_if_waiting(tx: Tx, id: str, now: int) -> None:
    """What a Start had to wait for may have come about."""
    tx.send(
        "UPDATE requests SET due_at = :now WHERE id = :id AND waiting IS NOT NULL", id=id, now=now
    )


def look_again(tx: Tx, id: str, at: int) -> None:
    tx.send("UPDATE requests SET due_at = :at WHERE id = :id", id=id, at=at)


def look_again_unless_changed(tx: Tx, id: str, version: int, at: int, now: int) -> None:
    """The same, unless something has happened since that version, which says itself when to look, or
    somebody has asked meanwhile for it to be looked at."""
    tx.send(
        "UPDATE requests SET due_at = :at WHERE id = :id AND version = :version AND due_at > :now",
        id=id,
        version=version,
        at=at,
        now=now,
    )


def still_open(tx: Tx) -> list[str]:
    return [r["id"] for r in tx.query("SELECT id FROM requests WHERE phase IS NULL ORDER BY n")]


def free_leases(tx: Tx) -> None:
    """At start-up of the only process: whoever held a lease is gone; look at everything anew."""
    tx.execute("UPDATE outbox SET leased_until = 0 WHERE leased_until > 0")
    tx.execute("UPDATE requests SET due_at = 0 WHERE due_at IS NOT NULL")


def next_event(tx: Tx) -> int | None:
    """When (ms) the next outbox row or request is due; None: nothing waits."""
    (row,) = tx.query(
        "SELECT min(at) AS at FROM ("
        " SELECT min(CASE WHEN at < free_at THEN free_at ELSE at END) AS at FROM ("
        "  SELECT CASE WHEN due_at < leased_until THEN leased_until ELSE due_at END AS at,"
        "   coalesce(p.free_at, 0) AS free_at FROM outbox o LEFT JOIN pace p ON p.place = o.place"
        "  WHERE NOT EXISTS (SELECT 1 FROM outbox e"
        "   WHERE e.stream = o.stream AND e.lane = o.lane AND e.id < o.id)) heads"
        " UNION ALL SELECT min(due_at) FROM requests WHERE due_at IS NOT NULL) either"
    )
    at: int | None = row["at"]
    return at
