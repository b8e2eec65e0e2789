"""Names for the people in one export, so that nobody has to fear its readers.

A person has one name in it, everywhere; another export gives others. The numbers come from an order
that a secret makes, which is thrown away with it: they say nothing of ids, nor of who came first.
What would let a reader try out ids is taken away too: leaf hashes, and digests that cover ids. Lists
of people stand in the order of their names, since that of their ids would tell.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.audit.people import Shown
from bot.core.commands import HOST, WORKER

ROLES = ("reviewer", "agent", "manager", "person", "host")  # the first that somebody has, counts
_MENTION = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>", re.IGNORECASE)
_ASKED = re.compile(r"\b(?:by|reviewer):\s*\"?([UW][A-Z0-9]{2,20})", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=")
_NAME = rf"(?:{'|'.join(ROLES)})-[0-9]+"
_SEVERAL = re.compile(rf"{_NAME}(?:, {_NAME})+")
_REVIEWERS_ACTS = frozenset({"Approved", "Retracted", "Vetoed", "SettlementProposed"})
_QUERIES = frozenset({"Queried", "Exported"})
_AGENTS_ACTS = frozenset({"Filed", "Withdrawn"})


def names(entries: Iterable[Shown], secret: bytes) -> dict[str, str]:
    """The name of everybody in these entries, by id; the same for the same secret (32 bytes)."""
    roles: dict[str, set[str]] = {}
    for entry in entries:
        for id, role in _people(entry):
            roles.setdefault(id, set()).add(role)
    found: dict[str, str] = {}
    for role in ROLES:
        those = [id for id, had in roles.items() if role == min(had, key=ROLES.index)]
        those.sort(key=lambda id: _keyed(secret, f"person {id}"))
        found |= {id: f"{role}-{n}" for n, id in enumerate(those, 1)}
    return found


def _people(entry: Shown) -> Iterator[tuple[str, str]]:
    """Who stands in an entry, and as what."""
    actor, data = entry.actor, entry.data
    if actor.startswith(HOST):
        yield actor, "host"
    elif actor != WORKER:
        acts = entry.kind in _AGENTS_ACTS
        yield actor, "agent" if acts else "reviewer" if entry.kind in _REVIEWERS_ACTS else "manager"
    if entry.kind == "Filed":
        for _, members in data["electorate"]:
            yield from ((id, "reviewer") for id in members)
    elif entry.kind == "QuorumReached":
        yield from ((id, "reviewer") for id in data["counted"])
    elif entry.kind == "PolicyAdopted" and data["policy"] is not None:
        people = data["policy"]["people"]
        listed = [("agent", people["agents"]), ("manager", people["managers"])]
        listed += [("reviewer", group) for group in people["reviewers"].values()]
        for role, group in listed:
            yield from ((id, role) for id in group["users"] or ())
    for text in _texts(data):
        if "<@" in text:
            yield from ((id.upper(), "person") for id in _MENTION.findall(text))
        if entry.kind in _QUERIES:
            yield from ((id.upper(), "person") for id in _ASKED.findall(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


class Masks:
    """Puts the names in the place of the ids, wherever these stand."""

    def __init__(self, named: Mapping[str, str], secret: bytes) -> None:
        self._named = named
        self._secret = secret
        self._lengths = sorted({len(id) for id in named}, reverse=True)
        initials = "".join(sorted({id[0] for id in named if not id.startswith(HOST)}))
        self._starts = re.compile(f"[{initials}]", re.IGNORECASE) if initials else None

    def masked(self, entry: Shown) -> Shown:
        return replace(
            entry,
            actor=self._named.get(entry.actor, entry.actor),
            data={name: self._value(value) for name, value in entry.data.items()},
            leaf=None,
        )

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(key): self._value(one) for key, one in value.items()}
        if isinstance(value, list):
            masked = [self._value(one) for one in value]
            people = bool(value) and all(isinstance(v, str) and v in self._named for v in value)
            return sorted(masked) if people else masked
        return value

    def _text(self, text: str) -> str:
        if _DIGEST.fullmatch(text):
            return _keyed(self._secret, f"digest {text}").hex()
        masked = text
        if "<@" in text:
            masked = _MENTION.sub(lambda found: self._named[found[1].upper()], text)
        masked = self._without_ids(masked)
        if masked == text:
            return text
        return _SEVERAL.sub(lambda found: ", ".join(sorted(found[0].split(", "))), masked)

    def _without_ids(self, text: str) -> str:
        """With every id replaced, within words too: a part of one would tell as well."""
        if self._starts is None:
            return text
        made, at = [], 0
        for start in self._starts.finditer(text):
            here = start.start()
            if here < at:
                continue
            for length in self._lengths:
                name = self._named.get(text[here : here + length].upper())
                if name is not None:
                    made += [text[at:here], name]
                    at = here + length
                    break
        return "".join([*made, text[at:]])


def _keyed(secret: bytes, text: str) -> bytes:
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()
