"""What whoever operates the bot is told of the database."""

from pathlib import Path

from bot.core.commands import Veto
from bot.core.request import Phase
from bot.store import outbox, watch
from bot.store.anchors import Anchored, keep_anchored
from bot.store.tx import Tx
from bot.store.watch import Seen
from tests.core.build import BOB, NOW

from .backends import Connection, Sqlite
from .build import LATER, about, cooling, filed, give, lease, rows


def seen(store: Connection, now: int = NOW, *anchors: str) -> Seen:
    return store.run_now(lambda tx: watch.seen(tx, now, frozenset(anchors)))


def test_the_phases_are_those_that_the_requests_say(store: Connection) -> None:
    filed(store)
    give(store, *about("another"))
    third = give(store, *about("a third"))
    give(store, Veto(BOB, third.id, "no"))
    assert [(r.phase, r.n, r.since) for r in seen(store).requests] == [(Phase.OPEN, 2, NOW)]


def test_a_cool_off_is_over_at_its_end_and_not_before(store: Connection) -> None:
    cooling(store)
    (before,) = seen(store, LATER - 1).requests
    (after,) = seen(store, LATER).requests
    assert (before.phase, before.since) == (Phase.COOLING_OFF, NOW)
    assert (after.phase, after.since) == (Phase.READY, LATER)


def test_what_waits_is_counted_by_its_kind_and_its_age(store: Connection) -> None:
    filed(store)
    (card, thread) = sorted(seen(store, NOW + 9).outbox)
    assert (card.what, card.n, card.failed, card.since) == ("card", 1, 0, NOW)
    assert (thread.what, thread.n, thread.failed, thread.since) == ("thread", 1, 0, NOW)


def test_what_failed_is_as_old_as_before_however_far_it_was_put_off(store: Connection) -> None:
    filed(store)
    (task,) = lease(store)
    store.run_now(lambda tx: outbox.put_off(tx, task, LATER, "is_archived", tried=False))
    told = seen(store, LATER)
    (card, _) = sorted(told.outbox)
    assert (card.failed, card.since) == (1, NOW)
    assert told.undelivered == ("card of R-1/1 is not delivered: is_archived",)


def test_an_anchor_is_behind_from_the_first_entry_that_it_does_not_keep(store: Connection) -> None:
    filed(store)
    told = seen(store, NOW + 5, "folder")
    assert (told.anchored, told.behind) == ({"folder": 0}, {"folder": 5})
    kept = Anchored("folder", 1, b"r", NOW, "there", b"s")
    gone = Anchored("taken away", 1, b"r", NOW, "there", b"s")
    for one in (kept, gone):
        store.run_now(lambda tx, one=one: keep_anchored(tx, one))
    told = seen(store, NOW + 5, "folder")
    assert (told.anchored, told.behind) == ({"folder": 1}, {"folder": 0})


def test_a_write_that_shows_that_one_can_be_made_leaves_nothing(store: Connection) -> None:
    store.run_now(watch.write)
    store.run_now(watch.write)
    assert rows(store, "SELECT * FROM deliveries") == []


def test_each_question_goes_by_an_index(tmp_path: Path) -> None:
    """However long the trail is: a scrape must not be able to hurt. SQLite says how it goes about it."""
    store = Sqlite(tmp_path).store()
    for sql, params in (
        (watch._REQUESTS, {"now": NOW}),
        (watch._OUTBOX, {"most": watch.ROWS_MOST}),
        (watch._UNDELIVERED, {"most": watch.ROWS_MOST, "named": watch.NAMED_MOST}),
    ):
        plan = [
            str(row[3])
            for row in store.run_now(
                lambda tx, sql=sql, params=params: [*tx.each(f"EXPLAIN QUERY PLAN {sql}", **params)]
            )
        ]
        for step in plan:
            assert "requests" not in step or "SEARCH requests USING" in step, step
            assert not step.startswith("SCAN e"), step
    store.close()


def test_that_write_is_a_real_one(tmp_path: Path) -> None:
    """A transaction that writes nothing says nothing of a disk that is full."""

    def changes(tx: Tx) -> int:
        ((so_far,),) = tx.each("SELECT total_changes()")
        watch.write(tx)
        ((after,),) = tx.each("SELECT total_changes()")
        return int(after) - int(so_far)

    store = Sqlite(tmp_path).store()
    assert store.run_now(changes) == 2
    store.close()
