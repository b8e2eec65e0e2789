"""The message that tells of requests whose cards are not in Slack yet, when they are many."""

from bot.core.effects import Urgency
from bot.store import outbox
from bot.store.outbox import Task
from bot.store.tx import Row, Tx

MANY = 20  # cards that wait; at Slack's pace, half a minute's worth or more
AGAIN = 10_000  # ms between two updates of a digest

_WAITING = (
    "FROM outbox o LEFT JOIN posts p ON p.key = o.key WHERE o.what = 'card' AND p.key IS NULL"
)


def begin(tx: Tx, now: int) -> None:
    """Have it told that many cards wait, unless that is being told."""
    (row,) = tx.query(
        f"SELECT count(*) AS cards, max(o.seq) AS seq {_WAITING}"  # noqa: S608
        " AND EXISTS (SELECT 1 FROM pace WHERE place = 'channel' AND free_at > :now)"
        " AND NOT EXISTS (SELECT 1 FROM outbox d WHERE d.key = 'digest')",
        now=now,
    )
    if row["cards"] > MANY:
        _ask(tx, row["seq"], now)


def waiting(tx: Tx, most: int) -> tuple[int, list[str]]:
    """How many requests have no card in Slack yet, and the ids of the oldest of them."""
    (row,) = tx.query(f"SELECT count(*) AS cards {_WAITING}")
    oldest: list[Row] = tx.query(
        f"SELECT o.stream {_WAITING} ORDER BY o.id LIMIT :most",
        most=most,
    )
    return row["cards"], [one["stream"] for one in oldest]


def go_on(tx: Tx, task: Task, waits: bool, now: int) -> None:
    """It was told. While cards wait it is told again, in the same message."""
    if waits:
        _ask(tx, task.seq, now + AGAIN)
    else:
        outbox.forget_post(tx, task.key)


def _ask(tx: Tx, seq: int, due_at: int) -> None:
    outbox.put(
        tx,
        [
            outbox.wish(
                "digest", "digest", "digest", seq, "digest", "", due_at, urgency=Urgency.DIGEST
            )
        ],
    )
