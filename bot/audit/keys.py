"""Key files: one key a line. The secret ones are 0600, and never shown."""

import os
from collections.abc import Sequence
from pathlib import Path

from bot.ledger import trust
from bot.ledger.note import NoteError, PublicKey, SigningKey


class KeyFileError(Exception):
    """A key file cannot be used; the text says why, and the remedy."""


def make(path: Path, name: str) -> PublicKey:
    """A new key, in a new file that nobody else can read. Raises KeyFileError."""
    key = SigningKey.made(name)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError as e:
        raise KeyFileError(f"{path} exists, and is not overwritten.") from e
    except OSError as e:
        raise KeyFileError(f"{path}: {e.strerror}.") from e
    with os.fdopen(handle, "w") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask
        file.write(key.skey + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key.public


def signing(path: Path, origin: str) -> tuple[SigningKey, ...]:
    """The keys of a file that sign for `origin`: one, or two while it is changed."""
    try:
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path} can be read by others. Run: chmod 600 {path}")
        lines = _lines(path)
        keys = tuple(SigningKey.read(line) for line in lines)
    except NoteError as e:
        raise KeyFileError(f"{path} is no file of signing keys: {e}.") from e
    except OSError as e:
        raise KeyFileError(f"{path}: {e.strerror}.") from e
    if not keys:
        raise KeyFileError(f"{path} has no key. Make one with `nolone keygen FILE`.")
    for key in keys:
        if key.name != origin:
            raise KeyFileError(
                f"{path} holds a key of the log {key.name}, and NOLONE_ORIGIN is {origin}."
            )
    return keys


def public(path: Path) -> tuple[PublicKey, ...]:
    """The keys of a vkey file."""
    try:
        keys = tuple(PublicKey.read(line) for line in _lines(path))
    except NoteError as e:
        raise KeyFileError(f"{path} is no file of public keys (vkey): {e}.") from e
    except OSError as e:
        raise KeyFileError(f"{path}: {e.strerror}.") from e
    if not keys:
        raise KeyFileError(f"{path} has no key.")
    return keys


def witnesses(path: Path) -> trust.Policy:
    """The policy in a file that says whose cosignatures are enough."""
    try:
        return trust.demanding(path.read_bytes())
    except trust.TrustError as e:
        raise KeyFileError(f"{path}: {e}.") from e
    except OSError as e:
        raise KeyFileError(f"{path}: {e.strerror}.") from e


def text(keys: Sequence[PublicKey]) -> bytes:
    """A vkey file."""
    return "".join(f"{key.vkey}\n" for key in keys).encode()


def _lines(path: Path) -> list[str]:
    try:
        said = path.read_text()
    except UnicodeDecodeError as e:
        raise NoteError("it is not text") from e
    return [line for line in said.splitlines() if line]
