"""A transaction, as the scripts see it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]
Values = Mapping[str, object]  # of the parameters, by name


class Tx(Protocol):
    """One open transaction. Parameters are named, `:name`."""

    def query(self, sql: str, /, **params: object) -> list[Row]:
        """The rows that `sql` selects."""
        ...

    def each(self, sql: str, /, **params: object) -> Iterator[tuple[Any, ...]]:
        """The rows that `sql` selects, one after another, and never all at once."""
        ...

    def execute(self, sql: str, /, **params: object) -> int:
        """Run `sql`; how many rows it changed."""
        ...

    def execute_many(self, sql: str, rows: Sequence[Values], /) -> None:
        """Run `sql` once for each of `rows`, in their order."""
        ...


class Stale(Exception):
    """Somebody else was first: gather the facts again and decide again."""


class Duplicate(Exception):
    """This delivery was handled before; nothing is done."""


class StoreError(Exception):
    """The database cannot be used. The text says why and what to do."""
