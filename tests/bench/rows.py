"""How much is measured, and what comes of it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


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
    asked: int  # entries in the trail that /audit is asked about
    questions: int  # of each kind
    appended: int  # entries, a round
    worked: (
        int  # whole requests by each peer, a round, at one client; four times as many at sixteen
    )
    database: Path | None = None  # asked instead of one that is built for it


FULL = Size(
    rounds=7,
    clicks=60,
    approvals=40,
    requests=6,
    churn=10_000,
    starts=5,
    entries=1_000_000,
    asked=1_000_000,
    questions=200,
    appended=500,
    worked=60,
)
QUICK = Size(
    rounds=2,
    clicks=8,
    approvals=3,
    requests=1,
    churn=60,
    starts=1,
    entries=50_000,
    asked=20_000,
    questions=10,
    appended=50,
    worked=8,
)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class Row:
    what: str
    values: list[float]  # one for each round
    unit: str
    most: float | None = None  # the target

    head = f"{'':<58} {'median':>9} {'least':>9} {'most':>9}       target"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        lo, hi = min(self.values), max(self.values)
        said = f"{self.what:<58} {self.median:>9.2f} {lo:>9.2f} {hi:>9.2f} {self.unit:<4}"
        if self.most is not None:
            said += f"  <= {self.most:g} {'met' if self.median <= self.most else 'MISSED'}"
        return said.rstrip()
