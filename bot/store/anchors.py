"""Which checkpoints are kept by whom outside. It is known from here and proved by the anchors."""

from dataclasses import dataclass

from bot.store.tx import Tx


@dataclass(frozen=True, slots=True)
class Anchored:
    """The newest checkpoint that an anchor keeps."""

    anchor: str  # its name
    size: int  # how many entries it covers
    root: bytes
    at: int  # when it was taken (ms)
    place: str  # where it is, for people
    signed: bytes


def anchored(tx: Tx) -> list[Anchored]:
    """What each anchor keeps, the most entries first."""
    sql = (
        "SELECT anchor, size, root, at, place, signed FROM anchored ORDER BY size DESC, at, anchor"
    )
    return [Anchored(*row) for row in tx.each(sql)]


def keep_anchored(tx: Tx, found: Anchored) -> None:
    tx.execute(
        "INSERT INTO anchored (anchor, size, root, at, place, signed)"
        " VALUES (:anchor, :size, :root, :at, :place, :signed)"
        " ON CONFLICT (anchor) DO UPDATE SET size = :size, root = :root, at = :at,"
        " place = :place, signed = :signed",
        anchor=found.anchor,
        size=found.size,
        root=found.root,
        at=found.at,
        place=found.place,
        signed=found.signed,
    )
