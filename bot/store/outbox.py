"""What has yet to be done outside: rows under leases, and where in Slack a message came to stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.core.effects import Urgency, effects, urgency
from bot.core.events import Event
from bot.core.request import Request
from bot.ports import Behind, Rate
from bot.store import pace
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
    place: str  # whose pace it is sent at
    failed_at: int | None  # since when (ms) it could not be delivered,
    error: str | None  # and why


def wanted(
    stream: str, request: Request | None, event: Event, seq: int, gone: Sequence[int]
) -> list[Values]:
    """The outbox rows of an event; `gone` are the entries whose values it erased."""
    rows: list[Values] = []
    for effect in effects(request, event):
        place = "channel"
        match effect.what:
            case "card":
                key, lane = f"{stream}/card", "channel"
            case "retell":
                for told in gone:
                    key = f"{stream}/{told}/thread"
                    rows.append(wish(key, "channel", stream, told, "thread", "", event.at))
                continue
            case "execute":
                key, lane, place = f"{stream}/{seq}/execute", "execute", ""
            case "direct":
                key, lane = f"{stream}/{seq}/direct/{effect.to}", f"direct/{effect.to}"
                place = lane
            case "export" | "file":  # in order, and nobody waits for another's
                key, lane = f"{stream}/{seq}/{effect.what}", f"direct/{effect.to}"
                place = lane if effect.what == "file" else ""
            case _:
                key, lane = f"{stream}/{seq}/{effect.what}", "channel"
        urgent = urgency(effect, event)
        rows.append(wish(key, lane, stream, seq, effect.what, effect.to, event.at, place, urgent))
    return rows


def wish(
    key: str,
    lane: str,
    stream: str,
    seq: int,
    what: str,
    recipient: str,
    due_at: int,
    place: str = "channel",
    urgency: Urgency = Urgency.NEWS,
) -> Values:
    """What `put` takes. `place` is whose pace it is sent at; "": at any."""
    return {
        "key": key,
        "lane": lane,
        "stream": stream,
        "seq": seq,
        "what": what,
        "recipient": recipient,
        "due_at": due_at,
        "place": place,
        "urgency": int(urgency),
    }


def put(tx: Tx, rows: Sequence[Values]) -> None:
    """Outbox rows; the card's row is one a request, and wants the newest state.

    What stands in Slack already is changed there, at a pace of its own; a card then waits for no
    reply any more.
    """
    tx.execute_many(
        "INSERT INTO outbox"
        " (key, lane, stream, seq, what, recipient, due_at, asked_at, urgency, place)"
        " VALUES (:key, CASE WHEN :what = 'card'"
        "   AND EXISTS (SELECT 1 FROM posts WHERE key = :key) THEN 'card' ELSE :lane END,"
        "  :stream, :seq, :what, :recipient, :due_at, :due_at, :urgency,"
        "  CASE WHEN EXISTS (SELECT 1 FROM posts WHERE key = :key) THEN 'update' ELSE :place END)"
        " ON CONFLICT (key) DO UPDATE"
        " SET seq = CASE WHEN outbox.seq < :seq THEN :seq ELSE outbox.seq END,"
        " wanted = outbox.wanted + 1,"
        " due_at = CASE WHEN outbox.due_at < :due_at THEN outbox.due_at ELSE :due_at END,"
        " urgency = CASE WHEN outbox.urgency < :urgency THEN outbox.urgency ELSE :urgency END",
        rows,
    )


def refresh_card(tx: Tx, id: str, now: int) -> None:
    """Have the card rendered again: something that it shows has changed outside the ledger."""
    put(tx, [wish(f"{id}/card", "channel", id, _last_seq(tx, id), "card", "", now)])


def lease(
    tx: Tx, now: int, until: int, limit: int = 20, rates: Mapping[str, Rate] | None = None
) -> list[Task]:
    """Take due rows: of each stream and lane only the first, so that order is kept, and of each
    place as many as its pace allows. What is most urgent in its stream and lane goes first."""
    rows = tx.query(
        "SELECT o.* FROM outbox o LEFT JOIN pace p ON p.place = o.place"
        " WHERE due_at <= :now AND leased_until <= :now AND coalesce(p.free_at, 0) <= :now"
        " AND NOT EXISTS ("
        "  SELECT 1 FROM outbox e WHERE e.stream = o.stream AND e.lane = o.lane AND e.id < o.id)"
        " ORDER BY (SELECT min(e.urgency) FROM outbox e"
        "  WHERE e.stream = o.stream AND e.lane = o.lane), due_at, id LIMIT :limit"
        " /*pg FOR UPDATE OF o SKIP LOCKED */",
        now=now,
        limit=limit,
    )
    tasks = []
    for row in sorted(rows, key=lambda row: row["place"]):  # else two who lease could wait for
        rate = (rates or {}).get(row["place"].partition("/")[0])  # each other's places
        if rate is None or pace.take(tx, row["place"], rate, now):
            tasks.append(_task(row))
    tx.execute_many(
        "UPDATE outbox SET fence = :fence, leased_until = :until WHERE id = :id",
        [{"id": task.id, "fence": task.fence, "until": until} for task in tasks],
    )
    return sorted(tasks, key=lambda task: (task.what != "execute", task.id))


def _task(row: Row) -> Task:
    """The row, under the lease that it is about to get."""
    return Task(
        id=row["id"],
        key=row["key"],
        lane=row["lane"],
        stream=row["stream"],
        seq=row["seq"],
        what=row["what"],
        recipient=row["recipient"],
        wanted=row["wanted"],
        fence=row["fence"] + 1,
        attempts=row["attempts"],
        tried=bool(row["tried"]),
        place=row["place"],
        failed_at=row["failed_at"],
        error=row["error"],
    )


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


def finish(
    tx: Tx, task: Task, post: tuple[str, str] | None = None, also: Sequence[Behind] = ()
) -> bool:
    """It is done: `post` is the (channel, ts) that Slack gave, and tells of those in `also` too.
    False: the lease was lost.

    A row that was asked for again while it was sent stays, and is sent again.
    """
    # nobody can have leased those behind it while it is there
    if not _finished(tx, Behind(task.id, task.key, task.seq, task.wanted, task.fence), post):
        return False
    for one in also:
        _finished(tx, one, post)
    return True


def _finished(tx: Tx, row: Behind, post: tuple[str, str] | None) -> bool:
    mine = {"id": row.id, "fence": row.fence}
    gone = tx.execute(
        "DELETE FROM outbox WHERE id = :id AND fence = :fence AND wanted = :wanted",
        **mine,
        wanted=row.wanted,
    )
    held = gone or tx.execute(
        "UPDATE outbox SET leased_until = 0, tried = 0, attempts = 0, error = NULL,"
        " failed_at = NULL, lane = CASE WHEN what = 'card' THEN 'card' ELSE lane END,"
        " place = 'update' WHERE id = :id AND fence = :fence",
        **mine,
    )
    if held and post is not None:
        keep_post(tx, row.key, post, row.seq)
    return bool(held)


def hand_back(tx: Tx, tasks: Sequence[Task]) -> None:
    """Free leases whose work was not begun, or not ended: others may take them at once."""
    tx.execute_many(
        "UPDATE outbox SET leased_until = 0 WHERE id = :id AND fence = :fence",
        [{"id": task.id, "fence": task.fence} for task in tasks],
    )


def behind(tx: Tx, key: str, most: int) -> list[Behind]:
    """Up to `most` replies that wait right behind the reply `key`, and are not in Slack yet."""
    rows = tx.query(
        "SELECT b.id, b.key, b.seq, b.wanted, b.fence, b.what, p.ts FROM outbox b"
        " JOIN outbox o ON o.stream = b.stream AND o.lane = b.lane AND o.id < b.id"
        " LEFT JOIN posts p ON p.key = b.key WHERE o.key = :key ORDER BY b.id LIMIT :most",
        key=key,
        most=most,
    )
    found = []
    for row in rows:
        if row["what"] != "thread" or row["ts"] is not None:
            break
        found.append(Behind(row["id"], row["key"], row["seq"], row["wanted"], row["fence"]))
    return found


def put_off(
    tx: Tx, task: Task, until: int, error: str, tried: bool, failed_at: int | None = None
) -> None:
    """It could not be done; it is tried again from `until` (ms) on. `tried`: it may have been;
    `failed_at` (ms): when it failed, unless it only has to wait its turn."""
    tx.send(
        "UPDATE outbox SET leased_until = 0, due_at = :until, error = :error, tried = :tried,"
        " failed_at = coalesce(failed_at, :failed_at) WHERE id = :id AND fence = :fence",
        id=task.id,
        fence=task.fence,
        until=until,
        error=error,
        tried=int(tried),
        failed_at=failed_at,
    )


def backlog(tx: Tx) -> list[Row]:
    """What has not been delivered, the oldest first."""
    return tx.query(
        "SELECT stream, seq, what, due_at, attempts, error, asked_at, failed_at FROM outbox ORDER BY id"
    )


def post(tx: Tx, key: str) -> tuple[str, str] | None:
    """Where (channel, ts) a message is in Slack."""
    for row in tx.query("SELECT channel, ts FROM posts WHERE key = :key", key=key):
        return row["channel"], row["ts"]
    return None


def newest_post(tx: Tx) -> int:
    """When (ms by Slack's clock) the newest message that is known was sent; 0 if there is none."""
    for (ts,) in tx.each("SELECT max(ts) FROM posts WHERE ts IS NOT NULL"):
        return 0 if ts is None else int(float(ts) * 1000)
    return 0


def keep_post(tx: Tx, key: str, post: tuple[str, str], seq: int) -> None:
    """`post` (channel, ts) is what was sent for `key` after the entry `seq`."""
    tx.send(
        "INSERT INTO posts (key, channel, ts, seq) VALUES (:key, :channel, :ts, :seq)"
        " ON CONFLICT (key) DO UPDATE SET channel = :channel, ts = :ts, seq = :seq",
        key=key,
        channel=post[0],
        ts=post[1],
        seq=seq,
    )


def told_by(tx: Tx, stream: str, post: tuple[str, str]) -> list[int]:
    """The seq of the entries that this reply tells of."""
    rows = tx.query(
        "SELECT e.seq FROM entries e JOIN posts p ON p.key = e.stream || '/' || e.seq || '/thread'"
        " WHERE e.stream = :stream AND p.channel = :channel AND p.ts = :ts ORDER BY e.seq",
        stream=stream,
        channel=post[0],
        ts=post[1],
    )
    return [row["seq"] for row in rows]


def forget_post(tx: Tx, key: str) -> None:
    """It was deleted in Slack."""
    tx.execute("DELETE FROM posts WHERE key = :key", key=key)


def _last_seq(tx: Tx, stream: str) -> int:
    (row,) = tx.query("SELECT max(seq) AS seq FROM entries WHERE stream = :s", s=stream)
    return row["seq"] or 0
