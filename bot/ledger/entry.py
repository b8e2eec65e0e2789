"""An entry of the ledger: its exact bytes and its leaf hash (version 1).

The bytes are the canonical JSON (RFC 8785) of `{v, seq, at, stream, version, kind, actor, data}`;
the leaf hash is RFC 6962's, SHA-256 over a zero byte and those bytes. Stored bytes are never
serialised again. Values that may have to be erased stand in them as salted commitments; the values
and salts are kept beside the entry.
"""

import hashlib
import json
from dataclasses import dataclass

from pydantic import TypeAdapter

from bot.core.events import AnyEvent, Event
from bot.core.sealed import Json, Sealed, canonical, commitment, plain

VERSION = 1
_EVENT: TypeAdapter[Event] = TypeAdapter(AnyEvent)
LONGEST = 0xFFFF  # bytes: what an export's bundles can hold (tlog-tiles counts in two bytes)
_LIFTED = frozenset({"at", "by", "kind"})  # stand in the entry itself, not in its data


class LedgerBroken(Exception):
    """What is stored is not what was written. Nothing may go on from here."""


class EntryTooLong(ValueError):
    """An entry of more bytes than the ledger takes, since no export could hold it."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment: `value` is the canonical text that was sealed under `salt` (hex)."""

    field: str
    salt: str
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int  # of all entries, from 1
    stream: str
    version: int  # within the stream, from 1
    body: bytes

    @property
    def leaf(self) -> bytes:
        return leaf_hash(self.body)


def leaf_hash(body: bytes) -> bytes:
    """RFC 6962, 2.1: the hash of a leaf."""
    return hashlib.sha256(b"\x00" + body).digest()


def refuse_too_long(body: bytes) -> None:
    if len(body) > LONGEST:
        raise EntryTooLong(f"an entry of {len(body)} bytes: at most {LONGEST} can be exported")


def write(event: Event, seq: int, stream: str, version: int) -> tuple[Entry, list[Opening]]:
    """The entry for `event` at its place, and the openings of its sealed values.

    Raises EntryTooLong.
    """
    data: dict[str, Json] = {}
    openings = []
    for name in type(event).model_fields:
        value = getattr(event, name)
        if name in _LIFTED:
            continue
        data[name] = plain(value)
        if isinstance(value, Sealed) and value.salt is not None:
            text = canonical(value.open).decode()
            openings.append(Opening(name, value.salt, text))
    body = canonical(
        {
            "v": VERSION,
            "seq": seq,
            "at": event.at,
            "stream": stream,
            "version": version,
            "kind": event.kind,
            "actor": event.by,
            "data": data,
        }
    )
    refuse_too_long(body)
    return Entry(seq, stream, version, body), openings


def read(entry: Entry, openings: list[Opening]) -> Event:
    """The event of a stored entry. Raises LedgerBroken where bytes, place or an opening disagree."""
    try:
        said = json.loads(entry.body)
        place = (said["v"], said["seq"], said["stream"], said["version"])
        if place != (VERSION, entry.seq, entry.stream, entry.version):
            raise LedgerBroken(f"entry {entry.seq} says that it is {place}")
        data = said["data"]
        opened = {o.field: o for o in openings}
        for name, value in data.items():
            if isinstance(value, dict) and value.keys() == {"sealed"}:
                data[name] = _reopen(value["sealed"], opened.get(name), entry.seq)
        fields = data | {"at": said["at"], "by": said["actor"], "kind": said["kind"]}
        return _EVENT.validate_json(json.dumps(fields))
    except (ValueError, LookupError, TypeError, AttributeError) as e:
        raise LedgerBroken(f"entry {entry.seq} is not one that was ever written") from e


def _reopen(sealed: str, opening: Opening | None, seq: int) -> dict[str, Json]:
    if opening is None:  # erased; the commitment remains
        return {"commitment": sealed, "salt": None, "value": None}
    if commitment(opening.salt, opening.value.encode()) != sealed:
        raise LedgerBroken(f"entry {seq}: the value kept for {opening.field} is not the one sealed")
    return {"commitment": sealed, "salt": opening.salt, "value": json.loads(opening.value)}
