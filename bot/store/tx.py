"""A transaction, as the scripts see it, and what runs them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from bot.store.shared_time import SharedTime

R = TypeVar("R")

Row = Mapping[str, Any]
Values = Mapping[str, object]  # of the parameters, by name


class Tx(Protocol):
    """One open transaction.

    Its SQL is what SQLite and PostgreSQL both understand. Parameters are named, `:name`. What stands
    in `/*pg … */` is for PostgreSQL alone; `INDEXED BY …` and `NOT INDEXED` are for SQLite alone.
    """

    kind: Literal["sqlite", "postgres"]
    damaged: tuple[type[Exception], ...]  # what reading raises where the database cannot be read

    def query(self, sql: str, /, **params: object) -> list[Row]:
        """The rows that `sql` selects."""
        ...

    def each(self, sql: str, /, **params: object) -> Iterator[tuple[Any, ...]]:
        """The rows that `sql` selects, one after another, and never all at once."""
        ...

    def execute(self, sql: str, /, **params: object) -> int:
        """Run `sql`; how many rows it changed."""
        ...

    def send(self, sql: str, /, **params: object) -> None:
        """Run `sql`, and do not wait for it: if it fails, something later raises, at the latest the
        end of the transaction."""
        ...

    def execute_many(self, sql: str, rows: Sequence[Values], /) -> None:
        """Run `sql` once for each of `rows`, in their order."""
        ...

    def damage(self) -> str | None:
        """What the database itself finds wrong with its files, if it can look."""
        ...


Script = Callable[[Tx], R]


class Store(Protocol):
    """The database, for a process that serves it."""

    @property
    def name(self) -> str:
        """What to call it, to people: no password in it."""
        ...

    @property
    def address(self) -> str:
        """As in DATABASE_URL; it may hold a password."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may serve it at the same time."""
        ...

    @property
    def time(self) -> SharedTime | None:
        """The time that all who serve it go by; None: the machine's."""
        ...

    @property
    def folder(self) -> Path | None:
        """Where files may lie that are as confidential as it; None: where the machine has such."""
        ...

    def pending(self) -> list[str]:
        """The names of the migrations that have not been applied."""
        ...

    def migrate(self) -> None:
        """Apply what is pending. Raises StoreError if the schema is of a newer version."""
        ...

    async def run(self, script: Script[R], durable: bool = True, alone: bool = True) -> R:
        """Run `script` in a transaction; what it raises undoes everything it did.

        Not `durable`: the end of this process it survives, but the machine's only once something
        durable was committed after it. It is for what is void after a restart anyway.
        Not `alone`: it writes nothing to the ledger, and may run beside others' transactions.
        Raises StoreError where the database cannot be used.
        """
        ...

    def run_now(self, script: Script[R]) -> R:
        """The same without an event loop."""
        ...

    async def look(self, script: Script[R]) -> R:
        """Run `script` on the database as it is at this moment, however long it takes: nobody waits
        for it. It can change nothing."""
        ...

    def look_now(self, script: Script[R]) -> R:
        """The same in this thread."""
        ...

    def close(self) -> None: ...


class Visit(Protocol):
    """A way into the database beside the processes that serve it: short transactions, long looks."""

    @property
    def name(self) -> str: ...

    @property
    def time(self) -> SharedTime | None: ...

    def run_now(self, script: Script[R]) -> R:
        """Run `script` in a transaction; what it raises undoes everything it did."""
        ...

    def look(self, script: Script[R]) -> R:
        """Run `script` on the database as it is at this moment, however long it takes.

        It keeps nobody from writing; it can change nothing, and whatever it raises is passed on.
        """
        ...

    def write_anew(self) -> None:
        """Write anew what values stood in, so that nothing that was deleted is left there. Raises
        StoreError where it could not be done, or not to the end."""
        ...

    def close(self) -> None: ...


class Stale(Exception):
    """Somebody else was first: gather the facts again and decide again."""


class Duplicate(Exception):
    """This delivery was handled before; nothing is done."""


class StoreError(Exception):
    """The database cannot be used. The text says why and what to do."""
