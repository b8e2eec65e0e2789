"""The entries of the trail as people read them: values opened, times in words, some things left out.

What is not given is told from what was never there: `sealed` names its commitment, as it stands in
the entry. So it is with what was erased, with what is left out at somebody's wish, and with what is
never given: what makes two Slack accounts one person, and who is who in another export.
"""

import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.ledger.entry import Opening, leaf_hash
from bot.store import erase
from bot.store.opened import Between, opened
from bot.store.tx import Tx

NEVER = frozenset({"identity", "names"})  # fields that no export for people opens


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry, as it is shown."""

    seq: int
    at: str  # ISO 8601, UTC, to the millisecond
    stream: str
    version: int
    kind: str
    actor: str
    data: dict[str, Any]  # None for a sealed value that is not given
    sealed: dict[str, str]  # the commitments (hex) of those
    leaf: str | None  # RFC 6962's hash (hex); None where it would give people away


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Whose values are not given: whole streams, and wherever they are named."""

    streams: frozenset[str] = field(default_factory=frozenset)
    named: re.Pattern[str] | None = None

    def hides(self, stream: str, opening: Opening) -> bool:
        if opening.field in NEVER or stream in self.streams:
            return True
        return self.named is not None and self.named.search(opening.value) is not None


class NoSuchSubject(Exception):
    """Nothing in the trail is about it. The text says so."""


def left_out(tx: Tx, subjects: tuple[str, ...]) -> LeftOut:
    """What is left out so that nothing is given of these subjects.

    Raises NoSuchSubject, and Several for a handle that several of them have, or had.
    """
    streams: set[str] = set()
    names: set[str] = set()
    for subject in subjects:
        found = erase.find(tx, subject)
        if not found.requests:
            raise NoSuchSubject(
                f"There is no request about {subject!r}. Give the account's id, platform:id or handle."
            )
        streams |= set(found.requests)
        names |= found.names
    if not names:
        return LeftOut()
    # as they stand in JSON, in any case; a shorter name within a longer word is another's
    spelled = sorted(
        {json.dumps(n, ensure_ascii=False)[1:-1] for n in names}, key=len, reverse=True
    )
    either = "|".join(map(re.escape, spelled))
    return LeftOut(frozenset(streams), re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE))


def shown(tx: Tx, between: Between, out: LeftOut) -> Iterator[Shown]:
    """Those entries, one after another."""
    for seq, body, openings in opened(tx, between):
        said = json.loads(body)
        given = {o.field: o.value for o in openings if not out.hides(said["stream"], o)}
        data, sealed = {}, {}
        for name, value in said["data"].items():
            if isinstance(value, dict) and value.keys() == {"sealed"}:
                if name in given:
                    data[name] = json.loads(given[name])
                    continue
                sealed[name] = value["sealed"]
                data[name] = None
            else:
                data[name] = value
        yield Shown(
            seq=seq,
            at=iso(said["at"]),
            stream=said["stream"],
            version=said["version"],
            kind=said["kind"],
            actor=said["actor"],
            data=data,
            sealed=sealed,
            leaf=leaf_hash(body).hex(),
        )


def iso(ms: int) -> str:
    """An instant to the millisecond, e.g. 2026-11-24T10:00:00.123Z."""
    at = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"
