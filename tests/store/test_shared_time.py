"""The time that several processes on one database go by."""

import pytest

from bot.store.shared_time import JUMP, SharedTime

HOUR = 3_600_000
T = 1_790_000_000_000


class Replica:
    """One process: its own clock since the boot, and what it makes of the database's."""

    def __init__(self) -> None:
        self.up = 50_000
        self.time = SharedTime(lambda: self.up)


class Database:
    """A clock that can be set, and what all processes know of it."""

    def __init__(self) -> None:
        self.clock, self.held_back, self.known = T, 0, 0

    def hear(self, *heard: Replica) -> None:
        for replica in heard:
            self.held_back = replica.time.hear(self.clock, self.held_back, self.known)
            self.known = max(self.known, replica.time.now())


@pytest.fixture
def db() -> Database:
    return Database()


def pass_(db: Database, ms: int, *replicas: Replica) -> None:
    db.clock += ms
    for replica in replicas:
        replica.up += ms


def test_it_goes_as_the_database_s_clock_does(db: Database) -> None:
    a = Replica()
    db.hear(a)
    assert a.time.now() == T
    pass_(db, 5_000, a)
    assert a.time.now() == T + 5_000  # without asking
    db.hear(a)
    assert (a.time.now(), db.held_back) == (T + 5_000, 0)


@pytest.mark.parametrize("jump", [7 * HOUR, -7 * HOUR, JUMP + 1, -JUMP - 1])
def test_a_clock_that_is_set_ends_no_cool_off_sooner_or_later(db: Database, jump: int) -> None:
    a, b = Replica(), Replica()
    db.hear(a, b)
    pass_(db, 1_000, a, b)
    db.clock += jump
    db.hear(a, b)
    assert a.time.now() == b.time.now() == T + 1_000
    pass_(db, 60_000, a, b)
    db.hear(b, a)
    late = Replica()  # one that comes later goes by the same
    db.hear(late)
    assert a.time.now() == b.time.now() == late.time.now() == T + 61_000


def test_a_clock_that_is_set_twice_is_held_by_both(db: Database) -> None:
    a = Replica()
    db.hear(a)
    for jump in (HOUR, -3 * HOUR, 2 * HOUR):
        db.clock += jump
        pass_(db, 1_000, a)
        db.hear(a)
    assert a.time.now() == T + 3_000
    assert db.held_back == 0


def test_a_machine_that_was_paused_follows_those_that_were_not(db: Database) -> None:
    paused, other = Replica(), Replica()
    db.hear(paused, other)
    for _ in range(10):
        pass_(db, HOUR // 10, other)
        db.hear(other)
    db.hear(paused)
    assert paused.time.now() == other.time.now() == T + HOUR
    assert db.held_back == 0


def test_a_slow_change_is_followed(db: Database) -> None:
    a = Replica()
    db.hear(a)
    for _ in range(100):
        pass_(db, 1_000, a)
        db.clock += 50  # as when it is slewed
        db.hear(a)
    assert a.time.now() == T + 105_000


def test_a_clock_set_back_while_nobody_looked_never_goes_behind_the_ledger(db: Database) -> None:
    a = Replica()
    db.hear(a)
    pass_(db, HOUR, a)
    db.hear(a)
    db.clock -= 5 * HOUR
    later = Replica()
    db.hear(later)
    assert later.time.now() == T + HOUR
    pass_(db, 1_000, later)
    assert later.time.now() == T + HOUR + 1_000


def test_what_was_heard_late_is_no_measure(db: Database) -> None:
    """As when a process is frozen between the database's answer and its reading of it."""
    a = Replica()
    db.hear(a)
    said = db.clock + 1_000
    pass_(db, 2_800, a)
    assert a.time.hear(said, 0, 0, took=1_800) == 0
    assert a.time.now() == T + 2_800
    db.clock += 5 * HOUR
    db.hear(a)
    assert a.time.now() == T + 2_800
