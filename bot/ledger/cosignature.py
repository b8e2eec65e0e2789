"""Cosignatures, after https://c2sp.org/tlog-cosignature: who saw a checkpoint, and when.

A cosigner says: at this time, this was the largest tree of this log that I had seen, and it has
always only grown. Of the two kinds, Ed25519's (type 0x04) is read; keys of ML-DSA-44 (type 0x06) are
not known here, and like all signatures of unknown keys theirs are left alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.ledger.note import BadSignature, Note, is_signed, key_id, read_vkey, rebase64

COSIGNATURE = b"\x04"
_LATEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class CosignerKey:
    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        return key_id(self.name, COSIGNATURE, self.key)

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{rebase64(COSIGNATURE + self.key)}"

    @classmethod
    def read(cls, vkey: str) -> "CosignerKey":
        """Raises NoteError for what is no vkey of type 0x04."""
        return cls(*read_vkey(vkey, COSIGNATURE))

    def cosigned(self, text: bytes, signature: bytes) -> int | None:
        """When this key cosigned the text (s since the Unix epoch); None if this is not by it."""
        at = int.from_bytes(signature[:8], "big")
        if at > _LATEST:
            return None
        message = b"cosignature/v1\ntime %d\n%b" % (at, text)
        return at if is_signed(self.key, message, signature[8:]) else None


def cosigners(note: Note, known: Iterable[CosignerKey]) -> dict[CosignerKey, int]:
    """Which of the known keys cosigned a note, and when (s since the Unix epoch) last.

    Raises BadSignature where the cosignature of a known key is not over this text.
    """
    keys = {(key.name, key.id): key for key in known}
    found: dict[CosignerKey, int] = {}
    for signature in note.signatures:
        key = keys.get((signature.name, signature.id))
        if key is None:
            continue
        at = key.cosigned(note.text, signature.value)
        if at is None:
            raise BadSignature(f"the cosignature of {key.name} is not over this text")
        found[key] = max(at, found.get(key, 0))
    return found
