"""Values that may have to be erased one day, held in the ledger as salted commitments."""

import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Generic, TypeVar

from pydantic import BaseModel

from bot.core.value import Value

T = TypeVar("T", bound=Value)

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


_EXACT = 2**53  # from it on, integers are not the same to every reader of JSON
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


@cache
def _fields(kind: type[BaseModel]) -> tuple[str, ...]:
    return tuple(sorted(kind.model_fields))


def _utf16(item: tuple[str, Json]) -> bytes:
    return item[0].encode("utf-16-be")


def plain(value: object) -> Json:
    """`value` in JSON's own types, keys in RFC 8785's order and sets in order, so that the same
    value is always the same text.

    Raises TypeError for anything that has no exact JSON form, floats among it, and ValueError for
    integers from 2^53 on and for keys that are not Unicode.
    """
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | str():
            return value
        case int():
            if not -_EXACT < value < _EXACT:
                raise ValueError(f"{value} exceeds what every reader of JSON takes exactly")
            return value
        case Sealed():
            return {"sealed": value.commitment}
        case BaseModel():
            return {name: plain(getattr(value, name)) for name in _fields(type(value))}
        case Mapping():
            items = [(str(k), plain(v)) for k, v in value.items()]
            return dict(sorted(items, key=_utf16))
        case frozenset():
            return sorted((plain(v) for v in value), key=str)
        case list() | tuple():
            return [plain(v) for v in value]
        case _:
            raise TypeError(f"{type(value).__name__} has no exact JSON form")


def canonical(value: object) -> bytes:
    """The canonical bytes of `value` (RFC 8785). Raises as `plain` does, and ValueError for text
    that is not Unicode.

    With keys in order and neither floats nor great integers, the standard library's encoder writes
    what RFC 8785 asks for; the tests hold it to another implementation.
    """
    return _encode(plain(value)).encode()


class Sealed(Value, Generic[T]):
    """`sha256(salt ‖ canonical value)`, and the value and salt as long as they are kept."""

    commitment: str  # hex
    salt: str | None  # hex, 16 bytes
    value: T | None

    @property
    def open(self) -> T:
        """The value. Raises LookupError once it has been erased."""
        if self.value is None:
            raise LookupError("this value was erased; its commitment remains")
        return self.value

    @property
    def erased(self) -> "Sealed[T]":
        """What remains when value and salt are gone."""
        return self.model_copy(update={"salt": None, "value": None})


def commitment(salt: str, value: bytes) -> str:
    """The commitment to canonical bytes under a hex salt."""
    return hashlib.sha256(bytes.fromhex(salt) + value).hexdigest()


def seal(value: T, seed: str, label: str) -> Sealed[T]:
    """Seal `value` under a salt of its own, derived from a random `seed` (hex) and its label."""
    salt = hashlib.sha256(bytes.fromhex(seed) + label.encode()).hexdigest()[:32]
    # the class is parametrised at run time, so that what is read back equals what was written
    typed: type[Sealed[T]] = Sealed.__class_getitem__(type(value))  # type: ignore[assignment]
    return typed(commitment=commitment(salt, canonical(value)), salt=salt, value=value)


class Words(Value):
    """Free text, to be sealed."""

    text: str
