"""What is asked. `by` is the Slack user id of who asks, `worker`, or on the command line `host:` and
the name of the user of the machine."""

from dataclasses import dataclass

from bot.core.actions import ActionKind, Outcome, Receipt
from bot.core.events import Format, Grounds
from bot.core.policy import Policy
from bot.core.reasons import ReasonCode
from bot.core.subject import Observed, SubjectId

WORKER = "worker"
HOST = "host:"


@dataclass(frozen=True, slots=True)
class File:
    by: str
    action: ActionKind
    subject: SubjectId
    reason: ReasonCode
    grounds: Grounds


@dataclass(frozen=True, slots=True)
class Approve:
    by: str
    request: str
    round: int
    digest8: str  # of the digest that was on the card, the first eight characters


@dataclass(frozen=True, slots=True)
class Retract:
    by: str
    request: str


@dataclass(frozen=True, slots=True)
class Veto:
    by: str
    request: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    by: str
    request: str


@dataclass(frozen=True, slots=True)
class Recheck:
    request: str
    by: str = WORKER


@dataclass(frozen=True, slots=True)
class Start:
    request: str
    by: str = WORKER


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the effect; `receipt` if anything was answered."""

    outcome: Outcome
    receipt: Receipt | None
    observed: Observed | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The platform understood and said no."""

    why: str


@dataclass(frozen=True, slots=True)
class NothingHappened:
    """Certainly nothing reached the platform, or nothing came of it."""

    why: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """It may have happened, and cannot be seen yet."""

    why: str


Finding = Seen | Refusal | NothingHappened | Unclear


@dataclass(frozen=True, slots=True)
class Record:
    request: str
    attempt: int  # whose finding it is; another attempt's is refused
    finding: Finding
    by: str = WORKER


@dataclass(frozen=True, slots=True)
class Expire:
    request: str
    by: str = WORKER


@dataclass(frozen=True, slots=True)
class Restore:
    by: str
    request: str  # the one to undo
    reason: str


@dataclass(frozen=True, slots=True)
class Settle:
    by: str
    request: str
    took_effect: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Query:
    by: str
    text: str
    answered: int
    mine: bool = False  # of what they filed or decided on, and nothing else
    export: bool = False  # it asks for a file


@dataclass(frozen=True, slots=True)
class Export:
    """A file was made; see `Exported`. `names`: who stands behind the names in it, if it has some."""

    by: str
    text: str  # what was asked
    format: Format
    since: int | None
    until: int | None
    size: int
    root: str
    entries: int
    digest: str
    names: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Unmask:
    by: str
    export: int  # the seq of its Exported
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class AdoptPolicy:
    """`policy` was read and differs from the one adopted last, if one was."""

    policy: Policy
    first: bool = False
    by: str = WORKER


@dataclass(frozen=True, slots=True)
class Erase:
    """Let what stands sealed in a request be gone; only from the command line."""

    by: str
    request: str
    reason: str


@dataclass(frozen=True, slots=True)
class SetBack:
    """The trail was set back to an older state: what of a request was still to run must not, since
    a veto may be lost with the rest. Only from the command line."""

    by: str
    request: str
    why: str


@dataclass(frozen=True, slots=True)
class EraseQueries:
    """The same for the texts of recorded queries, by the seq of their entries."""

    by: str
    entries: tuple[int, ...]
    reason: str


RequestCommand = (
    File
    | Approve
    | Retract
    | Veto
    | Withdraw
    | Recheck
    | Start
    | Record
    | Expire
    | Restore
    | Settle
    | Erase
    | SetBack
)
Command = RequestCommand | Query | AdoptPolicy | EraseQueries | Export | Unmask
