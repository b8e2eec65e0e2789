"""The figures are those that reading every request again comes to."""

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from bot.audit.answer import Answer
from bot.audit.show import text
from bot.audit.stats import ELEVEN, HASTY, Spread, Stats, Tier, lasting, nearest, spread, stats
from bot.core.commands import (
    Command,
    Expire,
    Restore,
    Retract,
    Settle,
    Start,
    Unclear,
    Veto,
    Withdraw,
)
from bot.core.decide import Refused
from bot.core.events import Approved, Event, Queried, Vetoed
from bot.core.request import Phase, Request, evolve
from bot.ledger.verify import Fault
from bot.store import ledger, outbox
from bot.store.migrations import migrations
from bot.store.trail import verify_trail
from bot.store.tx import Tx

from .trail import AGENT, ANN, BOB, COOL_OFF, DAY, HOUR, LEE, MINUTE, START, Trail

SECOND = 1_000


def figures(trail: Trail, since: int = START, until: int | None = None) -> Stats:
    end = trail.now + 1 if until is None else until
    return trail.store.run_now(lambda tx: stats(tx, since, end, trail.now))


def card_posted(trail: Trail, id: str, at: int) -> None:
    """Slack names a message by the second in which it was posted."""
    ts = f"{at // 1000}.{at % 1000:03d}100"
    trail.store.run_now(lambda tx: outbox.keep_post(tx, f"{id}/card", ("C02REV", ts), 1))


# --- percentiles -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=200), st.sampled_from((50, 95)))
def test_a_percentile_is_the_least_time_that_enough_of_them_are_within(
    times: list[int], percent: int
) -> None:
    enough = ceil(len(times) * percent / 100)
    least = min(t for t in times if sum(other <= t for other in times) >= enough)
    assert nearest(sorted(times), percent) == least


def test_of_two_times_the_median_is_the_shorter_and_the_percentile_the_longer() -> None:
    assert spread([9, 4]) == Spread(n=2, median=4, p95=9, longest=9)


def test_of_a_hundred_times_five_are_beyond_the_percentile() -> None:
    assert spread(list(range(1, 101))) == Spread(n=100, median=50, p95=95, longest=100)


def test_of_no_times_there_is_no_median() -> None:
    assert spread([]) is None


# --- against every request, read again ---------------------------------------------------------


class Generated:
    """A trail in which anything may happen to a request that can."""

    def __init__(self, trail: Trail, seed: int) -> None:
        self.trail = trail
        self.random = random.Random(seed)

    async def make(self, n: int) -> None:
        for i in range(n):
            followers = self.random.choice((10, 10, 2_000_000))
            request = await self.trail.filed(f"account{i}", followers=followers)
            if self.random.random() < 0.7:
                self.trail.clock.skip(self.random.choice((0, 300, 8 * SECOND)))
                card_posted(self.trail, request.id, self.trail.now)
            await self.live(request)

    async def live(self, request: Request) -> None:
        for act in self.random.choices(self.acts(), k=self.random.randint(0, 7)):
            self.trail.clock.skip(
                self.random.choice((0, 1, 9 * SECOND, 10 * SECOND, MINUTE, 2 * HOUR))
            )
            try:
                await act(request.id)
            except Refused:
                continue

    def acts(self) -> list[Callable[[str], object]]:
        give = self.by_command
        return [
            *[lambda id: self.approve(id, self.random.choice((ANN, BOB, LEE)))] * 8,
            *[lambda id: self.until_seen(id)] * 8,
            lambda id: give(Retract(ANN, id)),
            lambda id: give(Veto(self.random.choice((ANN, BOB, LEE)), id, "No.")),
            lambda id: give(Withdraw(AGENT, id)),
            *[lambda id: give(Expire(id))] * 2,
            lambda id: self.restore(id),
        ]  # type: ignore[return-value]

    async def by_command(self, command: Command) -> None:
        await self.trail.give(command)

    async def approve(self, id: str, by: str) -> None:
        await self.trail.approved(read(self.trail, id), by)

    async def until_seen(self, id: str) -> None:
        request = read(self.trail, id)
        if request.quorum_at is None:
            return
        self.keep_posts(id)
        self.trail.clock.skip(request.pinned.cool_off)
        started = await self.trail.give(Start(id))
        if started.execution is not None:
            self.trail.clock.skip(self.random.randint(0, 20 * SECOND))
            unseen = self.random.random() < 0.4
            await self.trail.recorded(started, Unclear("it did not answer") if unseen else None)
            if self.random.random() < 0.7:
                await self.restore(id)

    def keep_posts(self, id: str) -> None:
        """What waits is brought to Slack; the card keeps the name that it has."""
        before = self.trail.store.run_now(lambda tx: outbox.post(tx, f"{id}/card"))
        self.trail.post_everything()
        if before is not None:
            self.trail.store.run_now(lambda tx: outbox.keep_post(tx, f"{id}/card", before, 10**6))

    async def restore(self, id: str) -> None:
        if read(self.trail, id).phase(self.trail.now) is Phase.EXECUTED:
            self.trail.clock.skip(self.random.choice((MINUTE, 20 * MINUTE)))
            by = self.random.choice((ANN, BOB, LEE))
            await self.trail.restored(read(self.trail, id), by)


def read(trail: Trail, id: str) -> Request:
    found = trail.store.run_now(lambda tx: ledger.request(tx, id))
    assert found is not None
    return found


def by_hand(tx: Tx, since: int, until: int, now: int) -> Stats:
    """The figures from the events of every request, one after another."""
    tiers: dict[str, Counter[Phase]] = {}
    approved: Counter[str] = Counter()
    hasty: Counter[str] = Counter()
    reviews, quorums, ends, away = [], [], [], []
    ended: Counter[Phase] = Counter()
    restores = still_open = overdue = 0
    ids = [row["id"] for row in tx.query("SELECT id FROM requests ORDER BY n")]
    for id in ids:
        events: list[Event] = [event for _, event in ledger.events(tx, id)]
        request: Request | None = None
        for event in events:
            assert not isinstance(event, Queried)
            request = evolve(request, event)  # type: ignore[arg-type]
        assert request is not None
        still_open += request.ending is None
        overdue += request.overdue(now)
        if not since <= request.filed_at < until:
            continue
        tier = request.pinned.tier
        tiers.setdefault(tier, Counter())[request.phase(now)] += 1
        first = next((e.at for e in events if isinstance(e, Approved)), None)
        if first is not None:
            approved[tier] += 1
            shown = request.filed_at
            if (post := outbox.post(tx, f"{id}/card")) is not None:
                at = round(float(post[1]) * 1000)
                shown = at if request.filed_at <= at <= first else shown
            hasty[tier] += first - shown <= HASTY
        if request.action == "restore" and request.phase(now) is Phase.EXECUTED:
            restores += 1
            assert request.undoes is not None
            undone = ledger.request(tx, request.undoes)
            assert undone is not None
            assert request.ending is not None
            seen_gone = undone.phase(now) is Phase.EXECUTED and undone.ending
            if seen_gone and seen_gone.at <= request.ending.at:
                away.append(request.ending.at - seen_gone.at)
        if request.pinned.approvals == 0:
            continue
        reviewed = [e.at for e in events if isinstance(e, Approved | Vetoed)]
        if reviewed:
            reviews.append(min(reviewed) - request.filed_at)
        if request.quorum_at is not None:
            quorums.append(request.quorum_at - request.filed_at)
        if request.ending is not None:
            ends.append(request.ending.at - request.filed_at)
            ended[request.ending.phase] += 1
    found = figures_of(tiers, approved, hasty)
    return Stats(
        since,
        until,
        found,
        spread(reviews),
        spread(quorums),
        spread(ends),
        ended.total(),
        ended[Phase.VETOED],
        ended[Phase.EXPIRED],
        restores,
        spread(away),
        sum(ms > ELEVEN for ms in away),
        still_open,
        overdue,
    )


def figures_of(
    tiers: dict[str, Counter[Phase]], approved: Counter[str], hasty: Counter[str]
) -> tuple[Tier, ...]:
    made = [
        Tier(name, tuple((p, states[p]) for p in Phase if states[p]), approved[name], hasty[name])
        for name, states in tiers.items()
    ]
    return tuple(sorted(made, key=lambda tier: (-tier.filed, tier.name)))


@pytest.mark.parametrize("seed", range(4))
async def test_the_figures_are_those_of_every_request_read_again(trail: Trail, seed: int) -> None:
    await Generated(trail, seed).make(30)
    middle = (START + trail.now) // 2
    for since, until in ((START, trail.now + 1), (START, middle), (middle, trail.now + 1)):
        found = figures(trail, since, until)
        assert found == trail.store.run_now(
            lambda tx, s=since, u=until: by_hand(tx, s, u, trail.now)
        )


async def test_what_is_generated_has_in_it_what_is_counted(trail: Trail) -> None:
    await Generated(trail, 2).make(60)
    found = figures(trail)
    assert len(found.tiers) == 2
    assert {phase for phase, _ in found.states} >= {
        Phase.OPEN, Phase.EXECUTED, Phase.VETOED, Phase.WITHDRAWN, Phase.EXPIRED, Phase.UNKNOWN
    }  # fmt: skip
    assert 0 < found.hasty < found.approved
    assert all((found.restores, found.away, found.away_longer, found.open, found.overdue))


# --- each figure ------------------------------------------------------------------------------


async def test_every_phase_is_counted_as_it_is_told(trail: Trail) -> None:
    await trail.one_in_every_phase()
    expected = dict.fromkeys(Phase, 1) | {Phase.READY: 2}
    assert dict(figures(trail).states) == expected


async def test_only_what_was_filed_in_that_time_is_counted(trail: Trail) -> None:
    await trail.filed("before")
    trail.clock.skip(HOUR)
    since = trail.now
    await trail.approved(await trail.filed("first"))
    trail.clock.skip(HOUR)
    until = trail.now
    await trail.approved(await trail.filed("after"))
    found = figures(trail, since, until)
    assert (found.filed, found.open, found.review) == (1, 3, spread([0]))


async def test_a_review_is_timed_to_the_first_of_them_also_when_it_is_taken_back(
    trail: Trail,
) -> None:
    request = await trail.filed(followers=2_000_000)
    trail.clock.skip(4 * MINUTE)
    await trail.approved(request, ANN)
    await trail.give(Retract(ANN, "R-1"))
    trail.clock.skip(HOUR)
    await trail.approved(request, BOB)
    found = figures(trail)
    assert (found.review, found.quorum) == (spread([4 * MINUTE]), None)


async def test_a_veto_is_a_review(trail: Trail) -> None:
    await trail.filed()
    trail.clock.skip(3 * MINUTE)
    await trail.give(Veto(ANN, "R-1", "No."))
    found = figures(trail)
    assert (found.review, found.end) == (spread([3 * MINUTE]), spread([3 * MINUTE]))
    assert (found.vetoed, found.ended) == (1, 1)


async def test_rates_are_of_what_ended(trail: Trail) -> None:
    await trail.filed("a")
    trail.clock.skip(8 * HOUR)
    await trail.give(Expire("R-1"))
    await trail.filed("b")
    await trail.give(Withdraw(AGENT, "R-2"))
    await trail.filed("c")
    found = figures(trail)
    assert (found.expired, found.vetoed, found.ended, found.filed) == (1, 0, 2, 3)


async def test_a_restore_by_one_click_is_in_neither_times_nor_rates(trail: Trail) -> None:
    request = await trail.executed()
    before = figures(trail)
    trail.clock.skip(12 * MINUTE)
    await trail.restored(request)
    after = figures(trail)
    assert (before.review, before.quorum, before.end, before.ended) == (
        after.review, after.quorum, after.end, after.ended
    )  # fmt: skip
    assert (after.filed, after.restores, after.away, after.away_longer) == (
        2, 1, spread([12 * MINUTE]), 1
    )  # fmt: skip


async def test_an_account_that_came_back_in_eleven_minutes_was_not_away_longer(
    trail: Trail,
) -> None:
    request = await trail.executed()
    trail.clock.skip(ELEVEN)
    await trail.restored(request)
    found = figures(trail)
    assert (found.away, found.away_longer) == (spread([ELEVEN]), 0)


async def unclear(trail: Trail) -> Request:
    """A request of which nobody knows whether it took effect, and nothing may arrive any more."""
    request = await trail.recorded(await trail.started(), Unclear("it did not answer"))
    trail.clock.skip(MINUTE)
    return request


async def settled(trail: Trail, request: Request, took_effect: bool) -> None:
    for who in (ANN, LEE):
        await trail.give(Settle(who, request.id, took_effect, "Seen in the logs."))


async def test_nobody_knows_how_long_an_account_was_away_that_was_seen_gone_later(
    trail: Trail,
) -> None:
    request = await unclear(trail)
    await trail.restored(request)
    trail.clock.skip(DAY)
    await settled(trail, request, took_effect=True)
    assert read(trail, request.id).phase(trail.now) is Phase.EXECUTED
    found = figures(trail)
    assert (found.restores, found.away, found.away_longer) == (1, None, 0)


async def test_an_account_that_never_went_was_not_away(trail: Trail) -> None:
    request = await unclear(trail)
    trail.clock.skip(DAY - 10 * MINUTE)
    restore = await trail.give(Restore(BOB, request.id, "It was the right account."))
    trail.post_everything()
    trail.clock.skip(10 * MINUTE)
    await settled(trail, request, took_effect=False)
    trail.clock.skip(MINUTE)
    restore = await trail.recorded(await trail.give(Start(restore.id)))
    assert restore.phase(trail.now) is Phase.EXECUTED
    found = figures(trail)
    assert (found.restores, found.away, found.away_longer) == (1, None, 0)


@pytest.mark.parametrize(
    ("posted", "approved", "hasty"),
    [
        (None, HASTY, 1),
        (None, HASTY + 1, 0),
        (MINUTE, MINUTE + HASTY, 1),
        (MINUTE, MINUTE + HASTY + 1, 0),
        (MINUTE, HASTY, 1),  # another card came later: what was seen before is not known
        (MINUTE, HASTY + 1, 0),
        (-MINUTE, HASTY, 1),  # Slack's clock is behind
    ],
)
async def test_an_approval_is_hasty_within_ten_seconds_of_the_card(
    trail: Trail, posted: int | None, approved: int, hasty: int
) -> None:
    request = await trail.filed()
    if posted is not None:
        card_posted(trail, request.id, trail.now + posted)
    trail.clock.skip(approved)
    await trail.approved(request)
    found = figures(trail)
    assert (found.hasty, found.approved) == (hasty, 1)


async def test_haste_is_told_of_each_tier(trail: Trail) -> None:
    await trail.approved(await trail.filed("a", followers=2_000_000))
    second = await trail.filed("b")
    trail.clock.skip(MINUTE)
    await trail.approved(second)
    told = {tier.name: (tier.hasty, tier.approved) for tier in figures(trail).tiers}
    assert told == {"public-office": (1, 1), "standard": (0, 1)}


async def test_what_is_open_beyond_its_time_is_overdue_until_somebody_says_so(
    trail: Trail,
) -> None:
    await trail.filed("open")
    ready = await trail.filed("ready")
    trail.clock.skip(7 * HOUR)
    await trail.approved(ready)
    trail.clock.skip(HOUR - 1)
    assert (figures(trail).open, figures(trail).overdue) == (2, 0)
    trail.clock.skip(1)
    assert figures(trail).overdue == 1
    trail.clock.skip(COOL_OFF)  # and one hour to be started
    assert figures(trail).overdue == 2
    await trail.give(Expire("R-1"))
    assert (figures(trail).open, figures(trail).overdue) == (1, 1)


async def test_what_was_started_is_never_overdue(trail: Trail) -> None:
    await trail.recorded(await trail.started(), Unclear("it did not answer"))
    trail.clock.skip(30 * DAY)
    assert (figures(trail).open, figures(trail).overdue) == (1, 0)


# --- as it is asked ----------------------------------------------------------------------------


def asked(found: Answer) -> Stats:
    assert isinstance(found.body, Stats)
    return found.body


async def test_thirty_days_are_asked_of_where_nothing_else_is_said(trail: Trail) -> None:
    await trail.filed("old")
    trail.clock.skip(30 * DAY + MINUTE)
    await trail.filed("new")
    assert asked(trail.ask("stats")).filed == 1
    assert asked(trail.ask("stats since:31d")).filed == 2
    assert asked(trail.ask("stats since:31d until:1d")).filed == 1
    assert asked(trail.ask("stats until:1d")).filed == 1  # the thirty days before that
    assert asked(trail.ask("stats until:20d")).filed == 1
    assert trail.ask("stats").named == 0


async def test_on_the_command_line_the_figures_stand_in_columns(trail: Trail) -> None:
    await trail.executed(handle="gone", followers=10)
    trail.clock.skip(5 * MINUTE)
    await trail.filed("open", followers=2_000_000)
    lines = text(trail.ask("stats since:1d")).split("\n")
    assert lines[0].startswith(
        "2 requests filed: 1 open, 1 executed, from 2026-11-23T10:10:00Z to "
    )
    assert "first review          median under 1 s, 95th percentile under 1 s" in lines
    assert "end                   median 5 min, 95th percentile 5 min" in lines
    assert "approved within 10 s  100 % · 1 of 1 approved" in lines
    assert "open now              1 · none overdue" in lines
    table = [line.split() for line in lines if line.startswith(("tier", "standard", "public"))]
    assert table == [
        ["tier", "filed", "open", "executed", "approved", "within", "10", "s"],
        ["public-office", "1", "1", "0", "0", "of", "0"],
        ["standard", "1", "0", "1", "1", "of", "1"],
    ]


async def test_where_nothing_was_filed_that_is_said(trail: Trail) -> None:
    shown = text(trail.ask("stats"))
    assert shown.startswith("0 requests filed, from ")
    assert "none that ended" in shown
    assert "none yet" in shown


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "under 1 s"),
        (999, "under 1 s"),
        (59_999, "59 s"),
        (5 * MINUTE + 20_500, "5 min 20 s"),
        (3 * HOUR + 5 * MINUTE + 1, "3 h 5 min"),
        (4 * DAY + 2 * HOUR + MINUTE, "4 d 2 h"),
    ],
)
def test_a_length_is_told_as_exactly_as_is_of_interest(ms: int, said: str) -> None:
    assert lasting(ms) == said


@pytest.mark.parametrize("column", ["approved_at", "expires_at"])
async def test_a_figure_that_was_changed_behind_the_bot_is_found(trail: Trail, column: str) -> None:
    await trail.approved(await trail.filed())
    assert trail.store.run_now(verify_trail).findings == ()
    change = f"UPDATE requests SET {column} = {column} + 1"
    trail.store.run_now(lambda tx: tx.execute(change))
    (found,) = trail.store.run_now(verify_trail).findings
    assert (found.fault, found.said) == (
        Fault.INDEX, "R-1 stands in requests otherwise than its entries say"
    )  # fmt: skip


# --- an older database ---------------------------------------------------------------------------


async def test_an_older_database_comes_to_the_same_figures(trail: Trail, tmp_path: Path) -> None:
    await trail.one_in_every_phase()
    columns = "SELECT id, approved_at, expires_at FROM requests ORDER BY n"
    known = trail.store.run_now(lambda tx: [tuple(row.values()) for row in tx.query(columns)])
    older = sqlite3.connect(tmp_path / "older.db", isolation_level=None)
    with sqlite3.connect(trail.path) as now:
        now.backup(older)
    for column in ("approved_at", "expires_at"):
        older.execute(f"ALTER TABLE requests DROP COLUMN {column}")
    older.execute("DELETE FROM _sqlite_migrations WHERE name = '0005 stats'")
    migrations().apply(Database(older))
    assert older.execute(columns).fetchall() == known
    older.close()
