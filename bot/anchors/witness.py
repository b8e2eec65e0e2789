"""The anchor that is a set of witnesses, after https://c2sp.org/tlog-witness.

A witness remembers of each log the largest head that it has seen, and cosigns only what that is the
beginning of. A policy file (https://c2sp.org/tlog-policy) says who they are, and how many it takes.
They keep no checkpoints for others to fetch: the cosigned one is kept here, and cannot be forged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.anchors.witness_http import Answer, Http, NoAnswer, flaw
from bot.ledger import checkpoint, cosignature, note
from bot.ledger.checkpoint import Checkpoint, number
from bot.ledger.note import SIGNATURES, Note, NoteError, Signature, rebase64
from bot.ledger.trust import Policy, TrustError, Witness, demanding
from bot.ports import AnchorError, Clock, Consistency, Contradicted, Published, SeenMore

NAME = "witness"
LOG_SIGNATURES = 2  # that a checkpoint has before any cosignature, while a key is changed
_TRIES = 3  # somebody else may be telling a witness of the same log
_SIZE = "text/x.tlog.size"

T = TypeVar("T")


class Settings(BaseSettings):
    """`ANCHOR_WITNESS_POLICY`: the file that says who the witnesses are, and how many it takes."""

    model_config = SettingsConfigDict(
        env_prefix="ANCHOR_WITNESS_", frozen=True, env_ignore_empty=True
    )

    policy: Path

    @field_validator("policy")
    @classmethod
    def _can_be_asked(cls, path: Path) -> Path:
        _read(path)
        return path


def create(clock: Clock) -> "Witnesses":
    """The witnesses that the environment names; pydantic's ValidationError if it names none."""
    return Witnesses(_read(Settings().policy))


def _read(path: Path) -> Policy:
    """The policy, if every witness that counts can be asked. Raises ValueError."""
    try:
        policy = demanding(path.read_bytes())
    except OSError as e:
        raise ValueError(f"{path}: {e.strerror}") from e
    except TrustError as e:
        raise ValueError(f"{path}: {e}") from e
    for witness in policy.counting:
        where = f"{path}: line {witness.line}: {witness.name}"
        if witness.url is None:
            raise ValueError(f"{where} has no address to ask it at: write it after the key")
        if wrong := flaw(witness.url):
            raise ValueError(f"{where} cannot be asked: {wrong}")
    least = policy.enough([w.key for w in policy.counting]) or ()
    if len(least) > SIGNATURES - LOG_SIGNATURES:
        raise ValueError(
            f"{path}: it takes {len(least)} witnesses, and a checkpoint has room for"
            f" {SIGNATURES - LOG_SIGNATURES}: ask for fewer"
        )
    return policy


class _Peer:
    """A witness, and how much of this log it has cosigned as far as is known."""

    def __init__(self, witness: Witness, http: Http) -> None:
        assert witness.url is not None
        self.witness = witness
        self._url = f"{witness.url.rstrip('/')}/add-checkpoint"
        self._http = http
        self._seen = 0

    async def cosign(self, head: Checkpoint, signed: bytes, since: Consistency) -> Signature:
        """Its cosignature. Raises NoAnswer, and Contradicted where it has seen another log."""
        for _ in range(_TRIES):
            old = self._seen if self._seen <= head.size else 0
            proof = [] if old in (0, head.size) else await since(old)
            told = await self._ask(old, proof, head, signed)
            if isinstance(told, Signature):
                return told
            if told > head.size:
                raise Contradicted(
                    f"witness {self.witness.name} has seen {told} entries of this log, and here are"
                    f" {head.size}: it was set back"
                )
        raise NoAnswer("it tells of another size each time that it is asked")

    async def confirm(self, head: Checkpoint, kept: bytes) -> None:
        """Whether it has seen nothing newer. Raises NoAnswer, Contradicted, SeenMore."""
        told = await self._ask(head.size, [], head, kept)
        if isinstance(told, int) and told > head.size:
            raise SeenMore(
                f"witness {self.witness.name} has seen {told} entries of this log, and the"
                f" checkpoint that is kept here is over {head.size}",
                told,
            )

    async def _ask(
        self, old: int, proof: Sequence[bytes], head: Checkpoint, signed: bytes
    ) -> Signature | int:
        """Its cosignature, or the size that it has seen, which is not `old`."""
        lines = [f"old {old}", *map(rebase64, proof), ""]
        answer = await self._http.post(self._url, "\n".join(lines).encode() + b"\n" + signed)
        if answer.status == 200:
            signature = self._cosignature(answer.body, note.parse(signed).text)
            self._seen = head.size
            return signature
        if answer.status == 409:
            told = _size(answer)
            if old and old == head.size and told in (None, old):
                raise self._another(old)
            if told is None:
                raise NoAnswer("its answer (409) does not say what it has seen")
            if told == old:
                raise NoAnswer("its answer (409) contradicts itself")
            self._seen = told
            return told
        if answer.status == 422 and old:
            raise self._another(old)
        raise NoAnswer(_why(answer.status))

    def _another(self, size: int) -> Contradicted:
        return Contradicted(
            f"witness {self.witness.name} has seen other entries than the first {size} of this log:"
            " it was rewritten, or it is another log of this name"
        )

    def _cosignature(self, body: bytes, text: bytes) -> Signature:
        """Its own, out of an answer that may have others. Raises NoAnswer."""
        key = self.witness.key
        try:
            found = note.parse(text + b"\n" + body)
        except NoteError:
            found = None
        if found is None or found.text != text:
            raise NoAnswer("its answer is not understood")
        own = [s for s in found.signatures if (s.name, s.id) == (key.name, key.id)]
        if not own:
            raise NoAnswer("its answer has no cosignature by the key that the policy names")
        if any(key.cosigned(text, s.value) is None for s in own):
            raise NoAnswer("its cosignature is not over this checkpoint")
        return own[0]


def _size(answer: Answer) -> int | None:
    """What an answer of 409 says that was seen, if it says so."""
    line = answer.body.decode(errors="replace")
    if answer.type != _SIZE or not line.endswith("\n"):
        return None
    try:
        return number(line[:-1])
    except NoteError:
        return None


def _why(status: int) -> str:
    """What an answer of no use means."""
    if status in (403, 404):
        return (
            f"it does not know this log, or not its key ({status}): give its operator the origin and"
            " the vkey"
        )
    if status == 400:
        return "it does not understand us (400)"
    if 300 <= status < 400:
        return f"it redirects ({status}), which is not followed: correct its address"
    if status == 429 or status >= 500:
        return f"it is busy, or has a fault of its own ({status})"
    return f"its answer ({status}) is not understood"


class _Told(NamedTuple, Generic[T]):
    """What the witnesses said."""

    answers: dict[Witness, T]
    silent: dict[Witness, str]  # and why


class Witnesses:
    """An Anchor."""

    name = NAME
    weak = None

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._http = Http()
        self._peers = [_Peer(witness, self._http) for witness in policy.counting]
        self._one = asyncio.Lock()  # a head that overtook another would look like a log set back

    async def publish(self, head: Checkpoint, signed: bytes, since: Consistency) -> Published:
        found = note.parse(signed)
        if not self._policy.is_of_a_log(found):
            raise AnchorError(
                f"no key that the policy of the witnesses names signed this checkpoint of"
                f" {head.origin}: its `log` lines have to have this log's vkey, or none be there"
            )
        async with self._one:
            told = await self._each(lambda peer: peer.cosign(head, signed, since))
        keys = [witness.key for witness in told.answers]
        enough = self._policy.enough(keys)
        if enough is None:
            whys = "; ".join(f"{w.name}: {why}" for w, why in told.silent.items())
            raise AnchorError(
                f"{len(keys)} of {len(self._peers)} witnesses cosigned, and the policy asks for"
                f" {self._policy.missing(keys)} ({whys})"
            )
        taken = self._room(found, enough, told.answers)
        cosigned = note.write(found.text, [*found.signatures, *taken])
        return Published(cosigned, f"{len(taken)} of {len(self._peers)} witnesses")

    async def latest(self, kept: bytes | None) -> Sequence[bytes]:
        if kept is None:
            return ()
        try:
            found = note.parse(kept)
            head = checkpoint.parse(found.text)
            keys = cosignature.cosigners(found, [w.key for w in self._policy.counting])
        except NoteError as e:
            raise AnchorError(f"what is kept here is no cosigned checkpoint: {e}") from e
        async with self._one:
            told = await self._each(lambda peer: peer.confirm(head, kept))
        if not told.answers:
            whys = "; ".join(f"{w.name}: {why}" for w, why in told.silent.items())
            raise AnchorError(f"no witness says whether there is a newer checkpoint ({whys})")
        satisfied = self._policy.is_of_a_log(found) and self._policy.satisfied(keys)
        return (kept,) if satisfied else ()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _each(self, ask: Callable[[_Peer], Awaitable[T]]) -> _Told[T]:
        """Ask all at once. Raises Contradicted before SeenMore, and what else one raises."""
        told: _Told[T] = _Told({}, {})
        found = await asyncio.gather(*map(ask, self._peers), return_exceptions=True)
        wrong: list[BaseException] = []
        for peer, said in zip(self._peers, found, strict=True):
            if isinstance(said, NoAnswer):
                told.silent[peer.witness] = str(said)
            elif isinstance(said, BaseException):
                wrong.append(said)
            else:
                told.answers[peer.witness] = said
        contradicted = [e for e in wrong if isinstance(e, Contradicted)]
        if contradicted:
            raise Contradicted("; ".join(map(str, contradicted)))
        more = [e for e in wrong if isinstance(e, SeenMore)]
        if more:
            raise max(more, key=lambda e: e.size)
        for e in wrong:
            raise e
        return told

    def _room(
        self, found: Note, enough: Sequence[Witness], cosigned: dict[Witness, Signature]
    ) -> list[Signature]:
        """The cosignatures that a note has room for: those that it takes, then the others."""
        room = SIGNATURES - len(found.signatures)
        if len(enough) > room:
            raise AnchorError(f"it takes {len(enough)} cosignatures, and there is room for {room}")
        others = [witness for witness in cosigned if witness not in enough]
        return [cosigned[witness] for witness in [*enough, *others][:room]]
