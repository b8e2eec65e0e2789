"""Whose cosignatures make a checkpoint believed, after https://c2sp.org/tlog-policy.

```
witness  w1 VKEY URL
witness  w2 VKEY URL
witness  w3 VKEY URL
group    most 2 w1 w2 w3
quorum   most
```

Names are octets, as the format has it: they are compared as such, and shown as UTF-8.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from bot.ledger import checkpoint, cosignature, note
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.cosignature import CosignerKey
from bot.ledger.note import BadSignature, Note, NoteError, PublicKey

_BLANKS = re.compile(rb"[ \t]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NUMBER = re.compile(rb"[0-9]{1,9}")
_WRITTEN = {
    b"log": "log VKEY [URL]",
    b"witness": "witness NAME VKEY [URL]",
    b"group": "group NAME all|any|K MEMBER…",
    b"quorum": "quorum NAME|none",
}

K = TypeVar("K", CosignerKey, PublicKey)


class TrustError(ValueError):
    """This is no policy; the text names the line and the remedy."""


@dataclass(frozen=True, slots=True)
class Witness:
    name: str
    key: CosignerKey
    url: str | None
    line: int  # where it stands

    def enough(self, keys: Collection[CosignerKey]) -> tuple["Witness", ...] | None:
        return (self,) if self.key in keys else None

    def lacking(self, keys: Collection[CosignerKey]) -> list[str]:
        return [] if self.key in keys else [self.name]

    @property
    def all(self) -> tuple["Witness", ...]:
        return (self,)


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    needed: int
    members: tuple["Witness | Group", ...]

    def enough(self, keys: Collection[CosignerKey]) -> tuple[Witness, ...] | None:
        """As few as make it; they never overlap, since nothing is a member twice."""
        found = sorted(filter(None, (m.enough(keys) for m in self.members)), key=len)
        if len(found) < self.needed:
            return None
        return tuple(w for some in found[: self.needed] for w in some)

    def lacking(self, keys: Collection[CosignerKey]) -> list[str]:
        """What it still takes, in words, and under it what its groups take."""
        lacking = [m for m in self.members if m.enough(keys) is None]
        short = self.needed - (len(self.members) - len(lacking))
        if short <= 0:
            return []
        names = ", ".join(m.name for m in lacking)
        groups = (m for m in lacking if isinstance(m, Group))
        return [f"{short} more of {names}", *(said for g in groups for said in g.lacking(keys))]

    @property
    def all(self) -> tuple[Witness, ...]:
        return tuple(w for m in self.members for w in m.all)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that a policy is satisfied with."""

    head: Checkpoint
    when: dict[Witness, int]  # who of those that count cosigned it, and when (s since the epoch)


@dataclass(frozen=True, slots=True)
class Policy:
    logs: tuple[PublicKey, ...]  # none: the log is known from elsewhere
    witnesses: tuple[Witness, ...]
    quorum: Witness | Group | None  # None: no witness is asked for

    @property
    def counting(self) -> tuple[Witness, ...]:
        """The witnesses that the quorum is made of."""
        return () if self.quorum is None else self.quorum.all

    def enough(self, keys: Collection[CosignerKey]) -> tuple[Witness, ...] | None:
        """As few of those that cosigned as satisfy the policy; None where all of them do not."""
        return () if self.quorum is None else self.quorum.enough(keys)

    def satisfied(self, keys: Collection[CosignerKey]) -> bool:
        """Whether it is enough that these cosigned."""
        return self.enough(keys) is not None

    def missing(self, keys: Collection[CosignerKey]) -> str:
        """Who is missing besides these, in words; nothing where nobody is."""
        return "" if self.quorum is None else "; ".join(self.quorum.lacking(keys))

    def is_of_a_log(self, signed: Note) -> bool:
        """Whether one of the logs signed it, or none is named here; a log's key has its name."""
        head = checkpoint.parse(signed.text)
        logs = [key for key in self.logs if key.name == head.origin]
        if not self.logs:
            return True
        try:
            return bool(signed.signers(logs))
        except BadSignature:
            return False

    def judge(self, raw: bytes) -> Cosigned:
        """The checkpoint in these bytes, if it satisfies the policy.

        Raises NoteError where it is none, BadSignature where it does not, saying who is missing.
        """
        signed = note.parse(raw)
        head = checkpoint.parse(signed.text)
        if not self.is_of_a_log(signed):
            raise BadSignature(f"no log {head.origin} that the policy names signed it")
        found = cosignature.cosigners(signed, [w.key for w in self.counting])
        if missing := self.missing(found):
            raise BadSignature(
                f"it is cosigned by {len(found)} of {len(self.counting)} witnesses;"
                f" the policy asks for {missing}"
            )
        return Cosigned(head, {w: found[w.key] for w in self.counting if w.key in found})


def parse(raw: bytes) -> Policy:
    """The policy in a file. Raises TrustError."""
    reader = _Reader()
    for n, line in enumerate(raw.split(b"\n"), 1):
        reader.read(n, line)
    return reader.policy()


def demanding(raw: bytes) -> Policy:
    """The policy in a file, of those that ask for a witness. Raises TrustError."""
    found = parse(raw)
    if found.quorum is None:
        raise TrustError(
            "`quorum none` asks for no witness, so it would prove nothing: name a witness or a group"
        )
    return found


class _Reader:
    """The lines read so far."""

    def __init__(self) -> None:
        self._logs: dict[bytes, tuple[int, PublicKey]] = {}  # by key, with their lines
        self._keys: dict[bytes, int] = {}  # the lines of the witnesses' keys
        self._named: dict[bytes, tuple[int, Witness | Group]] = {}
        self._members: dict[bytes, int] = {}
        self._quorum: tuple[int, Witness | Group | None] | None = None

    def read(self, n: int, line: bytes) -> None:
        if found := _CONTROL.search(line):
            raise TrustError(
                f"line {n}: it has the control character 0x{found[0].hex()}; only tabs and Unix line"
                " ends may be there: take it out"
            )
        words = _BLANKS.split(line.strip(b" \t"))
        match words:
            case [word, *_] if not word or word.startswith(b"#"):
                return
            case [b"log", vkey, *url] if len(url) < 2:
                self._log(n, vkey)
            case [b"witness", name, vkey, *url] if len(url) < 2:
                self._witness(n, name, vkey, _said(url[0]) if url else None)
            case [b"group", name, k, *members] if members:
                self._group(n, name, k, members)
            case [b"quorum", name]:
                self._is_quorum(n, name)
            case [word, *_] if word in _WRITTEN:
                raise TrustError(
                    f"line {n}: write: {_WRITTEN[word]}; a comment stands on a line of its own"
                )
            case _:
                raise TrustError(
                    f"line {n}: {_said(words[0])!r} is none of log, witness, group, quorum; a comment"
                    " starts with #"
                )

    def policy(self) -> Policy:
        if self._quorum is None:
            raise TrustError("there is no quorum line: end with `quorum NAME`")
        named = (found for _, found in self._named.values())
        return Policy(
            tuple(key for _, key in self._logs.values()),
            tuple(found for found in named if isinstance(found, Witness)),
            self._quorum[1],
        )

    def _log(self, n: int, vkey: bytes) -> None:
        key = _key(n, vkey, PublicKey.read, "a log's, of type 0x01")
        if key.key in self._logs:
            raise TrustError(
                f"line {n}: this is the key of line {self._logs[key.key][0]}: keep one of them"
            )
        self._logs[key.key] = n, key

    def _witness(self, n: int, name: bytes, vkey: bytes, url: str | None) -> None:
        key = _key(n, vkey, CosignerKey.read, "a witness's, of type 0x04")
        if key.key in self._keys:
            raise TrustError(
                f"line {n}: this is the key of line {self._keys[key.key]}: one witness counts once,"
                " so keep one of them"
            )
        self._keys[key.key] = n
        self._name(n, name, Witness(_said(name), key, url, n))

    def _group(self, n: int, name: bytes, k: bytes, members: list[bytes]) -> None:
        if k == b"all":
            needed = len(members)
        elif k == b"any":
            needed = 1
        else:
            needed = int(k) if _NUMBER.fullmatch(k) else 0
        if not 1 <= needed <= len(members):
            raise TrustError(
                f"line {n}: {_said(k)!r} of {len(members)}: write all, any, or a number from 1 to"
                f" {len(members)}"
            )
        found = []
        for member in members:
            if member in self._members:
                raise TrustError(
                    f"line {n}: {_said(member)} is a member already in line"
                    f" {self._members[member]}: it counts once, so take it out of one of them"
                )
            found.append(self._known(n, member))
            self._members[member] = n
        self._name(n, name, Group(_said(name), needed, tuple(found)))

    def _is_quorum(self, n: int, name: bytes) -> None:
        if self._quorum is not None:
            raise TrustError(
                f"line {n}: there is a quorum already in line {self._quorum[0]}: keep one of them"
            )
        self._quorum = n, None if name == b"none" else self._known(n, name)

    def _known(self, n: int, name: bytes) -> Witness | Group:
        if name not in self._named:
            raise TrustError(
                f"line {n}: there is no {_said(name)} above: name a witness or a group that stands"
                " before this line"
            )
        return self._named[name][1]

    def _name(self, n: int, name: bytes, what: Witness | Group) -> None:
        if name == b"none":
            raise TrustError(f"line {n}: none stands for nobody: choose another")
        if name in self._named:
            raise TrustError(
                f"line {n}: {_said(name)} is a name already in line {self._named[name][0]}: choose"
                " another"
            )
        self._named[name] = n, what


def _key(n: int, vkey: bytes, read: Callable[[str], K], kind: str) -> K:
    try:
        return read(vkey.decode())
    except (NoteError, UnicodeDecodeError) as e:
        why = e if isinstance(e, NoteError) else "it is not UTF-8"
        raise TrustError(
            f"line {n}: this is no key (vkey): {why}. Copy {kind}, as its operator publishes it"
        ) from e


def _said(octets: bytes) -> str:
    return octets.decode(errors="backslashreplace")
