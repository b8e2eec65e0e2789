"""The setting of the clock, as it was kept."""

from bot.store.tx import Tx


def clock_setting(tx: Tx) -> tuple[str, int, int] | None:
    for row in tx.query("SELECT boot, up, at FROM clock"):
        return row["boot"], row["up"], row["at"]
    return None


def keep_clock_setting(tx: Tx, boot: str, up: int, at: int) -> None:
    tx.execute(
        "INSERT INTO clock (one, boot, up, at) VALUES (1, :boot, :up, :at)"
        " ON CONFLICT (one) DO UPDATE SET boot = :boot, up = :up, at = :at",
        boot=boot,
        up=up,
        at=at,
    )
