"""An export: a folder with the log in it, which anybody can verify without the database.

```
checkpoint                    how many entries, the root over them, signed
vkey                          the public keys that it is signed with
tile/L/N                      the tree's hashes (https://c2sp.org/tlog-tiles)
tile/entries/N                the entries
openings.jsonl                the values behind the commitments, if they were to be given
proof/R-n.tlog-proof          that the newest entry of a request is in it (https://c2sp.org/tlog-proof)
```
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from bot.ledger import checkpoint, proof, tiles
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.note import NoteError, PublicKey
from bot.ledger.tiles import Tile
from bot.ledger.tree import root
from bot.ledger.verify import Fault, Finding, Kept, Verified, verify

CHECKPOINT, VKEY, PROOFS = "checkpoint", "vkey", "proof"
_TILES_AT_HAND = 64
_REQUEST = re.compile(r"R-[1-9][0-9]{0,17}", re.ASCII)


class Folder:
    """The log in a folder, as large as its checkpoint says; see `bot.ledger.verify.Log`."""

    def __init__(self, path: Path, head: Checkpoint) -> None:
        self.path = path
        self.size = head.size
        self._hashes = lru_cache(_TILES_AT_HAND)(self._read_hashes)
        self._node = tiles.nodes(self.size, self._hashes)

    def bodies(self) -> Iterator[bytes]:
        for tile in tiles.level_tiles(0, self.size):
            yield from tiles.unpack(self._read(tile.bundle))

    def kept(self, level: int) -> Iterator[bytes] | None:
        tile_level, between = divmod(level, tiles.HEIGHT)
        return None if between else self._kept(tile_level)

    def _kept(self, level: int) -> Iterator[bytes]:
        for tile in tiles.level_tiles(level, self.size):
            found = self._hashes(tile)
            yield from found
            yield from (b"" for _ in range(tile.width - len(found)))

    def node(self, level: int, index: int) -> bytes:
        return self._node(level, index)

    def _read_hashes(self, tile: Tile) -> list[bytes]:
        return tiles.split(self._read(tile.path))

    def _read(self, name: str) -> bytes:
        """What stands there; nothing if it is not there, which the entries or the tree then lack."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return b""

    def proofs(self) -> Iterator[Path]:
        """One after another, and never all at once: there is one for each request."""
        folder = self.path / PROOFS
        if folder.is_dir():
            with os.scandir(folder) as found:
                yield from (Path(file) for file in found if file.name.endswith(".tlog-proof"))


def proof_name(stream: str) -> str | None:
    """Where a request's proof is; None for a stream that is no request."""
    return f"{PROOFS}/{stream}.tlog-proof" if _REQUEST.fullmatch(stream) else None


def head(path: Path, known: Sequence[PublicKey], origin: str) -> Checkpoint:
    """A folder's checkpoint. Raises NoteError, BadSignature, and OSError where there is none."""
    return checkpoint.read((path / CHECKPOINT).read_bytes(), known, origin)


def verify_folder(
    path: Path, known: Sequence[PublicKey], origin: str, against: Sequence[Kept] = ()
) -> Verified:
    """Everything that can be wrong with an export; see `bot.ledger.verify`.

    Raises OSError where it cannot be read.
    """
    try:
        own = head(path, known, origin)
    except NoteError as e:
        said = f"the checkpoint of the export: {e}"
        return Verified(0, root(0, _none), (Finding(Fault.SIGNATURE, None, said),), ())
    log = Folder(path, own)
    found = verify(log, [*against, Kept("its own checkpoint", own, own=True)])
    if found.findings:
        return found
    wrong = next(chain(_places(log), _proofs(log, known, origin)), None)
    return found if wrong is None else Verified(found.size, found.root, (wrong,), found.held)


def _none(level: int, index: int) -> bytes:
    raise LookupError


def _places(log: Folder) -> Iterator[Finding]:
    """The entries, against the places that they say they have."""
    for n, body in enumerate(log.bodies(), 1):
        try:
            said = json.loads(body)["seq"]
        except (ValueError, LookupError, TypeError):
            said = None
        if said != n:
            yield Finding(Fault.REORDERED, n, f"in the place of entry {n} stands {said}")


def _proofs(log: Folder, known: Sequence[PublicKey], origin: str) -> Iterator[Finding]:
    """The proofs, against the log that was found to be in order."""
    roots = lru_cache(_TILES_AT_HAND)(lambda size: root(size, log.node))
    for path in log.proofs():
        try:
            found = proof.parse(path.read_bytes())
            under = proof.verify(found, found.extra or b"", known, origin)
        except NoteError as e:
            yield Finding(Fault.SIGNATURE, None, f"{path.name}: {e}")
            continue
        if under is None:
            n = found.index + 1
            yield Finding(Fault.EDITED, n, f"{path.name} does not show what it says of entry {n}")
        elif under.size > log.size:
            yield Finding(
                Fault.AHEAD,
                None,
                f"{path.name} is of a log of {under.size}, and here are {log.size}",
            )
        elif roots(under.size) != under.root:
            yield Finding(Fault.FORKED, None, f"{path.name} is of another log of this name")
