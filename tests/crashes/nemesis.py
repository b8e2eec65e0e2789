"""The nemesis: many requests at once, while replicas die, freeze and lose their database, the disk
fills, the clock jumps, and Slack and the platform fail.

    python -m tests.crashes.nemesis --store sqlite --seed 7
    python -m tests.crashes.nemesis --long
    python -m tests.crashes.nemesis --sabotage

A seed determines what goes wrong, in which order and about when, and what people choose. When the
operating system lets a process run is nobody's choice: a seed that found something finds it again
often, not always.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

from . import sabotage, stories
from .checker import Checker, Found, Violation, history
from .clients import GROUP, IN_GROUP, LEAVERS, Town, people
from .faults import FaultyPlatform, FaultySlack, TrueClock, Weather
from .journal import Journal
from .proxy import Way
from .replica import LEASE, Surroundings, live
from .stores import LEFT, OUTBOX, Base, Postgres, Sqlite, entries

IN_FLIGHT = {"sqlite": 60, "postgres": 30}  # requests at a time
HEALS_WITHIN = 90.0  # s after which everything has to have ended once nothing goes wrong any more
STARTS_WITHIN = 20.0  # s
STOPS_WITHIN = 10.0  # s
SEES_WITHIN = 1.5  # s in which a replica has heard what time it is
HOUR = 3_600_000  # ms

# A server that has everything imported: a life begins in milliseconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crashes.replica", "bot.store.postgres"])


@dataclass(frozen=True)
class Plan:
    """A run."""

    store: str
    seed: int
    requests: int = 400
    seconds: float = 45.0  # as long as requests are filed, and things go wrong
    idempotent: bool = True
    sabotage: str | None = None
    calm: float = 0.01  # how likely a call outside fails while there is no storm

    def __str__(self) -> str:
        said = f"--store {self.store} --seed {self.seed} --requests {self.requests}"
        said += f" --seconds {self.seconds:g}"
        said += "" if self.idempotent else " --not-idempotent"
        said += f" --calm {self.calm:g}" if self.calm != Plan.calm else ""
        return said + (f" --seeded {self.sabotage}" if self.sabotage else "")


@dataclass
class Result:
    plan: Plan
    requests: int
    ended: Counter[str]
    met: Counter[str]  # what went wrong, how often
    violations: list[Violation]
    seconds: float


class Replica:
    """A process of the bot that is started again whenever it is dead."""

    def __init__(self, name: str, around: Surroundings, met: Counter[str]) -> None:
        self.name = name
        self.url: str | None = None  # while it may listen
        self._around = around
        self._met = met
        self._process: BaseProcess | None = None
        self._frozen = False
        self._over = False

    async def keep_alive(self, rng: Random) -> None:
        """Start it, and again after a pause when it died, until `stop`."""
        while not self._over:
            here, there = _processes.Pipe(duplex=False)
            process = _processes.Process(target=live, args=(self._around, there))
            process.start()
            self._process = process
            there.close()
            self._met["lives"] += 1
            with here:
                try:
                    port = await asyncio.wait_for(asyncio.to_thread(here.recv), STARTS_WITHIN)
                    self.url = f"http://127.0.0.1:{port}/slack/events"
                except (EOFError, TimeoutError):
                    pass
            await asyncio.to_thread(wait, [process.sentinel])
            self.url, self._process = None, None
            process.join()
            code = process.exitcode
            process.close()
            if code != -signal.SIGKILL and not self._over:
                self._met["deaths of its own"] += 1
                await asyncio.sleep(0.5)  # as where its database cannot be reached
            if not self._over:
                await asyncio.sleep(rng.uniform(0, 0.3))

    @property
    def life(self) -> int | None:
        """Which process it is; None: none that runs."""
        return None if self._process is None or self._frozen else self._process.pid

    def kill(self) -> bool:
        if self._process is None:
            return False
        self._process.kill()
        return True

    async def freeze(self, seconds: float) -> bool:
        process = self._process
        if process is None or process.pid is None or self._frozen:
            return False
        try:
            os.kill(process.pid, signal.SIGSTOP)
        except ProcessLookupError:  # it has just died
            return False
        self._frozen = True
        await asyncio.sleep(seconds)
        if self._process is process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
        self._frozen = False
        return True

    async def stop(self, keeping: "asyncio.Task[None]") -> float:
        """SIGTERM; how long it took (s)."""
        self._over = True
        began = time.monotonic()
        if self._process is not None:
            self._process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(keeping), STOPS_WITHIN + 5)
        except TimeoutError:
            self.kill()
            await keeping
        return time.monotonic() - began


@dataclass
class World:
    plan: Plan
    folder: Path
    base: Base
    weather: Weather
    slack: FaultySlack
    platform: FaultyPlatform
    replicas: list[Replica]
    town: Town
    rng: Random  # of the nemesis
    met: Counter[str]
    spared: Replica | None = None  # is left alone now
    database_is_down: bool = False

    def victim(self) -> Replica:
        return self.rng.choice([r for r in self.replicas if r is not self.spared] or self.replicas)

    @property
    def journal(self) -> Journal:
        return self.town.journal

    @property
    def wall(self) -> Path:
        return self.folder / "wall"


# --- what goes wrong ------------------------------------------------------------------------------

Harm = Callable[[World], Awaitable[bool]]
HARMS: dict[Harm, float] = {}  # with how often a second it is done


def harm(rate: float) -> Callable[[Harm], Harm]:
    def register(function: Harm) -> Harm:
        HARMS[function] = rate
        return function

    return register


@harm(0.9)
async def kills(w: World) -> bool:
    return w.victim().kill()


@harm(0.2)
async def freezes(w: World) -> bool:
    return await w.victim().freeze(LEASE / 1000 + w.rng.uniform(0.1, 0.9))


@harm(0.1)
async def storms(w: World) -> bool:
    w.weather.storm(w.rng.randint(500, 2_500))
    return True


@harm(0.1)
async def clock_jumps(w: World) -> bool:
    """By hours. Of PostgreSQL's, somebody sees it: replicas that are all dead or cut off cannot."""
    ms = w.rng.choice([-6, -2, -1, 0, 1, 3, 8]) * HOUR
    w.wall.write_text(str(ms))
    if isinstance(w.base, Postgres):
        if w.spared is not None or w.database_is_down:
            return False
        w.spared = w.rng.choice(w.replicas)
        life = w.spared.life
        way = w.base.ways[w.replicas.index(w.spared)]
        await asyncio.sleep(SEES_WITHIN)
        try:
            if life is None or w.spared.life != life or way.is_closed or w.database_is_down:
                return False
            w.base.set_clock(ms)
            await asyncio.sleep(SEES_WITHIN)
        finally:
            w.spared = None
    return True


@harm(0.1)
async def leaves(w: World) -> bool:
    """Somebody leaves the group, and comes back."""
    ws, who = w.slack.workspace, w.rng.choice(LEAVERS)
    group = ws.usergroups[GROUP].users
    if who not in group:
        return False
    w.journal.leaves(who)
    ws.set_usergroup(GROUP, [u for u in group if u != who])
    await asyncio.sleep(w.rng.uniform(3, 9))
    ws.set_usergroup(GROUP, [u for u in IN_GROUP if u in ws.usergroups[GROUP].users or u == who])
    w.journal.returns(who)
    return True


@harm(0.04)
async def full_disks(w: World) -> bool:
    if not isinstance(w.base, Sqlite):
        return False
    w.base.disk.fill()
    try:
        await asyncio.sleep(w.rng.uniform(0.5, 1.5))
    finally:
        w.base.disk.empty()
    return True


@harm(0.26)
async def postgres_crashes(w: World) -> bool:
    if not isinstance(w.base, Postgres) or w.database_is_down or w.spared is not None:
        return False
    w.database_is_down = True
    await asyncio.to_thread(w.base.crash)
    await asyncio.sleep(w.rng.uniform(0, 1))
    await asyncio.to_thread(w.base.start_again)
    w.database_is_down = False
    return True


@harm(0.24)
async def partitions(w: World) -> bool:
    """A replica and its database no longer hear each other."""
    if not isinstance(w.base, Postgres):
        return False
    way = w.base.ways[w.replicas.index(w.victim())]
    way.set(w.rng.choice([Way.DROPS, Way.SWALLOWS, Way.DEAF]))
    await asyncio.sleep(w.rng.uniform(0.3, 4))
    way.set(Way.OPEN)
    return True


# With PostgreSQL more can go wrong, and some of it takes longer to get over.
OFTEN = {"sqlite": 1.0, "postgres": 0.7}


async def rage(w: World, until: float) -> None:
    """Do harm, at random times."""
    under_way: set[asyncio.Task[None]] = set()

    async def one(do: Harm) -> None:
        w.journal.note(do.__name__)
        if await do(w):
            w.met[do.__name__] += 1
            w.journal.note(f"{do.__name__}: over")

    often = OFTEN[w.base.name]
    wanted = sabotage.SEEDED[w.plan.sabotage].harm if w.plan.sabotage else None
    favourite = next((do for do in HARMS if do.__name__ == wanted), None)
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(left, w.rng.expovariate(often * sum(HARMS.values()))))
        (do,) = w.rng.choices([*HARMS], [*HARMS.values()])
        if favourite is not None and w.rng.random() < 0.5:
            do = favourite
        task = asyncio.create_task(one(do))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


# --- a run ----------------------------------------------------------------------------------------


async def run(plan: Plan, folder: Path) -> tuple[Result, Found]:
    began = time.monotonic()
    base: Base = (Sqlite if plan.store == "sqlite" else Postgres)(folder)
    clock = TrueClock()
    seeded = sabotage.SEEDED[plan.sabotage] if plan.sabotage else None
    weather = Weather(Random(f"{plan.seed}/weather"), calm=plan.calm)
    if seeded is not None:
        weather.writes = seeded.writes
        assert seeded.story in (None, *(story.__name__ for story in stories.STORIES))
    slack = FaultySlack(clock, weather)
    platform = FaultyPlatform(clock, weather, plan.idempotent)
    policy = folder / "policy.yaml"
    people(slack.workspace, policy)
    met: Counter[str] = Counter()
    replicas: list[Replica] = []
    choices = Random(f"{plan.seed}/town")

    def any_url() -> str:
        alive = [r.url for r in replicas if r.url is not None]
        return choices.choice(alive) if alive else "http://127.0.0.1:9/slack/events"

    town = Town(slack, platform, choices, Journal(), any_url, seeded.story if seeded else None)
    w = World(
        plan, folder, base, weather, slack, platform, replicas, town,
        Random(f"{plan.seed}/nemesis"), met,
    )  # fmt: skip

    def kill() -> None:
        for replica in replicas:
            if replica is not w.spared and replica.kill():
                met["kills"] += 1

    platform.kill = kill
    w.wall.write_text("0")
    await slack.start()
    await platform.start()
    await base.start()
    slack.deliver_to(any_url())
    keeping: list[asyncio.Task[None]] = []
    try:
        for n in range(base.replicas):
            around = Surroundings(
                database=base.url(n),
                policy=policy,
                wall=w.wall,
                log=folder / f"replica-{n}.log",
                slack_url=slack.api_url,
                slack_token=slack.bot_token,
                slack_secret=slack.signing_secret,
                platform_url=platform.url,
                platform_token=platform.token,
                idempotent=plan.idempotent,
                sabotage=plan.sabotage,
            )
            replica = Replica(f"replica {n}", around, met)
            replicas.append(replica)
            rng = Random(f"{plan.seed}/{n}")
            keeping.append(asyncio.create_task(replica.keep_alive(rng)))
        await _first_life(replicas, keeping)
        await _work(w)
        late = await _heal(w)
        for replica, task in zip(replicas, keeping, strict=True):
            took = await replica.stop(task)
            if took > STOPS_WITHIN:
                late.append(Violation(replica.name, f"SIGTERM took {took:.1f} s"))
        found = Found(
            entries=entries(base),
            outbox=[key for (key,) in base.rows(OUTBOX)],
            effects=platform.effects,
            lied=frozenset(platform.lied),
            by_key=slack.by_key,
            journal=town.journal,
            verified=await asyncio.to_thread(base.verified),
        )
    finally:
        for replica in replicas:
            replica._over = True
            replica.kill()
        await asyncio.gather(*keeping, return_exceptions=True)
        await base.stop()
        await platform.stop()
        await slack.stop()
    checker = Checker(found)
    violations = [*late, *checker.violations()]
    met += weather.met
    ended = Counter(s.state for s in checker.stories.values())
    seconds = time.monotonic() - began
    return Result(plan, len(checker.stories), ended, met, violations, seconds), found


async def _first_life(replicas: Sequence[Replica], keeping: Sequence["asyncio.Task[None]"]) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while not all(r.url for r in replicas):
        assert time.monotonic() < end, "it does not start"
        await asyncio.sleep(0.05)


async def _work(w: World) -> None:
    """Requests and harm, until there are enough of the first or the time is over."""
    until = time.monotonic() + w.plan.seconds
    begun = 0
    agents = stories.seats()

    async def teller() -> None:
        nonlocal begun
        while begun < w.plan.requests and time.monotonic() < until:
            begun += 1
            await stories.tell(w.town, agents)

    raging = asyncio.create_task(rage(w, until))
    telling = asyncio.gather(*(teller() for _ in range(IN_FLIGHT[w.plan.store])))
    try:
        async with asyncio.timeout(w.plan.seconds + 15):
            await telling
    except TimeoutError:
        w.town.closed = True
    if begun >= w.plan.requests:
        raging.cancel()
    await asyncio.gather(raging, telling, return_exceptions=True)
    w.town.closed = True


async def _heal(w: World) -> list[Violation]:
    """Nothing goes wrong any more: wait until all has ended, and say what does not."""
    w.weather.heal()
    await w.town.settled()
    w.journal.note("healed")
    within = HEALS_WITHIN if w.plan.sabotage is None else HEALS_WITHIN / 4
    end = time.monotonic() + within
    left: Any = None
    while time.monotonic() < end:
        await asyncio.sleep(0.3)
        try:
            ((left,),) = w.base.rows(LEFT)
        except Exception as e:  # noqa: BLE001 - the database may be on its way up yet
            left = e
        if left == 0:
            await w.slack.settled()
            return []
    return [Violation("all", f"{within:g} s after it was healed there is left: {left}")]


# --- the command line -----------------------------------------------------------------------------


def told(result: Result, found: Found) -> str:
    """A run in words; violations with all that is known of them."""
    met = ", ".join(f"{n} {what}" for what, n in sorted(result.met.items()))
    ends = ", ".join(f"{n} {how}" for how, n in result.ended.most_common())
    lines = [
        f"{result.plan}: {result.requests} requests ({ends}) in {result.seconds:.0f} s; {met};"
        f" {len(result.violations)} violations"
    ]
    for request in dict.fromkeys(v.request for v in result.violations):
        lines += [f"  {v}" for v in result.violations if v.request == request]
    for request in list(dict.fromkeys(v.request for v in result.violations))[:3]:
        lines += ["", f"--- {request}", history(found, request)]
    if result.violations:
        lines += ["", f"again: python -m tests.crashes.nemesis {result.plan}"]
    return "\n".join(lines)


def perform(plan: Plan, keep: Path | None = None) -> tuple[Result, Found]:
    """One run in a folder of its own, which is kept if something is wrong."""
    folder = keep or Path(tempfile.mkdtemp(prefix=f"nemesis-{plan.store}-{plan.seed}-"))
    folder.mkdir(parents=True, exist_ok=True)
    result, found = asyncio.run(run(plan, folder))
    if keep is None and not result.violations:
        shutil.rmtree(folder, ignore_errors=True)
    return result, found


# What `--long` adds up to, by what is counted.
COUNTED = {
    "requests": "requests",
    "seeds": "seeds",
    "kills": "kill -9",
    "freezes": "freezes for longer than the lease",
    "postgres_crashes": "crashes of PostgreSQL",
    "partitions": "partitions",
    "full_disks": "full disks",
    "clock_jumps": "clock jumps of hours",
    "slack": "faults of Slack",
    "platform": "faults of the platform",
    "violations": "violations",
}
SEEDS = 26  # of the long run


def counted(results: Sequence[Result]) -> Counter[str]:
    total: Counter[str] = Counter()
    for r in results:
        total.update({"requests": r.requests, "seeds": 1, "violations": len(r.violations)})
        for what, n in r.met.items():
            outside = what.split()[0]
            total[outside if outside in ("slack", "platform") else what] += n
    return total


def table(results: Sequence[Result]) -> str:
    """What was done to the bot, as the documentation has it."""
    stores = [[r for r in results if r.plan.store == store] for store in ("sqlite", "postgres")]
    sums = [counted(group) for group in (*stores, results)]
    lines = ["| | SQLite | PostgreSQL, two replicas | together |", "|---|---|---|---|"]
    for name, words in COUNTED.items():
        lines.append(f"| {words} | {' | '.join(f'{one[name]:,}' for one in sums)} |")
    return "\n".join(lines)


def long(first: int, runs: int = SEEDS, seconds: float = 90.0) -> int:
    """All of it, on each store in turn. The exit code."""
    results: list[Result] = []
    for n in range(runs):
        store = ("sqlite", "postgres")[n % 2]
        idempotent = n // 2 % 4 != 3  # the others with a platform that is not
        plan = Plan(store, first + n, 1_500, seconds, idempotent)
        result, found = perform(plan)
        results.append(result)
        print(told(result, found), flush=True)
    print(table(results), flush=True)
    return 1 if any(r.violations for r in results) else 0


def catch(name: str, tries: int = 4) -> tuple[bool, str]:
    """Look for a seeded fault, until it is caught. Whether it was, and by what."""
    for seed in range(1, tries + 1):
        fault = sabotage.SEEDED[name]
        plan = Plan(fault.store, seed, 200, 15.0, fault.idempotent, name, fault.calm)
        result, _ = perform(plan)
        if result.violations:
            return True, f"seed {seed}, {len(result.violations)} times: {result.violations[0]}"
    return False, f"missed, with {tries} seeds"


def catch_all() -> int:
    caught = 0
    for name in sabotage.SEEDED:
        seen, how = catch(name)
        caught += seen
        print(f"| {name.replace('-', ' ')} | {'yes' if seen else 'NO'} | {how} |", flush=True)
    print(f"caught: {caught} of {len(sabotage.SEEDED)}", flush=True)
    return 0 if caught == len(sabotage.SEEDED) else 1


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes.nemesis")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--not-idempotent", action="store_true")
    parser.add_argument("--calm", type=float, default=Plan.calm)
    parser.add_argument("--seeded", choices=[*sabotage.SEEDED], help="a fault in the product")
    parser.add_argument("--folder", type=Path, help="where to leave database and logs")
    parser.add_argument("--long", action="store_true", help="the long run, from --seed on")
    parser.add_argument("--sabotage", action="store_true", help="every seeded fault, until caught")
    args = parser.parse_args(argv)
    if args.long:
        return long(args.seed)
    if args.sabotage:
        return catch_all()
    plan = Plan(
        args.store,
        args.seed,
        args.requests,
        args.seconds,
        not args.not_idempotent,
        args.seeded,
        args.calm,
    )
    result, found = perform(plan, args.folder)
    print(told(result, found), flush=True)
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
