"""What can be done to a subject, the order to do it, and what a platform answers."""

from enum import StrEnum
from typing import ClassVar

from bot.core.subject import AccountState, SubjectId
from bot.core.value import Value


class ActionKind(StrEnum):
    DEACTIVATE = "deactivate"
    RESTORE = "restore"


class Action:
    """An action type. Everything that depends on the type stands here, in one class each."""

    kind: ClassVar[ActionKind]
    restrictive: ClassVar[bool]  # takes something away: never with fewer than two people
    wanted: ClassVar[AccountState]  # the state that shows the effect
    verb: ClassVar[str]  # "Deactivate @handle"
    done: ClassVar[str]  # "@handle is deactivated"


class Deactivate(Action):
    """No access, nothing lost, reversible."""

    kind = ActionKind.DEACTIVATE
    restrictive = True
    wanted = AccountState.DEACTIVATED
    verb = "Deactivate"
    done = "deactivated"


class Restore(Action):
    """Undoes a deactivation; always easier than it."""

    kind = ActionKind.RESTORE
    restrictive = False
    wanted = AccountState.ACTIVE
    verb = "Restore"
    done = "restored"


ACTIONS: dict[ActionKind, type[Action]] = {a.kind: a for a in (Deactivate, Restore)}


class Reversibility(StrEnum):
    LOSSLESS = "lossless"
    LOSSY = "lossy"
    NONE = "none"


class Capability(Value):
    """How a platform does an action."""

    reversibility: Reversibility
    idempotent: bool  # the same order given twice has the effect of one
    expiry: bool = False  # the platform ends it by itself


class Order(Value):
    """Leave to act, once, on one subject. Only `decide` makes one; a platform takes nothing else."""

    key: str  # origin/R-n/round: the same across crashes, the platform's idempotency key
    action: ActionKind
    subject: SubjectId
    handle: str  # as approved; a platform that finds another one there refuses
    not_after: int  # ms; nothing is sent later


class Receipt(Value):
    """What the platform answered to an order at `at` (ms). An answer is not evidence of effect."""

    answer: str  # e.g. "PUT v2/users: 200"
    at: int


class Outcome(StrEnum):
    VERIFIED = "verified"
    ALREADY_OURS = "already so (ours)"
    ALREADY_OTHERS = "already so (somebody else's)"
    PARTIAL = "partial"
    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"
