"""Writing an export, or going on with one; see `bot.audit.folder` for what is in it.

The checkpoint comes last, and at first there is one over no entries: whatever interrupts it, what is
there is an export, and the next one goes on from its checkpoint. Nothing is signed that the export's
earlier checkpoint, or the tree, does not agree with.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bot.audit import folder, keys
from bot.ledger import tiles
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.entry import EntryTooLong, leaf_hash
from bot.ledger.note import NoteError, SigningKey
from bot.ledger.proof import Proof
from bot.ledger.tiles import Tile
from bot.ledger.tree import EMPTY, inclusion
from bot.store.trail import Trail
from bot.store.tx import Tx


class ExportError(Exception):
    """Nothing can be exported there; the text says why, and the remedy."""


class Unfit(Exception):
    """The trail is not fit to be signed: it is not what it was. The text says where."""


@dataclass(frozen=True, slots=True)
class Exported:
    since: int  # how many entries were there
    size: int
    proofs: int  # how many requests have a new one


def export(
    tx: Tx,
    path: Path,
    signers: Sequence[SigningKey],
    origin: str,
) -> Exported:
    """Bring the folder to the trail's present end. Raises ExportError and Unfit."""
    trail = Trail(tx)
    try:
        since = _since(path, signers, origin)
        _refuse_another(trail, since)
        proofs = _write(trail, path, since.size, signers, origin)
    except OSError as e:
        raise ExportError(f"{e.filename or path}: {e.strerror}.") from e
    except LookupError as e:
        raise Unfit(f"{e}. `nolone audit verify` says more.") from e
    return Exported(since.size, trail.size, proofs)


def _since(path: Path, signers: Sequence[SigningKey], origin: str) -> Checkpoint:
    """The checkpoint to go on from."""
    path.mkdir(parents=True, exist_ok=True)
    if not any(path.iterdir()):
        empty = Checkpoint(origin, 0, EMPTY)
        _replace(path / folder.CHECKPOINT, empty.sign(signers))
        return empty
    try:
        return folder.head(path, [key.public for key in signers], origin)
    except FileNotFoundError as e:
        raise ExportError(f"{path} is not empty, and no export. Name another folder.") from e
    except NoteError as e:
        raise ExportError(
            f"{path} is no export of this log that could be gone on with: its checkpoint: {e}."
            " While a key is changed, both have to sign once."
        ) from e


def _refuse_another(trail: Trail, since: Checkpoint) -> None:
    gap = trail.gap()
    if gap is not None:
        raise Unfit(f"missing: there is no entry {gap}. Nothing was signed.")
    if since.size > trail.size:
        raise Unfit(
            f"checkpoint ahead of the log: the export has {since.size} entries, and the database"
            f" {trail.size}. It was cut off, or set back to an older state. Nothing was signed."
        )
    if trail.root(since.size) != since.root:
        raise Unfit(
            f"forked: the first {since.size} entries of the database are not those that were"
            " exported. Nothing was signed."
        )


def _write(trail: Trail, path: Path, since: int, signers: Sequence[SigningKey], origin: str) -> int:
    size = trail.size
    for name, content in _entries_and_tree(trail, since):
        _put(path / name, content)
    signed = Checkpoint(origin, size, trail.root(size)).sign(signers)
    vkeys = keys.text([key.public for key in signers])
    same_keys = _is(path / folder.VKEY, vkeys)  # else every proof gets the new keys' signatures
    proofs = 0
    for name, content in _proofs(trail, since if same_keys else 0, signed):
        _put(path / name, content)
        proofs += 1
    _replace(path / folder.VKEY, vkeys)
    _replace(path / folder.CHECKPOINT, signed)
    for tile in tiles.tiles(size, since):
        _drop_partial(path, tile, tile.path)
    for tile in tiles.level_tiles(0, size, since):
        _drop_partial(path, tile, tile.bundle)
    return proofs


def files(trail: Trail, signers: Sequence[SigningKey], origin: str) -> Iterator[tuple[str, bytes]]:
    """The files of an export of all of `trail`, by name. Raises ExportError and Unfit."""
    try:
        yield from _entries_and_tree(trail, 0)
        signed = Checkpoint(origin, trail.size, trail.root(trail.size)).sign(signers)
        yield from _proofs(trail, 0, signed)
    except LookupError as e:
        raise Unfit(f"{e}. `nolone audit verify` says more.") from e
    yield folder.VKEY, keys.text([key.public for key in signers])
    yield folder.CHECKPOINT, signed


def _entries_and_tree(trail: Trail, since: int) -> Iterator[tuple[str, bytes]]:
    yield from _bundles(trail, since)
    for tile in tiles.tiles(trail.size, since):
        first = tile.index * tiles.WIDTH
        hashes = trail.nodes(tile.level * tiles.HEIGHT, first, tile.width)
        yield tile.path, b"".join(hashes)


def _proofs(trail: Trail, since: int, signed: bytes) -> Iterator[tuple[str, bytes]]:
    for stream, seq, body in trail.newest(since):
        name = folder.proof_name(stream)
        if name is not None:
            hashes = inclusion(seq - 1, trail.size, trail.node)
            yield name, Proof(seq - 1, tuple(hashes), signed, body).text


def _bundles(trail: Trail, since: int) -> Iterator[tuple[str, bytes]]:
    start = since - since % tiles.WIDTH  # the last bundle was partial
    bodies = trail.bodies(after=start)
    for tile in tiles.level_tiles(0, trail.size, since):
        first = tile.index * tiles.WIDTH
        bundle = list(islice(bodies, tile.width))
        leaves = [leaf_hash(body) for body in bundle]
        kept = trail.nodes(0, first, tile.width)
        if leaves != kept:
            raise Unfit(
                f"entries {first + 1} to {first + tile.width} are not those in the tree."
                " Nothing was signed; `nolone audit verify` says more."
            )
        try:
            yield tile.bundle, tiles.pack(bundle)
        except EntryTooLong as e:
            raise ExportError(f"entries {first + 1} to {first + tile.width}: {e}.") from e


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _drop_partial(path: Path, tile: Tile, name: str) -> None:
    """Once a tile is full, the partial ones that it began as are not needed."""
    partial = path / f"{name}.p"
    if tile.width == tiles.WIDTH and partial.is_dir():
        for file in partial.iterdir():
            file.unlink()
        partial.rmdir()


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _replace(path: Path, content: bytes) -> None:
    """Whole, or not at all."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
