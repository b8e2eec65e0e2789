"""The subject of a request, and what was known of it at a given moment."""

from enum import StrEnum

from bot.core.value import Value


class AccountState(StrEnum):
    """What a platform says of an account. What it does not say is `unknown`."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    ERASED = "erased"  # gone for good: it can be neither deactivated nor restored
    UNKNOWN = "unknown"


class SubjectId(Value):
    """An account by its platform's name and its immutable id there; never by its handle."""

    platform: str
    id: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.id}"


class Snapshot(Value):
    """The subject as looked up at `at` (ms). None in a field means that it is unknown."""

    subject: SubjectId
    handle: str
    at: int
    state: AccountState
    since: int | None = None  # ms; when it came into that state
    by: str | None = None  # who brought it there, as the platform names them
    display_name: str | None = None
    followers: int | None = None
    verified: bool | None = None
    created_at: int | None = None  # ms
    roles: frozenset[str] | None = None  # e.g. {"admin"}; empty: certainly none
    is_bot_itself: bool = False  # the account that this bot acts with
    legal_hold: bool | None = None
    profile_url: str | None = None  # configured platform's own page; shown, never fetched


class Observed(Value):
    """What was seen of the subject's state, on which surface, at `at` (ms)."""

    state: AccountState
    surface: str  # in words, e.g. "user-directory search"
    at: int
    by: str | None = None  # who did it, where the platform says
    key: str | None = None  # the order that did it, where the platform keeps idempotency keys
