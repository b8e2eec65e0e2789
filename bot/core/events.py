"""What happened. Only `decide` makes these; the ledger keeps them; `evolve` folds them."""

from typing import Annotated, Literal

from pydantic import Field

from bot.core.actions import ActionKind, Order, Outcome, Receipt
from bot.core.policy import Policy
from bot.core.reasons import ReasonCode
from bot.core.sealed import Sealed, Words
from bot.core.subject import Observed, Snapshot, SubjectId
from bot.core.terms import Terms
from bot.core.value import Value

Format = Literal["jsonl", "csv", "tiles", "openings"]  # of an export
Electorate = tuple[tuple[str, tuple[str, ...]], ...]  # (group, its members), both in order


class Grounds(Value):
    """What the requester says: never a source of the terms."""

    what_happened: str
    clause: str = ""
    evidence: tuple[str, ...] = ()  # links; stored, shown as text, never fetched
    ticket: str = ""


class Identity(Value):
    """What makes two Slack accounts one person. It only ever merges; it grants nothing."""

    keys: frozenset[str] = frozenset()  # e.g. "email:…", "grid:…"


class Happened(Value):
    """`at` in ms; `by` as in a command."""

    at: int
    by: str


class Filed(Happened):
    kind: Literal["Filed"] = "Filed"
    request: str
    action: ActionKind
    reason: ReasonCode
    subject: Sealed[SubjectId]
    snapshot: Sealed[Snapshot]
    grounds: Sealed[Grounds]
    terms: Terms
    electorate: Electorate  # who could review at filing
    identity: Sealed[Identity]
    digest: str
    undoes: str | None = None


class Approved(Happened):
    kind: Literal["Approved"] = "Approved"
    digest: str
    groups: tuple[str, ...]  # held at the click
    identity: Sealed[Identity]


class QuorumReached(Happened):
    kind: Literal["QuorumReached"] = "QuorumReached"
    counted: tuple[str, ...]


class Retracted(Happened):
    kind: Literal["Retracted"] = "Retracted"


class QuorumLost(Happened):
    kind: Literal["QuorumLost"] = "QuorumLost"


class Vetoed(Happened):
    kind: Literal["Vetoed"] = "Vetoed"
    reason: Sealed[Words]


class Withdrawn(Happened):
    kind: Literal["Withdrawn"] = "Withdrawn"


class Reopened(Happened):
    kind: Literal["Reopened"] = "Reopened"
    why: Sealed[Words]
    snapshot: Sealed[Snapshot]
    terms: Terms
    digest: str


class Lapsed(Happened):
    kind: Literal["Lapsed"] = "Lapsed"
    why: Sealed[Words]


class Expired(Happened):
    kind: Literal["Expired"] = "Expired"
    phase: Literal["open", "ready"]


class ExecutionStarted(Happened):
    kind: Literal["ExecutionStarted"] = "ExecutionStarted"
    attempt: int
    order: Sealed[Order]
    before: Sealed[Snapshot]  # the state seen before


class Executed(Happened):
    kind: Literal["Executed"] = "Executed"
    outcome: Outcome
    receipt: Sealed[Receipt] | None
    observed: Sealed[Observed] | None


class ExecutionFailed(Happened):
    kind: Literal["ExecutionFailed"] = "ExecutionFailed"
    why: Sealed[Words]


class AttemptEnded(Happened):
    kind: Literal["AttemptEnded"] = "AttemptEnded"
    why: Sealed[Words]


class ExecutionUnknown(Happened):
    kind: Literal["ExecutionUnknown"] = "ExecutionUnknown"
    why: Sealed[Words]


class SettlementProposed(Happened):
    kind: Literal["SettlementProposed"] = "SettlementProposed"
    took_effect: bool
    reason: Sealed[Words]
    identity: Sealed[Identity]


class Queried(Happened):
    """Somebody asked the trail something; stream `audit`."""

    kind: Literal["Queried"] = "Queried"
    query: Sealed[Words]
    answered: int  # how many requests the answer named
    export: bool = False  # a file was asked for, which is made once this stands


class PolicyAdopted(Happened):
    """A policy was read that differs from the one before; stream `policy`."""

    kind: Literal["PolicyAdopted"] = "PolicyAdopted"
    digest: str
    policy: Sealed[Policy]
    changes: Sealed[Words]
    effective: int  # ms


class Erased(Happened):
    """What stands sealed in the entries of its request before this one is gone, but for what tells
    apart those who decided. The reason stays."""

    kind: Literal["Erased"] = "Erased"
    reason: Sealed[Words]


class QueriesErased(Happened):
    """The texts of these queries are gone, by the seq of their entries; stream `audit`."""

    kind: Literal["QueriesErased"] = "QueriesErased"
    entries: tuple[int, ...]
    reason: Sealed[Words]


class Names(Value):
    """Who stands behind the names of a pseudonymised export: (name, person)."""

    people: tuple[tuple[str, str], ...]


class Exported(Happened):
    """A file was made of the trail, for somebody to have; stream `audit`.

    `size` and `root` say of which trail, `digest` is the file's SHA-256 (hex).
    """

    kind: Literal["Exported"] = "Exported"
    query: Sealed[Words]
    format: Format
    since: int | None  # ms; of the entries in it
    until: int | None
    size: int
    root: str  # base64, as in a checkpoint
    entries: int  # how many are in it
    digest: str
    names: Sealed[Names] | None = None  # pseudonymised: who is who


class Unmasked(Happened):
    """Somebody was told who stands behind a name in an export; stream `audit`."""

    kind: Literal["Unmasked"] = "Unmasked"
    export: int  # the seq of its Exported
    name: str
    reason: Sealed[Words]


RequestEvent = (
    Filed
    | Approved
    | QuorumReached
    | Retracted
    | QuorumLost
    | Vetoed
    | Withdrawn
    | Reopened
    | Lapsed
    | Expired
    | ExecutionStarted
    | Executed
    | ExecutionFailed
    | AttemptEnded
    | ExecutionUnknown
    | SettlementProposed
    | Erased
)
Event = RequestEvent | Queried | PolicyAdopted | QueriesErased | Exported | Unmasked
AnyEvent = Annotated[Event, Field(discriminator="kind")]
