"""The time that the processes on one PostgreSQL database go by.

It is the database's clock, less what it is held back by: a machine's clock can be set, and a cool-off
must not end because of that. Whoever sees it jump against their own clock, which counts from the boot
and is never set, changes by how much it is held back, for all of them and in the transaction in which
they saw it. Processes that were all stopped at the time cannot see it, and only never let it go back.
"""

import time
from collections.abc import Callable

JUMP = 2_000  # ms by which the clocks have to differ at once; slower changes are followed
SLOW = 500  # ms


def up() -> int:
    """How old this boot of the machine is (ms): a clock that is never set, and goes on while the
    machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class SharedTime:
    """One process's view of it. Instants in ms."""

    def __init__(self, up: Callable[[], int] = up) -> None:
        self._up = up
        self._at: int | None = None
        self._then = 0

    def now(self) -> int:
        assert self._at is not None, "nothing was heard yet"
        return self._at + self._up() - self._then

    def hear(self, clock: int, held_back: int, known: int, took: int = 0) -> int:
        """The database's clock says `clock`, and is held back by `held_back` (which may be negative)
        so far; `known` is an instant that was reached already. By how much it has to be held back.

        What took longer than SLOW to be heard (`took`, ms), as by a process that was frozen meanwhile,
        is no measure: then it goes by what it heard before.
        Where others have lived through the time that seems to be missing, it is this process that
        stood still, as in a machine that was paused.
        """
        if took > SLOW and self._at is not None:
            if known > self.now():  # the ledger's time never goes back
                self._at, self._then = known, self._up()
            return held_back
        said = clock - held_back
        here = said if self._at is None else self.now()
        if (said - here > JUMP and known <= here + JUMP) or here - said > JUMP:
            said = here
        if known - said > JUMP:
            said = known
        self._at, self._then = max(said, known), self._up()
        return clock - said
