"""What has yet to be done outside: rows under leases, and where in Slack a message came to stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.effects import effects
from bot.core.events import Event
from bot.core.request import Request
from bot.store.tx import Row, Tx, Values


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


def wanted(
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


def put(tx: Tx, rows: Sequence[Values]) -> None:
    """Outbox rows; the card's row is one a request, and wants the newest state."""
    tx.execute_many(
        "INSERT INTO outbox (key, lane, stream, seq, what, recipient, due_at) VALUES"
        " (:key, :lane, :stream, :seq, :what, :recipient, :due_at)"
        " ON CONFLICT (key) DO UPDATE"
        " SET seq = CASE WHEN outbox.seq < :seq THEN :seq ELSE outbox.seq END,"
        " wanted = outbox.wanted + 1,"
        " due_at = CASE WHEN outbox.due_at < :due_at THEN outbox.due_at ELSE :due_at END",
        rows,
    )


def refresh_card(tx: Tx, id: str, now: int) -> None:
    """Have the card rendered again: something that it shows has changed outside the ledger."""
    put(tx, [_row(f"{id}/card", "channel", id, _last_seq(tx, id), "card", "", now)])


def lease(tx: Tx, now: int, until: int, limit: int = 20) -> list[Task]:
    """Take due rows: of each stream and lane only the first, so that order is kept."""
    rows = tx.query(
        "WITH taken AS MATERIALIZED ("
        " SELECT id FROM outbox o WHERE due_at <= :now AND leased_until <= :now AND NOT EXISTS ("
        "  SELECT 1 FROM outbox e WHERE e.stream = o.stream AND e.lane = o.lane AND e.id < o.id)"
        " ORDER BY (what <> 'execute'), due_at, id LIMIT :limit /*pg FOR UPDATE OF o SKIP LOCKED */)"
        " UPDATE outbox SET fence = fence + 1, leased_until = :until"
        " WHERE id IN (SELECT id FROM taken) RETURNING *",
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
    mine = {"id": task.id, "fence": task.fence}
    gone = tx.execute(
        "DELETE FROM outbox WHERE id = :id AND fence = :fence AND wanted = :wanted",
        **mine,
        wanted=task.wanted,
    )
    held = gone or tx.execute(
        "UPDATE outbox SET leased_until = 0, tried = 0, attempts = 0, error = NULL"
        " WHERE id = :id AND fence = :fence",
        **mine,
    )
    if held and post is not None:
        keep_post(tx, task.key, post, task.seq)
    return bool(held)


def hand_back(tx: Tx, tasks: Sequence[Task]) -> None:
    """Free leases whose work was not begun, or not ended: others may take them at once."""
    tx.execute_many(
        "UPDATE outbox SET leased_until = 0 WHERE id = :id AND fence = :fence",
        [{"id": task.id, "fence": task.fence} for task in tasks],
    )


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


def _last_seq(tx: Tx, stream: str) -> int:
    (row,) = tx.query("SELECT max(seq) AS seq FROM entries WHERE stream = :s", s=stream)
    return row["seq"] or 0
