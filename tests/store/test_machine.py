"""The outbox under any sequence of workers, crashes and late answers, held against a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.store import due, ledger, outbox
from bot.store.outbox import Task
from tests.core.build import NOW

from .backends import BACKENDS
from .build import LEASE, lease, rows

STREAMS = ("R-1", "R-2")
LANES = ("channel", "direct/U1")


class Outbox(RuleBasedStateMachine):
    """Two workers that stop, come late, and forget; rows that are wanted anew at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store = BACKENDS["sqlite"](Path(self.folder.name)).store()
        self.now = NOW
        self.seq = 0
        self.wanted: dict[str, int] = {}  # key -> the newest seq that is not delivered
        self.times: dict[str, int] = {}  # key -> how often it was asked for since it waits
        self.delivered: dict[str, int] = {}
        self.order: dict[tuple[str, str], list[str]] = {}  # of the rows that wait, by lane
        self.held: list[Task] = []  # whoever leased them may come back at any time

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(
        stream=st.sampled_from(STREAMS),
        lane=st.sampled_from(LANES),
        card=st.booleans(),
        news=st.integers(0, 1),
    )
    def enqueue(self, stream: str, lane: str, card: bool, news: int) -> None:
        """A card may be wanted anew without news in the ledger; anything else is of an entry."""
        self.seq += news if card else 1
        key = f"{stream}/{lane}/card" if card else f"{stream}/{lane}/{self.seq}"
        row = outbox.wish(key, lane, stream, self.seq, "thread", "", self.now)
        self.store.run_now(lambda tx: outbox.put(tx, [row]))
        if key not in self.wanted:
            self.order.setdefault((stream, lane), []).append(key)
        self.wanted[key] = self.seq
        self.times[key] = self.times.get(key, 0) + 1

    @rule(limit=st.integers(1, 4))
    def work(self, limit: int) -> None:
        tasks = lease(self.store, self.now, limit)
        heads = {waiting[0] for waiting in self.order.values() if waiting}
        assert {t.key for t in tasks} <= heads
        assert not {t.id for t in tasks} & {t.id for t in self.holding()}
        self.held += tasks

    def holding(self) -> list[Task]:
        """The tasks whose lease runs, as the database has it."""
        live = dict(
            rows(
                self.store,
                "SELECT id, fence FROM outbox WHERE leased_until > :now",
                now=self.now,
            )
        )
        return [t for t in self.held if live.get(t.id) == t.fence]

    @rule(ms=st.sampled_from([1, 1_000, LEASE]))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule()
    def restart(self) -> None:
        self.store.run_now(due.free_leases)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.held))
        self.held.remove(task)
        newest = dict(rows(self.store, "SELECT id, fence FROM outbox")).get(task.id)
        done = self.store.run_now(lambda tx: outbox.finish(tx, task, ("C1", str(task.seq))))
        assert done == (newest == task.fence)
        if done:
            self.delivered[task.key] = task.seq
            if self.times[task.key] == task.wanted:
                del self.wanted[task.key], self.times[task.key]
                self.order[task.stream, task.lane].remove(task.key)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), tried=st.booleans())
    def put_off(self, data: st.DataObject, tried: bool) -> None:
        task = data.draw(st.sampled_from(self.held))
        self.held.remove(task)
        until = self.now + 500
        self.store.run_now(lambda tx: outbox.put_off(tx, task, until, "later", tried))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def try_it(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.held))
        live = task in self.holding()
        assert self.store.run_now(lambda tx: outbox.trying(tx, task, self.now)) == live

    @invariant()
    def what_is_wanted_waits_and_nothing_else_does(self) -> None:
        waiting = dict(rows(self.store, "SELECT key, seq FROM outbox"))
        assert waiting == self.wanted

    @invariant()
    def what_was_delivered_is_known(self) -> None:
        assert dict(rows(self.store, "SELECT key, seq FROM posts")) == self.delivered

    @invariant()
    def somebody_is_called_while_anything_waits(self) -> None:
        at = self.store.run_now(due.next_event)
        assert (at is None) == (not self.wanted)


Outbox.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestOutbox = Outbox.TestCase


@contextmanager
def database() -> Iterator[object]:
    with TemporaryDirectory() as folder:
        store = BACKENDS["sqlite"](Path(folder)).store()
        try:
            yield store
        finally:
            store.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30))
def test_any_deliveries_each_count_once(arriving: list[tuple[str, int]]) -> None:
    counted = []
    with database() as store:
        for who, n in arriving:
            try:
                store.run_now(lambda tx, who=who, n=n: ledger.once(tx, f"click/{who}/{n}", NOW))
            except ledger.Duplicate:
                continue
            counted.append((who, n))
    assert counted == list(dict.fromkeys(arriving))
