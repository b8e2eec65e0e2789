"""What is being done, for the log: a task says it once, and each of its lines tells it."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

Said = Mapping[str, str | int]

_doing: ContextVar[Said] = ContextVar("doing", default=MappingProxyType({}))


def doing(**what: str | int) -> None:
    """From here on, this task and those that it begins are about `what`: `stream` and `seq` of an
    entry, the kind of an outbox row (`what`), the kind of a `delivery`. Ids and kinds only."""
    _doing.set({**_doing.get(), **what})


def done_now() -> Said:
    """What the present task said of itself."""
    return _doing.get()
