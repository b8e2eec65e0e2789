"""Signed notes, after https://c2sp.org/signed-note: a text, and under it who signed it.

Signatures are Ed25519's alone (type 0x01; those of witnesses are in `cosignature`). Keys are written as Go's `sumdb/note` writes them, which
is what the tools of transparency logs read: `NAME+ID+KEY` for the public half (vkey), and
`PRIVATE+KEY+NAME+ID+KEY` for the other (skey); ID is the key's short name in hex, KEY base64 of the
type and 32 bytes.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
SIGNATURES = 16  # that a note may carry, and that every verifier has to accept
_PRIVATE = "PRIVATE+KEY+"
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


class NoteError(ValueError):
    """This is no note, or no key, as they are written."""


class BadSignature(NoteError):
    """No known key signed this, or the signature of one is not over this text."""


def unbase64(text: str) -> bytes:
    """Base64, in its one correct spelling. Raises NoteError."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise NoteError("this is not base64") from e
    if base64.b64encode(raw).decode() != text:
        raise NoteError("this is not base64 as it is written")
    return raw


def rebase64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@dataclass(frozen=True, slots=True)
class PublicKey:
    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        return key_id(self.name, ED25519, self.key)

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{rebase64(ED25519 + self.key)}"

    @classmethod
    def read(cls, vkey: str) -> "PublicKey":
        """Raises NoteError for what is no vkey of type Ed25519."""
        return cls(*read_vkey(vkey, ED25519))

    def signed(self, text: bytes, signature: bytes) -> bool:
        return is_signed(self.key, text, signature)


@dataclass(frozen=True, slots=True)
class SigningKey:
    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def made(cls, name: str) -> "SigningKey":
        """A new one."""
        if not _NAME.fullmatch(name):
            raise NoteError("a key's name has no space and no plus")
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> PublicKey:
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        return PublicKey(self.name, private.public_key().public_bytes_raw())

    @property
    def skey(self) -> str:
        return f"{_PRIVATE}{self.name}+{self.public.id.hex()}+{rebase64(ED25519 + self.seed)}"

    @classmethod
    def read(cls, skey: str) -> "SigningKey":
        """Raises NoteError for what is no skey of type Ed25519, and never shows it."""
        if not skey.startswith(_PRIVATE):
            raise NoteError(f"a signing key starts with {_PRIVATE}")
        name, id, raw = _key_parts(skey.removeprefix(_PRIVATE), ED25519)
        found = cls(name, raw)
        if found.public.id.hex() != id:
            raise NoteError("the key's id does not belong to the key")
        return found

    def sign(self, text: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text)


def key_id(name: str, type: bytes, key: bytes) -> bytes:
    """A key's short name, as signatures carry it."""
    return hashlib.sha256(name.encode() + b"\n" + type + key).digest()[:4]


def read_vkey(vkey: str, type: bytes) -> tuple[str, bytes]:
    """Name and 32 bytes of an Ed25519 key that signs in the way of `type`. Raises NoteError."""
    name, id, raw = _key_parts(vkey, type)
    if key_id(name, type, raw).hex() != id:
        raise NoteError("the key's id does not belong to the key")
    return name, raw


def is_signed(key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether this is the Ed25519 signature of the key over the text."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _key_parts(said: str, type: bytes) -> tuple[str, str, bytes]:
    """Name, id and the 32 bytes of `NAME+ID+KEY`."""
    parts = said.split("+", 2)
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
        raise NoteError("a key is written NAME+ID+KEY")
    name, id, key = parts
    raw = unbase64(key)
    if raw[:1] != type or len(raw) != 33:
        raise NoteError(f"this is not an Ed25519 key of type 0x{type.hex()}")
    return name, id, raw[1:]


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    id: bytes
    value: bytes

    @property
    def line(self) -> bytes:
        return f"— {self.name} {rebase64(self.id + self.value)}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    text: bytes  # with its final newline
    signatures: tuple[Signature, ...]

    def signers(self, known: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
        """Which of the known keys signed it. Raises BadSignature unless one did, and none wrongly."""
        keys = {(key.name, key.id): key for key in known}
        found = []
        for signature in self.signatures:
            key = keys.get((signature.name, signature.id))
            if key is None:
                continue
            if not key.signed(self.text, signature.value):
                raise BadSignature(f"the signature of {key.name} is not over this text")
            found.append(key)
        if not found:
            raise BadSignature("no key that is known here signed it")
        return tuple(found)


def sign(text: bytes, keys: Sequence[SigningKey]) -> bytes:
    """The note, signed with each of the keys."""
    return write(text, [Signature(key.name, key.public.id, key.sign(text)) for key in keys])


def write(text: bytes, signatures: Iterable[Signature]) -> bytes:
    """The note as it is kept."""
    return b"".join([text, b"\n", *(signature.line for signature in signatures)])


def parse(raw: bytes) -> Note:
    """The note of these bytes, unverified. Raises NoteError."""
    try:
        said = raw.decode()
    except UnicodeDecodeError as e:
        raise NoteError("a note is UTF-8") from e
    if any(ord(c) < 0x20 and c != "\n" for c in said):
        raise NoteError("a note has no control characters")
    text, blank, below = said.rpartition("\n\n")
    lines = below.split("\n")
    if not blank or lines.pop() != "" or not 0 < len(lines) <= SIGNATURES:
        raise NoteError("a note is a text, an empty line, and one signature a line, at most 16")
    signatures = []
    for line in lines:
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise NoteError("what stands below a note has to be signatures")
        value = unbase64(match[2])
        if len(value) < 5:
            raise NoteError("a signature is longer than that")
        signatures.append(Signature(match[1], value[:4], value[4:]))
    return Note((text + "\n").encode(), tuple(signatures))
