"""The same work by all systems, in turns: a request is filed, two people approve, a webhook is called,
and the end is recorded.

Of each round every system does its part with one client, then with sixteen, and the next round goes
through them the other way round: the machine's moods fall on all.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.proc import spent
from tests.bench.rows import Row, Size, percentile
from tests.bench.scene import scene
from tests.postgres import database_url, server

from . import venv
from .hook import Hook, hook
from .load import Load, Loaded
from .systems import AirGate, Bare, Replicas, System, Told

CLIENTS = (1, 16)


@dataclass(frozen=True)
class Note:
    """A line beside the figures."""

    text: str

    head = "notes"

    def __str__(self) -> str:
        return self.text


@dataclass
class Compared:
    """A line of the table: a system; medians of the rounds, and least and most of the rates."""

    name: str
    rates: dict[int, list[float]] = field(default_factory=dict)  # requests a second, by clients
    p50: dict[int, list[float]] = field(default_factory=dict)  # ms from last approval to effect
    p99: dict[int, list[float]] = field(default_factory=dict)
    cpu: list[float] = field(default_factory=list)  # ms a request, at sixteen clients
    database: list[float] = field(default_factory=list)  # the same, in PostgreSQL
    memory: float = 0.0  # MB, idle
    cold: list[float] = field(default_factory=list)  # s from process to the first request's end

    head = (
        f"{'':<42}{'1 client':>21}{'16 clients':>23} | {'1: p50':>7}{'p99':>7} |{'16: p50':>7}{'p99':>7} |"
        f"{'cpu':>6}{'+ db':>6} |{'idle':>6} |{'cold':>6}"
    )

    def __str__(self) -> str:
        def rate(clients: int) -> str:
            r = self.rates[clients]
            return f"{median(r):>7.1f}/s ({min(r):.0f}-{max(r):.0f})"

        def times(clients: int) -> str:
            if not self.p50.get(clients):
                return f"{'-':>7}{'-':>7}"
            return f"{median(self.p50[clients]):>7.1f}{median(self.p99[clients]):>7.1f}"

        return (
            f"{self.name:<42}{rate(1):>21}{rate(16):>23} | {times(1)} |{times(16)} |"
            f"{median(self.cpu):>6.1f}{median(self.database):>6.1f} |{self.memory:>6.0f} |"
            f"{median(self.cold):>6.2f}"
        )

    def take(self, load: Load, did: Loaded, database: float, hook: Hook) -> None:
        clients, n = load.clients, load.requests
        self.rates.setdefault(clients, []).append(n / did.took)
        waits = [(hook.called[id] - at) * 1000 for id, at in did.given.items()]
        if waits:
            self.p50.setdefault(clients, []).append(percentile(waits, 0.5))
            self.p99.setdefault(clients, []).append(percentile(waits, 0.99))
        if clients == max(CLIENTS):
            self.cpu.append(did.cpu * 1000 / n)
            self.database.append(database * 1000 / n)


async def peers(size: Size, folder: Path) -> Sequence[Row | Compared | Note]:
    folder.mkdir()
    notes: list[Row | Compared | Note] = []
    async with AsyncExitStack() as stack:
        called = await stack.enter_async_context(hook())
        s = await stack.enter_async_context(scene(folder / "scene", speed=0))
        bot = await s.launch("bot")
        card = await s.card(bot)
        bot.process.kill()
        url = called.url
        sqlite = f"sqlite:///{folder}/"
        systems: list[System] = [
            Bare("bare Bolt and an insert, signed", s, card, folder / "bare.db", url),
            _nolone("SQLite", f"{sqlite}nolone.db", url),
            _nolone("SQLite, looking before and after", f"{sqlite}looks.db", url, looks=True),
            _nolone("PostgreSQL", database_url(), url),
            _replicas(4, database_url(), url),
        ]
        try:
            python = await venv.installed()
        except venv.NotInstalled as e:
            notes.append(Note(f"the peers are left out, since they could not be installed: {e}"))
        else:
            dbos, gate = (f"{name} {venv.version(name)}" for name in ("dbos", "air-gate"))
            for pool in (None, 4):
                name = f"{dbos}, PostgreSQL{'' if pool is None else f', a pool of {pool}'}"
                database = database_url()
                systems.append(
                    Told(name, python, "dbos_app", database=database, hook=url, pool=pool)
                )
            systems.append(AirGate(f"{gate}, SQLite", python, s.session, folder, url))
        found = {system.name: Compared(system.name) for system in systems}
        for system in systems:
            await _launch(system, found[system.name], size)
        for round in range(size.rounds + 1):
            for system in systems[:: 1 if round % 2 else -1]:
                for clients in CLIENTS:
                    load = Load(clients, size.worked * (4 if clients > 1 else 1))
                    had = spent(server().pid)
                    did = await system.load(load)
                    if round:  # the first warms up
                        found[system.name].take(load, did, spent(server().pid) - had, called)
        for system in systems:
            await system.stop()
    return [*found.values(), *_ratios(found), *notes]


def _ratios(found: Mapping[str, Compared]) -> list[Row]:
    """Ours to dbos on the same PostgreSQL, round by round; what is to be reached is half the p99, and a
    third of the time a request."""
    theirs = next((row for name, row in found.items() if name.startswith("dbos")), None)
    if theirs is None:
        return []
    rows = []
    for ours in (found["nolone, PostgreSQL"], found["nolone, SQLite"]):
        most = max(CLIENTS)
        times = [b / a for a, b in zip(ours.rates[most], theirs.rates[most], strict=True)]
        late = [a / b for a, b in zip(ours.p99[most], theirs.p99[most], strict=True)]
        name = f"{ours.name} to dbos, {most} clients"
        target = ours.name.endswith("PostgreSQL")
        rows.append(Row(f"{name}: time a request", times, "x", most=1 / 3 if target else None))
        rows.append(Row(f"{name}: p99", late, "x", most=0.5 if target else None))
    return rows


def _replicas(n: int, database: str, hook: str) -> Replicas:
    each = [_nolone("", database, hook, alone=False) for _ in range(n)]
    return Replicas(f"nolone, PostgreSQL, {n} replicas", each)


def _nolone(name: str, database: str, hook: str, looks: bool = False, alone: bool = True) -> Told:
    given = {"database": database, "hook": hook, "looks": looks, "alone": alone}
    return Told(f"nolone, {name}", sys.executable, "nolone", **given)


async def _launch(system: System, row: Compared, size: Size) -> None:
    """Start it, as often as asked for; its database is made by the first of these."""
    for n in range(size.starts + 1):
        began = time.monotonic()
        await system.start()
        await system.load(Load(1, 1))
        if n:
            row.cold.append(time.monotonic() - began)
        if n < size.starts:
            await system.stop()
    row.memory = system.memory()
