"""Proofs that travel alone, after https://c2sp.org/tlog-proof (version 1).

An entry's index, its inclusion proof, and the checkpoint that the proof leads to. The line `extra`
carries the entry's exact bytes, so that one file says what was recorded and shows that it was; as
the format has it, nothing there is believed but what hashes to the leaf.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.ledger import checkpoint
from bot.ledger.checkpoint import Checkpoint, number
from bot.ledger.entry import leaf_hash
from bot.ledger.note import NoteError, PublicKey, rebase64, unbase64
from bot.ledger.tree import is_included

_HEAD = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    @property
    def text(self) -> bytes:
        lines = [_HEAD]
        if self.extra is not None:
            lines.append(f"extra {rebase64(self.extra)}")
        lines += [f"index {self.index}", *map(rebase64, self.hashes), ""]
        return "\n".join(lines).encode() + b"\n" + self.checkpoint


def parse(raw: bytes) -> Proof:
    """The proof in these bytes, unverified. Raises NoteError."""
    above, blank, signed = raw.partition(b"\n\n")
    try:
        head, *lines = above.decode().split("\n")
    except UnicodeDecodeError as e:
        raise NoteError("a proof is UTF-8") from e
    if head != _HEAD or not blank:
        raise NoteError(f"a proof starts with {_HEAD} and ends with a checkpoint")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = unbase64(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index "):
        raise NoteError("a proof says which entry it is for")
    index = number(lines.pop(0).removeprefix("index "))
    return Proof(index, tuple(unbase64(line) for line in lines), signed, extra)


def verify(proof: Proof, body: bytes, known: Iterable[PublicKey], origin: str) -> Checkpoint | None:
    """The checkpoint under which the proof shows `body` to be recorded; None if it shows nothing.

    Raises NoteError and BadSignature where the checkpoint is not one.
    """
    head = checkpoint.read(proof.checkpoint, known, origin)
    shown = is_included(proof.index, head.size, leaf_hash(body), proof.hashes, head.root)
    return head if shown else None
