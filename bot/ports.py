"""What others implement: the protocols between the bot and the world outside it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from enum import StrEnum
from typing import NamedTuple, Protocol

from bot.core.actions import ActionKind, Capability, Order, Receipt
from bot.core.facts import Person
from bot.core.subject import Observed, Snapshot, SubjectId
from bot.ledger.checkpoint import Checkpoint


class Clock(Protocol):
    """The one source of time. An instant is an integer: milliseconds since the Unix epoch, UTC."""

    def now(self) -> int: ...

    async def wait(self, until: int | None, wake: asyncio.Event) -> None:
        """Return when `until` has come or `wake` is set, whichever is first; None: only `wake`."""
        ...


class Fate(StrEnum):
    """What can have become of a call that went wrong."""

    NOT_SENT = "not sent"  # certainly nothing happened; it may be tried again
    REFUSED = "refused"  # the platform understood, and said no; nothing happened
    UNCLEAR = "unclear"  # it may have happened


class PlatformError(Exception):
    """A platform did not do, or did not say, what was asked. Its text is for the people concerned."""

    def __init__(self, text: str, fate: Fate, retry_after_ms: int | None = None) -> None:
        super().__init__(text)
        self.fate = fate
        self.retry_after_ms = retry_after_ms


class Platform(Protocol):
    """A platform whose accounts can be acted on. Every method but `aclose` may raise PlatformError.

    Looking never changes anything there. Addresses come from configuration only, redirects are
    not followed, sizes and times are capped.
    """

    name: str
    capabilities: Mapping[ActionKind, Capability]
    facts: frozenset[str]  # names of the Snapshot fields that it can supply, beyond the required

    async def find(self, handle: str) -> Snapshot | None:
        """The account with this handle now; None if there is none. An id is never taken for one."""
        ...

    async def fetch(self, subject: SubjectId) -> Snapshot | None:
        """The account with this immutable id; None if there is none."""
        ...

    async def lookalikes(self, handle: str) -> Sequence[Snapshot]:
        """Accounts whose handles could be taken for this one, as far as the platform can search."""
        ...

    async def apply(self, order: Order) -> Receipt:
        """Carry out `order`. Nothing is sent after `order.not_after`; `order.key` makes it once."""
        ...

    async def observe(self, subject: SubjectId) -> Observed:
        """The subject's state, seen through another surface than `apply` writes to."""
        ...

    async def aclose(self) -> None: ...


class DirectoryError(Exception):
    """The directory could not be read; the text says why."""


class Directory(Protocol):
    """People and groups as Slack knows them now. Every method may raise DirectoryError."""

    async def person(self, id: str) -> Person: ...

    async def members(self, usergroup: str) -> frozenset[str]:
        """The ids of the people in a Slack user group."""
        ...

    async def channel_flaw(self, channel: str) -> str | None:
        """Why decisions must not rest on this channel (archived, shared, without the bot); or None."""
        ...


class AnchorError(Exception):
    """An anchor did not take a checkpoint, or could not be read; the text says why, to people."""


class Contradicted(AnchorError):
    """What an anchor has seen and this log cannot both be: the log was set back, or is another one.

    Trying again cannot help: somebody has to look.
    """


class SeenMore(AnchorError):
    """An anchor has seen a larger log than the checkpoint that is kept here of it is over.

    A log that has that many entries only lost the anchor's answer, and publishing anew mends it;
    one that has fewer was set back.
    """

    def __init__(self, text: str, size: int) -> None:
        super().__init__(text)
        self.size = size


class Published(NamedTuple):
    """A checkpoint that an anchor keeps."""

    signed: bytes  # as it is kept: with whatever signatures the anchor added
    place: str  # where it is, for people


Consistency = Callable[[int], Awaitable[list[bytes]]]  # that the log of that size is its beginning


class Anchor(Protocol):
    """Somebody who keeps checkpoints where the log's owner cannot quietly change them. Every method
    but `aclose` may raise AnchorError."""

    @property
    def name(self) -> str: ...

    @property
    def weak(self) -> str | None:
        """Why what it keeps proves less than what others keep; None: it does not."""
        ...

    async def publish(self, head: Checkpoint, signed: bytes, since: Consistency) -> Published:
        """Have a checkpoint kept. The same one again does no harm."""
        ...

    async def latest(self, kept: bytes | None) -> Sequence[bytes]:
        """What may be the newest signed checkpoint that it keeps, the likeliest first; none where it
        has none. Others may write there too: it is the caller who believes signatures only.

        `kept` is what it last gave us, for those who give nothing back; they raise SeenMore where
        they know of more.
        """
        ...

    async def aclose(self) -> None: ...


class Rate(NamedTuple):
    """So many messages at once, and then one every `every` ms."""

    burst: int
    every: int


class Behind(NamedTuple):
    """A row of a reply that waits right behind another of its request: one message can tell both."""

    id: int
    key: str
    seq: int
    wanted: int  # how often it was asked for
    fence: int


class Post(NamedTuple):
    """Where a message stands in Slack."""

    channel: str
    ts: str
    also: Sequence[Behind] = ()  # the rows behind its own that it tells of too


Nudge = Callable[[str], Awaitable[None]]  # look at this request at once


class NotDelivered(Exception):
    """A message was not delivered; the text says why."""

    def __init__(
        self,
        text: str,
        *,
        retry_after_ms: int = 0,
        final: bool = False,
        unclear: bool = False,
        busy: bool = False,
        held: bool = False,
    ) -> None:
        super().__init__(text)
        self.retry_after_ms = retry_after_ms
        self.busy = busy  # nothing is wrong: it is only not its turn
        self.held = held  # it comes right when somebody changes something at Slack
        self.final = final  # trying again cannot help
        self.unclear = unclear  # it may be there: look for it before posting anew


def _always() -> bool:
    return True


STILL_OURS: ContextVar[Callable[[], bool]] = ContextVar("STILL_OURS", default=_always)


def refuse_late() -> None:
    """Whoever delivers calls it right before each thing that is sent. Raises NotDelivered once the
    row may be another process's: after a freeze, what is there already goes before any time-out."""
    if not STILL_OURS.get()():
        raise NotDelivered("this took longer than the lease")


class Messenger(Protocol):
    """Whoever tells people what happened."""

    rates: Mapping[str, Rate]  # at which it takes messages, by the kind of place; else at any

    async def deliver(
        self, key: str, stream: str, seq: int, what: str, to: str, look: bool
    ) -> Post | None:
        """Bring one outbox row to Slack; raises NotDelivered.

        `key` marks the message, so that it can be found again; `look`: it may be there already.
        None: there was nothing to tell.
        """
        ...
