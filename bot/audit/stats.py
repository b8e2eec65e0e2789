"""Figures of the requests filed in a time: how many, how fast, how they ended.

Everything is about the requests filed from `since` on and before `until`, as they stand at `now`;
only what is open and overdue is counted of all there are.

* A request's outcome is its phase.
* The first review is its first approval or its veto; the quorum is the one that stands, or stood
  when the request ended; the end is its closing. Each is timed from the filing.
* A restore by one click is counted as a request, and left out of the times and the rates: nobody
  had to review it.
* The median and the 95th percentile are by nearest rank: of n times in order, the one at
  n * percent / 100, rounded up. It is always a time that occurred.
* The rates are of the requests that have ended.
* An approval is hasty when it is a request's first, and came within ten seconds after the card was
  posted: after the filing, where it is not known when that was. Whoever approves that fast has
  hardly read it.
* A restored account was away from when it was seen gone to when it was seen back.
* A request is overdue when its time to reach a quorum, or to be started, is over.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.duration import DAY, HOUR, MINUTE, SECOND, spelled
from bot.core.request import Phase
from bot.store import stats as store
from bot.store.tx import Tx

STATS_OF = 30 * DAY  # where nothing else is asked for
HASTY = 10 * SECOND
ELEVEN = 11 * MINUTE


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in ms."""

    n: int
    median: int
    p95: int
    longest: int


@dataclass(frozen=True, slots=True)
class Tier:
    name: str
    states: tuple[tuple[Phase, int], ...]  # in the order of a request's life
    approved: int  # requests with an approval
    hasty: int  # and those with a hasty one

    @property
    def filed(self) -> int:
        return sum(n for _, n in self.states)


@dataclass(frozen=True, slots=True)
class Stats:
    """Times in ms; None: there was none to take."""

    since: int
    until: int
    tiers: tuple[Tier, ...]  # the one with the most requests first
    review: Spread | None
    quorum: Spread | None
    end: Spread | None
    ended: int
    vetoed: int  # of those ended
    expired: int  # of those ended
    restores: int
    away: Spread | None
    away_longer: int  # than eleven minutes
    open: int  # now
    overdue: int  # now

    @property
    def filed(self) -> int:
        return sum(tier.filed for tier in self.tiers)

    @property
    def states(self) -> tuple[tuple[Phase, int], ...]:
        """How many requests of all tiers are in which phase."""
        found: Counter[Phase] = Counter()
        for tier in self.tiers:
            found.update(dict(tier.states))
        return _in_order(found)

    @property
    def approved(self) -> int:
        return sum(tier.approved for tier in self.tiers)

    @property
    def hasty(self) -> int:
        return sum(tier.hasty for tier in self.tiers)


def stats(tx: Tx, since: int, until: int, now: int) -> Stats:
    """The figures of what was filed from `since` on and before `until`, as of `now` (ms)."""
    states: dict[str, Counter[Phase]] = {}
    approved: Counter[str] = Counter()
    hasty: Counter[str] = Counter()
    ended: Counter[Phase] = Counter()
    for found in store.counts(tx, since, until, now, HASTY):
        states.setdefault(found.tier, Counter())[found.state] += found.n
        approved[found.tier] += found.approved
        hasty[found.tier] += found.hasty
        if found.state.closed and not found.at_once:
            ended[found.state] += found.n
    times = store.times(tx, since, until)
    restores = store.away(tx, since, until)
    away = [ms for ms in restores if ms is not None]
    still_open, overdue = store.open_now(tx, now)
    tiers = (Tier(t, _in_order(of), approved[t], hasty[t]) for t, of in states.items())
    return Stats(
        since=since,
        until=until,
        tiers=tuple(sorted(tiers, key=lambda tier: (-tier.filed, tier.name))),
        review=spread(times.review),
        quorum=spread(times.quorum),
        end=spread(times.end),
        ended=ended.total(),
        vetoed=ended[Phase.VETOED],
        expired=ended[Phase.EXPIRED],
        restores=len(restores),
        away=spread(away),
        away_longer=sum(ms > ELEVEN for ms in away),
        open=still_open,
        overdue=overdue,
    )


def spread(times: Sequence[int]) -> Spread | None:
    if not times:
        return None
    ordered = sorted(times)
    return Spread(len(ordered), nearest(ordered, 50), nearest(ordered, 95), ordered[-1])


def nearest(ordered: Sequence[int], percent: int) -> int:
    """The percentile by nearest rank of times that are in order, of which there is at least one."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _in_order(found: Counter[Phase]) -> tuple[tuple[Phase, int], ...]:
    return tuple((phase, found[phase]) for phase in Phase if found[phase])


# --- in words, for Slack and the command line ---------------------------------------------------

NOTES = (
    "Times are counted from the filing. Median and 95th percentile are by nearest rank: of n times"
    " in order, the one at n × 50 % or n × 95 %, rounded up.",
    "Rates are of the requests that ended. A restore by one click needs no review, and is in"
    " neither times nor rates.",
    "Approved within 10 s: a request's first approval came within 10 seconds after its card was"
    " posted, or after its filing where that is not known.",
)


def sentence(found: Stats) -> str:
    """How many requests there were, and what became of them."""
    counts = ", ".join(f"{n} {phase}" for phase, n in found.states)
    said = f"{found.filed} request{'' if found.filed == 1 else 's'} filed"
    return f"{said}: {counts}" if counts else said


def figures(found: Stats) -> tuple[tuple[str, str], ...]:
    """Each with its name."""
    restored = str(found.restores)
    if found.away is not None:
        restored += (
            f" · away: median {lasting(found.away.median)}, longest {lasting(found.away.longest)}"
            f" · {found.away_longer} of {found.away.n} longer than eleven minutes"
        )
    overdue = f" · {found.overdue} overdue" if found.overdue else " · none overdue"
    return (
        ("First review", _spread(found.review)),
        ("Quorum", _spread(found.quorum)),
        ("End", _spread(found.end)),
        ("Vetoed", _share(found.vetoed, found.ended, "that ended")),
        ("Expired", _share(found.expired, found.ended, "that ended")),
        ("Approved within 10 s", _share(found.hasty, found.approved, "approved")),
        ("Restored", restored),
        ("Open now", f"{found.open}{overdue}"),
    )


def lasting(ms: int) -> str:
    """A length for people, as exact as is of interest: 12 s, 5 min 20 s, 3 h 5 min, 4 d 2 h."""
    if ms < SECOND:
        return "under 1 s"
    step = HOUR if ms >= 2 * DAY else MINUTE if ms >= HOUR else SECOND
    return spelled(ms - ms % step)


def _spread(times: Spread | None) -> str:
    if times is None:
        return "none yet"
    return f"median {lasting(times.median)}, 95th percentile {lasting(times.p95)}"


def _share(n: int, of: int, what: str) -> str:
    return f"{100 * n / of:.0f} % · {n} of {of} {what}" if of else f"none {what}"
