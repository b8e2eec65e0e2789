"""Tiles, after https://c2sp.org/tlog-tiles: a log as files that never change.

`tile/L/N` holds 256 hashes of the level `8 * L` of the tree; `tile/entries/N` the entries under the
tile `tile/0/N`, each after its length in two bytes. The last of each level is partial, and says so
in its name: `….p/W` holds W of them.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.ledger.entry import refuse_too_long
from bot.ledger.tree import Frontier, Nodes

HEIGHT, WIDTH, HASH = 8, 256, 32


@dataclass(frozen=True, slots=True)
class Tile:
    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        return f"tile/{self.level}/{self._place}"

    @property
    def bundle(self) -> str:
        """Where the entries under it are; for those of the lowest level."""
        return f"tile/entries/{self._place}"

    @property
    def _place(self) -> str:
        n = self.index
        parts: list[str] = []
        while not parts or n:
            n, low = divmod(n, 1000)
            parts.append(f"x{low:03}" if parts else f"{low:03}")
        return "/".join(parts[::-1]) + (f".p/{self.width}" if self.width < WIDTH else "")


def level_tiles(level: int, size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles of one level of a tree of `size`, but for those of the tree of `since`."""
    now, before = size >> HEIGHT * level, since >> HEIGHT * level
    if now > before:
        for index in range(before // WIDTH, -(-now // WIDTH)):
            yield Tile(level, index, min(WIDTH, now - index * WIDTH))


def tiles(size: int, since: int = 0) -> Iterator[Tile]:
    """All tiles of a tree of `size`, but for those of the tree of `since`; the lowest first."""
    for level in range(-(-size.bit_length() // HEIGHT)):
        yield from level_tiles(level, size, since)


def pack(entries: Sequence[bytes]) -> bytes:
    """An entry bundle. Raises EntryTooLong for one that its length does not fit for."""
    for body in entries:
        refuse_too_long(body)
    return b"".join(struct.pack(">H", len(body)) + body for body in entries)


def unpack(raw: bytes) -> list[bytes]:
    """The entries of a bundle, as far as they are whole."""
    found, at = [], 0
    while at + 2 <= len(raw):
        (length,) = struct.unpack_from(">H", raw, at)
        body = raw[at + 2 : at + 2 + length]
        if len(body) < length:
            break
        found.append(body)
        at += 2 + length
    return found


def split(raw: bytes) -> list[bytes]:
    """The hashes of a tile."""
    return [raw[at : at + HASH] for at in range(0, len(raw), HASH)]


def nodes(size: int, hashes: Callable[[Tile], Sequence[bytes]]) -> Nodes:
    """The complete subtrees of a tree of `size`, out of the hashes of its tiles."""

    def node(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, HEIGHT)
        first = index << above
        whole = size >> HEIGHT * tile_level
        number = first // WIDTH
        tile = Tile(tile_level, number, min(WIDTH, whole - number * WIDTH))
        at = first % WIDTH
        subtree = Frontier()
        subtree.extend(hashes(tile)[at : at + (1 << above)])
        return subtree.root

    return node
