"""How much is measured, and what comes of it."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How much of everything is done."""

    rounds: int
    clicks: int  # a round, at one in flight; four times as many at sixteen
    approvals: int
    requests: int  # whole ones, for each of 16 clients
    churn: int
    starts: int
    entries: int  # verified in the trail


FULL = Size(
    rounds=7, clicks=60, approvals=40, requests=6, churn=10_000, starts=5, entries=1_000_000
)
QUICK = Size(rounds=2, clicks=8, approvals=3, requests=1, churn=60, starts=1, entries=50_000)


@dataclass(frozen=True)
class Row:
    what: str
    values: list[float]  # one for each round
    unit: str
    most: float | None = None  # the target
    least: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)
