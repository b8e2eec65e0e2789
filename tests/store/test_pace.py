"""How fast, in which order and how often messages are sent, as the database keeps it for everybody."""

from bot.core.commands import Veto
from bot.core.effects import Urgency
from bot.ports import Rate
from bot.store import due, outbox, pace, undelivered
from bot.store.outbox import Task
from tests.core.build import ANN, NOW, approve

from .backends import Connection
from .build import LEASE, about, cooling, deliver, filed, give, rows

RATES = {"channel": Rate(2, 1000), "update": Rate(1, 1200)}


def take(store: Connection, now: int, limit: int = 20) -> list[Task]:
    return store.run_now(lambda tx: outbox.lease(tx, now, now + LEASE, limit, RATES))


def keys(tasks: list[Task]) -> list[str]:
    return [task.key for task in tasks]


def many(store: Connection, requests: int) -> None:
    for n in range(requests):
        give(store, *about(f"a{n}"))


def test_so_many_at_once_and_then_one_at_a_time(store: Connection) -> None:
    many(store, 5)
    assert keys(take(store, NOW)) == ["R-1/card", "R-2/card"]
    assert take(store, NOW) == []
    assert store.run_now(due.next_event) == NOW + 1000  # nobody looks before there is leave to send
    assert take(store, NOW + 999) == []
    assert keys(take(store, NOW + 1000)) == ["R-3/card"]
    assert keys(take(store, NOW + 2500)) == ["R-4/card"]
    assert keys(take(store, NOW + 3000)) == ["R-5/card"]


def test_what_was_not_used_is_not_saved_up(store: Connection) -> None:
    many(store, 5)
    take(store, NOW, limit=1)
    assert len(take(store, NOW + 20_000)) == 2


def test_all_who_send_keep_one_pace_together(store: Connection, second: Connection) -> None:
    many(store, 3)
    assert len(take(store, NOW)) == 2
    assert take(second, NOW) == []
    assert len(take(second, NOW + 1000)) == 1


def test_the_pause_that_slack_asks_for_holds_the_place_and_no_other(store: Connection) -> None:
    request = cooling(store)
    give(store, *about("a2"))
    for until in (NOW + 1_000, NOW + 30_000):
        store.run_now(lambda tx, until=until: pace.pause(tx, "channel", until))
    store.run_now(lambda tx: pace.pause(tx, "channel", NOW + 5_000))  # a shorter one ends no longer
    assert take(store, NOW + 29_999) == []
    give(store, Veto(ANN, request.id, "No."), now=NOW + 1)
    at = NOW + 29_999
    assert {t.what for t in take(store, at)} == {
        "card",
        "direct",
    }  # the card is changed, not posted
    assert keys(take(store, NOW + 30_000))[0] == "R-1/5/thread"


def test_without_a_rate_nothing_waits(store: Connection) -> None:
    many(store, 9)
    tasks = store.run_now(lambda tx: outbox.lease(tx, NOW, NOW + LEASE))
    assert len(tasks) == 9


def test_a_card_in_slack_waits_for_no_reply(store: Connection) -> None:
    request = cooling(store)
    give(store, Veto(ANN, request.id, "No."))
    (reply,) = [t for t in take(store, NOW) if t.what == "thread"]
    store.run_now(lambda tx: outbox.put_off(tx, reply, NOW + 60_000, "locked", tried=False))
    store.run_now(lambda tx: outbox.refresh_card(tx, "R-1", NOW))
    assert "R-1/card" in keys(take(store, NOW + LEASE))


def test_a_card_that_was_overtaken_by_something_urgent_goes_before_the_others(
    store: Connection,
) -> None:
    many(store, 3)
    deliver(store)
    for id in ("R-1", "R-2", "R-3"):
        store.run_now(lambda tx, id=id: outbox.refresh_card(tx, id, NOW))
    give(store, Veto(ANN, "R-3", "No."))
    assert "R-3/card" in keys(take(store, NOW))
    urgency = dict(rows(store, "SELECT key, urgency FROM outbox WHERE what = 'card'"))
    assert urgency == {
        "R-1/card": Urgency.NEWS,
        "R-2/card": Urgency.NEWS,
        "R-3/card": Urgency.DECIDED,
    }


def test_a_first_card_goes_as_early_as_the_most_urgent_that_waits_for_it(
    store: Connection,
) -> None:
    many(store, 5)
    give(store, Veto(ANN, "R-5", "No."))
    assert "R-5/card" in keys(take(store, NOW))


def test_replies_that_wait_together_are_done_together(store: Connection) -> None:
    request = filed(store)
    give(store, approve(request, ANN))
    (card, *_) = take(store, NOW)
    store.run_now(lambda tx: outbox.finish(tx, card, ("C1", "1.0")))
    (reply,) = [t for t in take(store, NOW) if t.what == "thread"]
    also = store.run_now(lambda tx: outbox.behind(tx, reply.key, 9))
    assert [b.key for b in also] == ["R-1/2/thread", "R-1/3/thread"]
    assert store.run_now(lambda tx: outbox.behind(tx, reply.key, 1)) == also[:1]
    store.run_now(lambda tx: outbox.put(tx, [again(also[0].key, also[0].seq)]))
    assert store.run_now(lambda tx: outbox.finish(tx, reply, ("C1", "2.0"), also))
    assert rows(store, "SELECT key, ts FROM posts ORDER BY key") == [
        ("R-1/1/thread", "2.0"),
        ("R-1/2/thread", "2.0"),
        ("R-1/3/thread", "2.0"),
        ("R-1/card", "1.0"),
    ]
    assert store.run_now(lambda tx: outbox.told_by(tx, "R-1", ("C1", "2.0"))) == [1, 2, 3]
    # one was asked for again meanwhile
    left = rows(store, "SELECT key, place FROM outbox WHERE what = 'thread'")
    assert left == [("R-1/2/thread", "update")]


def again(key: str, seq: int) -> dict[str, object]:
    return dict(outbox.wish(key, "channel", "R-1", seq, "thread", "", NOW))


def test_who_lost_the_lease_finishes_nothing_behind_it_either(
    store: Connection, second: Connection
) -> None:
    request = filed(store)
    give(store, approve(request, ANN))
    deliver(store)
    give(store, Veto(ANN, request.id, "No."))
    (stale,) = [t for t in take(store, NOW + 1) if t.what == "thread"]
    give(store, *about("a2"))
    take(second, NOW + 1 + LEASE)
    also = store.run_now(lambda tx: outbox.behind(tx, stale.key, 9))
    before = rows(store, "SELECT key FROM posts ORDER BY key")
    assert not store.run_now(lambda tx: outbox.finish(tx, stale, ("C1", "9.0"), also))
    assert rows(store, "SELECT key FROM posts ORDER BY key") == before


def test_what_was_told_already_goes_with_no_other(store: Connection) -> None:
    """It is put in the place of what was told, not told once more."""
    filed(store)
    deliver(store)
    give(store, Veto(ANN, "R-1", "No."))
    store.run_now(lambda tx: outbox.put(tx, [again("R-1/1/thread", 1)]))
    (reply,) = [t for t in take(store, NOW) if t.key == "R-1/2/thread"]
    assert store.run_now(lambda tx: outbox.behind(tx, reply.key, 9)) == []


# --- what Slack did not take ----------------------------------------------------------------------


def fail(store: Connection, at: int, error: str = "token_revoked") -> Task:
    (task,) = [t for t in take(store, at) if t.key == "R-1/card"]
    store.run_now(lambda tx: outbox.put_off(tx, task, at + 1000, error, tried=False, failed_at=at))
    return task


def test_since_when_it_could_not_be_delivered_is_known_until_it_is(store: Connection) -> None:
    filed(store)
    fail(store, NOW)
    fail(store, NOW + 2_000)
    (card,) = take(store, NOW + 90_000)
    assert (card.failed_at, card.error) == (NOW, "token_revoked")

    def done(tx: object) -> None:
        assert outbox.finish(tx, card, ("C1", "1.0"))  # type: ignore[arg-type]
        undelivered.delivered(tx, card, 1, NOW + 90_000)  # type: ignore[arg-type]

    store.run_now(done)
    assert store.run_now(lambda tx: undelivered.of(tx, "R-1")) == [
        {"messages": 1, "error": "token_revoked", "since": NOW, "until": NOW + 90_000}
    ]
    again = next(t for t in take(store, NOW + 90_000) if t.what == "card")  # it says so
    assert again.failed_at is None


def test_what_only_waits_for_its_turn_has_not_failed(store: Connection) -> None:
    filed(store)
    (card,) = take(store, NOW)
    store.run_now(lambda tx: outbox.put_off(tx, card, NOW + 1000, "a pause", tried=False))
    (card,) = take(store, NOW + 1000)
    assert card.failed_at is None


def test_what_waits_is_counted_by_what_is_wrong(store: Connection) -> None:
    many(store, 2)
    fail(store, NOW)
    assert store.run_now(undelivered.everything) == [
        {"messages": 3, "error": "", "since": NOW},
        {"messages": 1, "error": "token_revoked", "since": NOW},
    ]
