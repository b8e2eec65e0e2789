"""Checkpoints, after https://c2sp.org/tlog-checkpoint: a signed note that tells a log's head.

Three lines: the origin (the log's name), how many entries there are, the root over them. While a key
is changed for another, both sign: whoever knows either can follow.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.ledger import note
from bot.ledger.note import BadSignature, NoteError, PublicKey, SigningKey, rebase64, unbase64

_DECIMAL = re.compile(r"0|[1-9][0-9]*", re.ASCII)


def number(text: str) -> int:
    """A number as these formats write it. Raises NoteError."""
    if not _DECIMAL.fullmatch(text) or len(text) > 19:
        raise NoteError("a number is written in digits, without zeros before it")
    return int(text)


def short(root: bytes) -> str:
    """A root as people compare it at a glance: how it begins in a checkpoint (72 bits)."""
    return rebase64(root)[:12]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        return f"{self.origin}\n{self.size}\n{rebase64(self.root)}\n".encode()

    def sign(self, keys: Sequence[SigningKey]) -> bytes:
        return note.sign(self.text, keys)


def parse(text: bytes) -> Checkpoint:
    """The checkpoint that a note's text tells; lines after the third are not ours, and left alone.

    Raises NoteError.
    """
    lines = text.decode().removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has three lines: origin, size, root")
    root = unbase64(lines[2])
    if len(root) != 32:
        raise NoteError("a root is 32 bytes")
    return Checkpoint(lines[0], number(lines[1]), root)


def read(raw: bytes, known: Iterable[PublicKey], origin: str) -> Checkpoint:
    """The checkpoint in these bytes, signed by a known key, of the log of this name.

    Raises NoteError where it is none, BadSignature where nobody known says so.
    """
    signed = note.parse(raw)
    signed.signers(known)
    found = parse(signed.text)
    if found.origin != origin:
        raise BadSignature(f"it is of the log {found.origin}, not of {origin}")
    return found
