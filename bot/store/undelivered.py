"""What Slack did not take of a request's messages, for a while or for good; its card says so."""

from bot.store import outbox
from bot.store.outbox import Task
from bot.store.tx import Row, Tx

LATE = 60_000  # ms; what comes sooner than this after it first failed is not called late
SHOWN = ("card", "thread", "direct")  # what is about a request, and so has a card to say it


def delivered(tx: Tx, task: Task, messages: int, now: int) -> None:
    """So many were delivered, `task` the first of them. What came late is kept."""
    if task.failed_at is None or task.what not in SHOWN:
        return
    late = now - task.failed_at >= LATE
    if late:
        _keep(tx, task.stream, task.error or "", messages, task.failed_at, now)
    if late or task.what != "card":  # what stands on the card is over
        outbox.refresh_card(tx, task.stream, now)


def given_up(tx: Tx, task: Task, error: str, now: int) -> None:
    """It can never be delivered."""
    if task.what not in SHOWN:
        return
    _keep(tx, task.stream, error, 1, now, None)
    outbox.refresh_card(tx, task.stream, now)


def held(tx: Tx, task: Task, now: int) -> None:
    """It fails until somebody changes something at Slack: the card says it, if that can be sent."""
    if task.failed_at is None and task.what in SHOWN and task.what != "card":
        outbox.refresh_card(tx, task.stream, now)


def _keep(tx: Tx, stream: str, error: str, messages: int, since: int, until: int | None) -> None:
    """One row for each request and error: what fails together is told together."""
    tx.execute(
        "INSERT INTO undelivered (stream, error, messages, since, until)"
        " VALUES (:stream, :error, :messages, :since, :until)"
        " ON CONFLICT (stream, error) DO UPDATE"
        " SET messages = undelivered.messages + :messages, until = :until,"
        " since = CASE WHEN undelivered.since < :since THEN undelivered.since ELSE :since END",
        stream=stream,
        error=error,
        messages=messages,
        since=since,
        until=until,
    )


def note(tx: Tx, stream: str, text: str, now: int) -> None:
    """Something else that its card goes on saying."""
    _keep(tx, stream, text, 0, now, None)


def of(tx: Tx, stream: str) -> list[Row]:
    """What came late or never of a request's messages (messages, error, since, until); no
    message: what else the card says."""
    return tx.query(
        "SELECT messages, error, since, until FROM undelivered WHERE stream = :s ORDER BY since",
        s=stream,
    )


def waiting(tx: Tx, stream: str) -> list[Row]:
    """What waits of them, by error (messages, error, since); not the card itself."""
    return tx.query(
        "SELECT count(*) AS messages, error, min(failed_at) AS since FROM outbox"
        " WHERE stream = :s AND failed_at IS NOT NULL AND what <> 'card'"
        " GROUP BY error ORDER BY since",
        s=stream,
    )


def everything(tx: Tx) -> list[Row]:
    """All that waits to be sent, by error (messages, error, since): '' where nothing is wrong."""
    return tx.query(
        "SELECT count(*) AS messages, coalesce(error, '') AS error, min(asked_at) AS since"
        " FROM outbox GROUP BY coalesce(error, '') ORDER BY since, error"
    )
