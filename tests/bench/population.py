"""Whom and what a large trail is about: people, accounts, what is written, and how requests go on.

All of it follows from a seed: the same number of entries is the same trail.
"""

import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from bot.core.commands import WORKER
from bot.core.policy import Policy
from bot.core.reasons import ReasonCode
from bot.core.sealed import canonical

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
BEGAN = 1_700_000_000_000  # 14 November 2023
YEARS = 3 * 365 * DAY

AGENTS = tuple(f"U01AGENT{n:03}" for n in range(200))
TRUST = tuple(f"U02REV{n:03}" for n in range(90))
LEGAL = tuple(f"U05LEGAL{n:02}" for n in range(10))
MANAGERS = tuple(f"U09MANAGER{n}" for n in range(8))
ACCOUNTS = 300_000
REASONS = tuple(r.value for r in ReasonCode)

POLICY = Policy.model_validate_json(
    canonical(
        {
            "version": 1,
            "workspace": "T01TEST",
            "channels": {"review": "C02REV"},
            "people": {
                "agents": {"users": AGENTS},
                "managers": {"users": MANAGERS},
                "reviewers": {
                    "trust-safety": {"usergroup": "S01TS"},
                    "legal": {"usergroup": "S02LEGAL"},
                },
            },
            "tiers": [
                {
                    "name": "public-office",
                    "when": {"followers_at_least": 1_000_000},
                    "quorum": {"approvals": 2, "including": {"legal": 1}},
                    "cool_off": 30 * MINUTE,
                    "open_for": DAY,
                    "run_within": HOUR,
                },
                {
                    "name": "known",
                    "when": {"followers_at_least": 10_000},
                    "quorum": {"approvals": 2},
                    "cool_off": 15 * MINUTE,
                    "open_for": DAY,
                    "run_within": HOUR,
                },
                {
                    "name": "standard",
                    "quorum": {"approvals": 1},
                    "cool_off": 5 * MINUTE,
                    "open_for": 8 * HOUR,
                    "run_within": HOUR,
                },
            ],
        }
    )
)
OPEN_FOR = tuple(tier.open_for for tier in POLICY.tiers)
COOL_OFF = tuple(tier.cool_off for tier in POLICY.tiers)
RUN_WITHIN = tuple(tier.run_within for tier in POLICY.tiers)
APPROVALS = tuple(tier.quorum.approvals for tier in POLICY.tiers)


# --- words ------------------------------------------------------------------------------------

_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"] + ["zü", "né", "schi"]
VOCABULARY = tuple(  # the commonest first
    _SYLLABLES[n % 73] + _SYLLABLES[n // 73 % 73] + _SYLLABLES[(n // 5329 + n) % 73]
    for n in range(50_000)
)
_ODDS = list(accumulate(1 / n for n in range(1, len(VOCABULARY) + 1)))
PHRASES = (
    "sells pills to whoever will have them",
    "asks followers for their password",
    "claims to be the city council",
    "posts the same payment link",
    "buys followers by the thousand",
    "threatens a reporter by name",
    "publishes a home address",
    "comes back under another name",
    "spreads a wrong election day",
    "sends pictures nobody asked for",
)


class Words:
    """What people write: a stock phrase, and words of which few are common and many are rare."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def word(self) -> str:
        return VOCABULARY[bisect(_ODDS, self._rng.random() * _ODDS[-1])]

    def some(self, n: int) -> str:
        random, total = self._rng.random, _ODDS[-1]
        return " ".join([VOCABULARY[bisect(_ODDS, random() * total)] for _ in range(n)])

    def told(self) -> str:
        rng = self._rng
        phrase = PHRASES[int(rng.random() * len(PHRASES))]
        return f"{self.some(3 + int(rng.random() * 6))} {phrase} {self.some(3 + int(rng.random() * 8))}"


# --- accounts ---------------------------------------------------------------------------------


def account(rng: random.Random) -> int:
    """Some are about to be filed on far more often than others."""
    return int(ACCOUNTS * rng.random() ** 2)


def tier_of(account: int) -> int:
    """By its followers: 5 % of them public-office, 35 % known."""
    return 0 if account % 20 == 7 else 1 if account % 20 > 12 else 2


def followers(account: int) -> int:
    return (1_000_000, 10_000, 0)[tier_of(account)] + account % 9_000


def handle(account: int) -> str:
    return f"{VOCABULARY[account % 7919]}{account}"


# --- who is on duty ---------------------------------------------------------------------------


class Shift(NamedTuple):
    trust: tuple[str, ...]
    legal: tuple[str, ...]

    def instead_of(self, person: str) -> str:
        """Somebody else of the same group."""
        group = self.legal if person in self.legal else self.trust
        return group[(group.index(person) + 3) % len(group)]


def shift(at: int) -> Shift:
    """Ten of the hundred reviewers, another ten every week."""
    week = (at - BEGAN) // WEEK
    trust = {TRUST[(week * 8 + n) % len(TRUST)] for n in range(8)}
    legal = {LEGAL[(week * 2 + n) % len(LEGAL)] for n in range(2)}
    return Shift(tuple(sorted(trust)), tuple(sorted(legal)))


# --- how a request goes on --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Happens:
    at: int
    kind: str
    by: str


_WAYS = {  # in so many of a thousand requests
    "executed": 620,
    "retracted": 20,
    "vetoed": 40,
    "vetoed cooling off": 50,
    "withdrawn": 60,
    "expired": 80,
    "expired ready": 10,
    "lapsed": 20,
    "failed": 40,
    "tried again": 20,
    "not seen": 38,
    "unknown": 2,
}
_NAMES = tuple(_WAYS)
_SHARES = list(accumulate(_WAYS.values()))
RESTORED = 0.04  # of those executed
ASKED = 0.12  # queries for each request


def after(rng: random.Random, mean: float, most: float) -> int:
    return min(int(rng.expovariate(1 / mean)), int(most)) + 1


def life(
    rng: random.Random, at: int, tier: int, requester: str, crew: Shift, restores: bool
) -> list[Happens]:
    """What happens to a request filed at `at`, after it is Filed. `restores`: at once, by the one
    who filed it."""
    told: list[Happens] = []
    way = "executed" if restores else _NAMES[bisect(_SHARES, rng.random() * _SHARES[-1])]

    def then(ms: int, kind: str, by: str = WORKER) -> None:
        nonlocal at
        at += ms
        told.append(Happens(at, kind, by))

    def approved(first: int) -> None:
        """By as many as the tier asks for, one of them of legal where it asks for that."""
        givers = [crew.trust[(first + n) % len(crew.trust)] for n in range(APPROVALS[tier])]
        if tier == 0:
            givers[-1] = crew.legal[first % len(crew.legal)]
        for giver in givers:
            then(after(rng, 20 * MINUTE, OPEN_FOR[tier] // 4), "Approved", giver)
        then(0, "QuorumReached", givers[-1])

    def started() -> None:
        then(after(rng, 300, 2_000), "ExecutionStarted")

    someone = int(rng.random() * len(crew.trust))
    other = crew.instead_of(crew.trust[someone])
    if restores:
        then(0, "QuorumReached", requester)
        started()
        then(after(rng, 600, 5_000), "Executed")
        return told
    match way:
        case "vetoed" | "withdrawn" | "lapsed":
            kind = way.capitalize()
            by = {"vetoed": other, "withdrawn": requester}.get(way, WORKER)
            then(after(rng, 15 * MINUTE, OPEN_FOR[tier] // 2), kind, by)
            return told
        case "expired":
            then(OPEN_FOR[tier], "Expired")
            return told
        case "retracted":
            approved(someone)
            giver = told[-1].by
            then(COOL_OFF[tier] // 3, "Retracted", giver)
            then(0, "QuorumLost", giver)
            another = crew.instead_of(giver)
            then(after(rng, 10 * MINUTE, OPEN_FOR[tier] // 4), "Approved", another)
            then(0, "QuorumReached", another)
        case _:
            approved(someone)
    if way == "vetoed cooling off":
        then(int(rng.random() * COOL_OFF[tier]), "Vetoed", other)
        return told
    then_cool = COOL_OFF[tier]
    if way == "expired ready":
        then(then_cool + RUN_WITHIN[tier], "Expired")
        return told
    at += then_cool
    started()
    match way:
        case "failed":
            then(after(rng, 600, 5_000), "ExecutionFailed")
            return told
        case "tried again":
            then(after(rng, 600, 5_000), "AttemptEnded")
            then(1_000, "ExecutionStarted")
        case "not seen" | "unknown":
            then(30_000, "ExecutionUnknown")
            if way == "unknown":
                return told
    then(after(rng, 600, 5_000), "Executed")
    return told
