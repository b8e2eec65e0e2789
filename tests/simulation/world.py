"""A simulated world, from one seed: everything that surrounds the engine, and what goes wrong in it."""

import hashlib
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import bot.clock
import bot.engine
import bot.worker
from bot.core.policy import Policy
from bot.core.sealed import canonical
from bot.core.subject import AccountState
from bot.store.tx import StoreError

from .checker import Broken, Checker
from .clients import Clients
from .database import SimulatedStore
from .network import Network
from .platform import Account, There
from .process import Process
from .slack import AGENTS, CHANNEL, LEGAL, TEAM, TRUST, Human, Message, People, Slack
from .timeline import UP, Timeline

SECOND = 1_000
MINUTE = 60 * SECOND
REST_WITHIN = 3_600.0  # s in which all has to end once nothing goes wrong any more
LOOK_EVERY = 64  # commits between two looks of the checker
AGENT_ACCOUNTS = ("U01AGENT", "U02AGENT", "U03AGENT", "U04BOTH")
TRUST_ACCOUNTS = ("U11TS", "U12TS", "U13TS", "U14TS", "U04BOTH", "U15ALIAS", "U16ALIAS", "U21LAW")
LEGAL_ACCOUNTS = ("U21LAW", "U22LAW", "U23LAW", "U24ALIAS")
# accounts that are another's second one
SAME = {"U15ALIAS": "U01AGENT", "U16ALIAS": "U11TS", "U24ALIAS": "U22LAW"}
POLICY = {
    "version": 1,
    "workspace": TEAM,
    "channels": {"review": CHANNEL},
    "people": {
        "agents": {"usergroup": AGENTS},
        "managers": {"users": ["U09MANAGER"]},
        "reviewers": {"trust-safety": {"usergroup": TRUST}, "legal": {"usergroup": LEGAL}},
    },
    "tiers": [
        {
            "name": "top",
            "when": {"followers_at_least": 1_000_000},
            "quorum": {"approvals": 2, "including": {"legal": 1}},
            "cool_off": MINUTE,
            "open_for": 15 * MINUTE,
            "run_within": 5 * MINUTE,
        },
        {
            "name": "standard",
            "quorum": {"approvals": 1},
            "cool_off": 20 * SECOND,
            "open_for": 10 * MINUTE,
            "run_within": 4 * MINUTE,
        },
    ],
}


class Result(NamedTuple):
    seed: int
    replicas: int
    digest: str
    transactions: int  # scripts whose transaction was committed
    commits: int  # of the database; several scripts may share one
    writes: int  # scripts in a commit that changed something
    requests: int
    entries: int
    effects: int
    hours: float  # of simulated time
    happened: Counter[str]
    ended: Counter[str]
    broken: str | None


class World:
    def __init__(
        self, seed: int, path: Path, replicas: int, tell: Callable[[str], None] | None = None
    ) -> None:
        """`replicas`: how many processes share the store; with one, the store is closed and opened
        again whenever it dies. `tell` is given each line of the history."""
        self._tell = tell
        self.seed = seed
        self.path = path
        self.replicas = replicas
        self.chance = random.Random(seed)
        self.timeline = Timeline()
        self.policy = Policy.model_validate_json(canonical(POLICY))
        self.calm = False
        self.running: Process | None = None
        self.wall_off = 0  # ms that the wall clock differs from true time
        self.channel_flaw: str | None = None
        self.deadliness = self.chance.choice((0.0, 0.0005, 0.002))
        self.happened: Counter[str] = Counter()
        self.transactions = self.commits = self.writes = 0
        self._unlooked = 0
        self._digest = hashlib.sha256()
        self._disk_full_until = 0.0
        self._dying: list[Process] = []
        self._named = 0
        self._broken: str | None = None

        self.people = People(self)
        self.slack = Slack()
        self.to_slack = Network(self, "slack", late=1.5)
        self.to_directory = Network(self, "directory", late=1.5)
        self.platforms = {
            "keeps": There(self, "keeps", idempotent=True),
            "forgets": There(self, "forgets", idempotent=False),
        }
        self.clients = Clients(self)
        self._populate()
        self.store = SimulatedStore(path, self)
        self.store.migrate()
        self.checker = Checker(self)
        self.processes = [self._new_process() for _ in range(replicas)]

    def _populate(self) -> None:
        for account in {*AGENT_ACCOUNTS, *TRUST_ACCOUNTS, *LEGAL_ACCOUNTS, "U09MANAGER", "U08EVE"}:
            self.people.humans[account] = Human(account, SAME.get(account, account))
        self.people.put(AGENTS, AGENT_ACCOUNTS)
        self.people.put(TRUST, TRUST_ACCOUNTS)
        self.people.put(LEGAL, LEGAL_ACCOUNTS)
        for there in self.platforms.values():
            for n in range(12):
                followers = self.chance.choice((10, 5_000, 2_000_000))
                there.accounts[f"a{n}"] = Account(f"a{n}", f"@a{n}", followers)

    def _new_process(self) -> Process:
        self._named += 1
        skew = 0 if self.replicas == 1 else self.chance.randint(-15, 15)
        return Process(self, f"p{self._named}", self.store, skew)

    # --- what is told to it -------------------------------------------------------------------

    def note(self, line: str) -> None:
        """A line of the history, which the digest is over."""
        said = f"{self.timeline.now:.6f} {line}"
        self._digest.update(f"{said}\n".encode())
        if self._tell is not None:
            self._tell(said)

    def broken(self, why: str) -> None:
        self._broken = self._broken or why

    def transacted(self, scripts: int, changes: int) -> None:
        self.transactions += scripts
        if not scripts:
            return
        self.commits += 1
        self.writes += scripts if changes else 0
        self._unlooked += 1
        self._digest.update(f"{self.timeline.now:.6f} {scripts} {changes}\n".encode())

    def trouble_of_store(self) -> str | None:
        if self.calm:
            return None
        if self.timeline.now < self._disk_full_until:
            return "within"
        luck = self.chance.random()
        if luck < 0.0004:
            kind = self.chance.choice(("before", "within", "after"))
        elif luck < 0.0004 + self.deadliness:
            kind = self.chance.choice(("death before", "death after"))
        elif luck < 0.0006 + self.deadliness:
            kind = "freeze"
        else:
            return None
        self.happened[f"store: {kind}"] += 1
        return kind

    def dies(self, process: Process) -> None:
        """It is gone from now on; in a while another takes its place."""
        if process.alive:
            process.alive = process.up = False
            self._dying.append(process)

    def cards(self, phases: tuple[str, ...]) -> list[Message]:
        return [m for m in self.slack.newest_cards(60) if m.phase in phases]

    # --- how it goes --------------------------------------------------------------------------

    def run(self, transactions: int) -> Result:
        with surroundings(self):
            try:
                self._run(transactions)
            except Broken as e:
                self.broken(str(e))
            for process in self.processes:
                process.kill()
            result = self._result()
            self.checker.close()
            if not self.store.closed:
                self.store.close()
        return result

    def _run(self, transactions: int) -> None:
        self._plan_an_act()
        self._plan_a_mishap()
        while self.transactions < transactions and self._broken is None:
            self._go_on()
        self._come_to_rest()
        until = self.timeline.now + REST_WITHIN
        while self.timeline.now < until and self._broken is None:
            self._go_on()
            if self._unlooked == 0 and self.checker.all_ended:
                break
        if self._broken is None:
            self.checker.at_the_end()

    def _go_on(self) -> None:
        if self._dying:
            self._bury()
        now = self.timeline.now
        awake = [p for p in self.processes if p.alive and p.frozen_until <= now]
        ready = [p for p in awake if p.loop.ready]
        if ready:
            process = ready[0] if len(ready) == 1 else self.chance.choice(ready)
            self._step(process)
        else:
            planned = self.timeline.next
            dues = [(due, i) for i, p in enumerate(awake) if (due := p.loop.due) is not None]
            due, i = min(dues, default=(float("inf"), 0))
            if planned is None or due < planned:
                self.timeline.now = max(now, due)
                self._step(awake[i])
            else:
                self.timeline.happen()
        if self._unlooked >= LOOK_EVERY:
            self._unlooked = 0
            self.checker.look()

    def _step(self, process: Process) -> None:
        self.running = process
        try:
            process.loop.step()
        finally:
            self.running = None

    def _bury(self) -> None:
        dying, self._dying = self._dying, []
        for process in dying:
            self.happened["killed"] += 1
            self.note(f"{process.name} dies")
            self.running = process
            process.kill()
            self.running = None
            if self.replicas == 1:
                self.store.close()
            pause = 2.0 if self.calm else self.chance.uniform(2.0, 20.0)
            self.timeline.after(pause, lambda gone=process: self._revive(gone))  # type: ignore[misc]

    def _revive(self, gone: Process) -> None:
        if self.replicas == 1:
            self.store = SimulatedStore(self.path, self)
        self.processes[self.processes.index(gone)] = self._new_process()

    def _come_to_rest(self) -> None:
        self.calm = True
        self.note("calm")
        for network in self._networks():
            network.bad = False
        self._disk_full_until = 0.0
        self.channel_flaw = None
        for there in self.platforms.values():
            for account in there.accounts.values():
                account.gone = False
        for process in self.processes:
            process.frozen_until = 0.0

    def _networks(self) -> list[Network]:
        platforms = [there.network for there in self.platforms.values()]
        return [self.to_slack, self.to_directory, *platforms]

    def _plan_an_act(self) -> None:
        def act() -> None:
            if not self.calm:
                self.clients.act()
                self._plan_an_act()

        self.timeline.after(self.chance.expovariate(1 / 1.5), act)

    # --- what goes wrong ----------------------------------------------------------------------

    def _plan_a_mishap(self) -> None:
        def happen() -> None:
            if not self.calm:
                mishap = self.chance.choice(MISHAPS)
                self.happened[mishap.__name__.strip("_").replace("_", " ")] += 1
                mishap(self)
                self._plan_a_mishap()

        self.timeline.after(self.chance.expovariate(1 / 12), happen)

    def _a_process(self) -> Process | None:
        alive = [p for p in self.processes if p.alive]
        return self.chance.choice(alive) if alive else None

    def _storm(self) -> None:
        network = self.chance.choice(self._networks())
        network.bad = True
        self.timeline.after(self.chance.uniform(2, 60), lambda: setattr(network, "bad", False))

    def _kill(self) -> None:
        if (process := self._a_process()) is not None:
            self.dies(process)

    def _freeze(self) -> None:
        if (process := self._a_process()) is not None:
            self.freeze(process)

    def freeze(self, process: Process) -> None:
        """It does nothing for a while, and knows nothing of it afterwards."""
        if process.alive:
            length = self.chance.choice((0.5, 3.0, 29.0, 31.0, 40.0, 100.0, 100.0))
            self.note(f"{process.name} is frozen for {length} s")
            process.frozen_until = self.timeline.now + length
            self.timeline.after(length, lambda: None)  # there is something to wake up for
            if self.chance.random() < 0.5:  # what it thinks it knows is so no longer
                self._everybody_leaves(length)

    def _disk_full(self) -> None:
        self._disk_full_until = self.timeline.now + self.chance.uniform(0.1, 10)

    def _wall_jump(self) -> None:
        self.wall_off = self.chance.choice((-6, -1, 0, 1, 6, 48)) * 3_600_000

    def _group_change(self) -> None:
        group, all_ = self.chance.choice(
            ((AGENTS, AGENT_ACCOUNTS), (TRUST, TRUST_ACCOUNTS), (LEGAL, LEGAL_ACCOUNTS))
        )
        left_out = 0 if self.chance.random() < 0.9 else len(all_)
        members = [a for a in all_ if self.chance.random() < 0.8][: len(all_) - left_out]
        if group == AGENTS and self.chance.random() < 0.3:
            members.append("U08EVE")
        self.people.put(group, members)
        self._told_of_groups(group)

    def _everybody_leaves(self, length: float) -> None:
        """The groups of the reviewers, for a while."""

        def back(group: str, members: frozenset[str]) -> None:
            self.people.put(group, members)

        for group in (TRUST, LEGAL):
            members = self.people.members(group)
            self.people.put(group, ())
            self.timeline.after(length + 5, lambda g=group, m=members: back(g, m))  # type: ignore[misc]

    def _told_of_groups(self, group: str) -> None:
        """Slack tells one of the processes, at times."""
        process = self._a_process()
        if process is None or not process.up or self.chance.random() < 0.5:
            return

        async def tell() -> None:
            try:
                if process.engine.forget_group(group):
                    await process.worker.people_changed()
            except StoreError:
                pass

        process.spawn(tell())

    def _leaving(self) -> None:
        human = self.people.humans[self.chance.choice(sorted(self.people.humans))]
        human.left = self.timeline.ms
        back = self.chance.uniform(60, 900)
        self.timeline.after(back, lambda: setattr(human, "left", None))

    def _an_account(self) -> tuple[There, Account]:
        there = self.chance.choice([*self.platforms.values()])
        return there, self.chance.choice([*there.accounts.values()])

    def _fame(self) -> None:
        _, account = self._an_account()
        account.followers = self.chance.choice((10, 5_000, 2_000_000))

    def _renaming(self) -> None:
        _, account = self._an_account()
        account.handle = f"@{account.id}{self.chance.choice(('', 'x', 'y'))}"

    def _vanishing(self) -> None:
        _, account = self._an_account()
        account.gone = True
        self.timeline.after(self.chance.uniform(5, 300), lambda: setattr(account, "gone", False))

    def _by_hand(self) -> None:
        there, account = self._an_account()
        for _ in range(3):
            state = self.chance.choice(
                (AccountState.ACTIVE, AccountState.ACTIVE, AccountState.DEACTIVATED)
            )
            there.by_hand(account, state)
            there, account = self._an_account()

    def _card_deleted(self) -> None:
        open = self.cards(("open",))
        if open:
            self.chance.choice(open).deleted = True

    def _channel_trouble(self) -> None:
        self.channel_flaw = "the review channel is archived"
        self.timeline.after(
            self.chance.uniform(5, 120), lambda: setattr(self, "channel_flaw", None)
        )

    # --- what came of it ----------------------------------------------------------------------

    def _result(self) -> Result:
        told = self.checker.requests.values()
        heard: Counter[str] = Counter(h for d in self.clients.deliveries for h in d.heard)
        self.happened.update({f"heard {what}": n for what, n in heard.items()})
        return Result(
            seed=self.seed,
            replicas=self.replicas,
            digest=self._digest.hexdigest(),
            transactions=self.transactions,
            commits=self.commits,
            writes=self.writes,
            requests=len(told),
            entries=self.checker.entries,
            effects=sum(len(t.effects) for t in self.platforms.values()),
            hours=self.timeline.now / 3600,
            happened=self.happened,
            ended=Counter(t.closed or "open" for t in told),
            broken=self._broken,
        )


MISHAPS = (
    World._storm,
    World._storm,
    World._kill,
    World._freeze,
    World._disk_full,
    World._wall_jump,
    World._group_change,
    World._leaving,
    World._fame,
    World._renaming,
    World._vanishing,
    World._by_hand,
    World._by_hand,
    World._by_hand,
    World._card_deleted,
    World._channel_trouble,
)


class _Secrets:
    def __init__(self, world: World) -> None:
        self._chance = random.Random(world.seed)

    def token_hex(self, n: int) -> str:
        return self._chance.randbytes(n).hex()


class _Unexpected(logging.Handler):
    """A task of the worker that failed of something else than the database."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, StoreError):
            self._world.broken(f"{record.getMessage()}: {error!r}")


@contextmanager
def surroundings(world: World) -> Iterator[None]:
    """The machine that the processes of `world` run on: its clocks, and its source of salts."""

    def up() -> int:
        skew = world.running.skew if world.running is not None else 0
        return UP + int(world.timeline.now * 1000) + skew

    log = logging.getLogger("bot")
    kept = bot.clock.up, bot.clock.wall, bot.worker.up, bot.engine.secrets  # type: ignore[attr-defined]
    was = log.propagate, log.level
    handler = _Unexpected(world)
    try:
        bot.clock.up = up
        bot.clock.wall = lambda: world.timeline.ms + world.wall_off
        bot.worker.up = up  # type: ignore[attr-defined]
        bot.engine.secrets = _Secrets(world)  # type: ignore[attr-defined]
        log.addHandler(handler)
        log.propagate = False
        yield
    finally:
        bot.clock.up, bot.clock.wall, bot.worker.up, bot.engine.secrets = kept  # type: ignore[attr-defined]
        log.removeHandler(handler)
        log.propagate, log.level = was
