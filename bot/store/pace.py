"""How fast messages may be sent to one place. It is kept in the database, so that all replicas
together keep it."""

from bot.ports import Rate
from bot.store.tx import Tx


def take(tx: Tx, place: str, rate: Rate, now: int) -> bool:
    """Take leave to send one there now. False: the place is busy until later."""
    return bool(
        tx.query(
            "INSERT INTO pace (place, free_at) VALUES (:place, :least)"
            " ON CONFLICT (place) DO UPDATE SET free_at ="
            "  CASE WHEN pace.free_at + :every < :least THEN :least ELSE pace.free_at + :every END"
            " WHERE pace.free_at <= :now RETURNING free_at",
            place=place,
            every=rate.every,
            least=now - (rate.burst - 1) * rate.every + rate.every,  # nothing was sent for long
            now=now,
        )
    )


def pause(tx: Tx, place: str, until: int) -> None:
    """Send nothing there until then (ms)."""
    tx.execute(
        "INSERT INTO pace (place, free_at) VALUES (:place, :until) ON CONFLICT (place)"
        " DO UPDATE SET free_at = :until WHERE pace.free_at < :until",
        place=place,
        until=until,
    )
