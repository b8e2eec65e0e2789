"""What has to be done outside: leased, fenced, in order, and never forgotten."""

from dataclasses import replace

from bot.core.commands import Start, Veto
from bot.core.decide import decide
from bot.store import due, ledger, outbox
from bot.store.facts import posted as is_posted
from bot.store.tx import Tx
from tests.core.build import ANN, BOB, FACTS, MANAGER, NOW, approve, exported, group

from .backends import Connection
from .build import LATER, LEASE, about, cooling, deliver, filed, give, lease, rows

END = NOW + LEASE


def test_a_leased_row_is_nobody_elses_until_the_lease_ends(
    store: Connection, second: Connection
) -> None:
    filed(store)
    (card,) = lease(store)
    assert card.key == "R-1/card"
    assert lease(store) == []
    assert lease(second, END - 1) == []
    (again,) = lease(second, END)
    assert (again.id, again.fence) == (card.id, card.fence + 1)


def test_who_lost_the_lease_may_do_nothing_any_more(store: Connection, second: Connection) -> None:
    filed(store)
    (stale,) = lease(store)
    (held,) = lease(second, END)
    assert not store.run_now(lambda tx: outbox.trying(tx, stale, END))
    assert not store.run_now(lambda tx: outbox.finish(tx, stale, ("C1", "1.0")))
    store.run_now(lambda tx: outbox.put_off(tx, stale, END + 99, "late", tried=True))
    assert rows(store, "SELECT tried, error, due_at FROM outbox WHERE id = :id", id=held.id) == [
        (0, None, NOW)
    ]
    assert rows(store, "SELECT * FROM posts") == []
    assert second.run_now(lambda tx: outbox.trying(tx, held, END))
    assert second.run_now(lambda tx: outbox.finish(tx, held, ("C1", "2.0")))
    assert rows(store, "SELECT ts FROM posts") == [("2.0",)]


def test_a_lease_that_has_ended_is_no_leave_to_try_even_if_nobody_took_it(
    store: Connection,
) -> None:
    filed(store)
    (task,) = lease(store)
    assert not store.run_now(lambda tx: outbox.trying(tx, task, END))
    assert store.run_now(lambda tx: outbox.trying(tx, task, END - 1))


def test_each_stream_and_lane_keeps_its_order(store: Connection) -> None:
    request = filed(store)
    give(store, approve(request, ANN))
    # the thread's replies wait for the card, the direct message for nothing
    assert [t.key for t in lease(store)] == ["R-1/card", "R-1/2/direct/U02ANN"]
    told = [t.key for t in deliver(store, END)]
    in_channel = [key for key in told if "direct" not in key]
    assert in_channel == ["R-1/card", "R-1/1/thread", "R-1/2/thread", "R-1/3/thread"]


def test_one_stream_does_not_wait_for_another(store: Connection) -> None:
    filed(store)
    give(store, *about("a2"))
    assert [t.key for t in lease(store)] == ["R-1/card", "R-2/card"]


def test_nobodys_file_waits_for_anothers(store: Connection) -> None:
    facts = replace(FACTS, managers=group(MANAGER, BOB))
    for by in (MANAGER, MANAGER, BOB):
        (event,) = decide(None, exported(by), facts, NOW)
        store.run_now(lambda tx, event=event: ledger.append(tx, ledger.AUDIT, None, [event]))
    assert [t.key for t in lease(store)] == ["audit/1/file", "audit/3/file"]
    assert [t.key for t in lease(store, END)] == ["audit/1/file", "audit/3/file"]


def test_a_row_that_was_put_off_keeps_back_those_behind_it(store: Connection) -> None:
    filed(store)
    (card,) = lease(store)
    store.run_now(lambda tx: outbox.put_off(tx, card, NOW + 5_000, "Slack is away", tried=True))
    assert lease(store, NOW + 4_999) == []
    assert store.run_now(due.next_event) == NOW + 5_000
    (again,) = lease(store, NOW + 5_000)
    assert again.tried
    assert store.run_now(outbox.backlog)[0]["error"] == "Slack is away"


def test_orders_go_first(store: Connection) -> None:
    request = cooling(store)
    give(store, *about("a2"))
    give(store, Start(request.id), now=LATER)
    first, *rest = lease(store, LATER)
    assert first.what == "execute"
    assert sorted(t.key for t in rest) == ["R-1/5/thread", "R-1/card", "R-2/card"]
    (alone,) = lease(store, LATER + LEASE, limit=1)
    assert alone.what == "execute"


def test_the_card_is_one_row_that_wants_the_newest_state(store: Connection) -> None:
    request = filed(store)
    give(store, approve(request, ANN))
    cards = rows(store, "SELECT key, seq FROM outbox WHERE what = 'card'")
    assert cards == [("R-1/card", 3)]


def test_a_card_that_was_overtaken_while_it_was_sent_is_sent_again(store: Connection) -> None:
    request = filed(store)
    (card,) = lease(store)
    assert store.run_now(lambda tx: outbox.trying(tx, card, NOW))
    give(store, approve(request, ANN))
    assert store.run_now(lambda tx: outbox.finish(tx, card, ("C1", "1.0")))
    assert store.run_now(lambda tx: outbox.post(tx, "R-1/card")) == ("C1", "1.0")
    again = next(t for t in lease(store) if t.what == "card")
    assert (again.seq, again.tried, again.attempts) == (3, False, 0)


def test_a_card_that_shows_something_else_in_the_same_state_is_sent_again(
    store: Connection,
) -> None:
    filed(store)
    (card,) = lease(store)
    store.run_now(lambda tx: outbox.refresh_card(tx, "R-1", NOW))  # with no new entry
    assert store.run_now(lambda tx: outbox.finish(tx, card, ("C1", "1.0")))
    again, _ = sorted(lease(store), key=lambda task: task.what)
    assert (again.key, again.seq) == (card.key, card.seq)
    assert store.run_now(lambda tx: outbox.finish(tx, again, ("C1", "1.0")))
    assert "R-1/card" not in [t.key for t in lease(store)]


def test_a_card_that_was_put_off_and_is_wanted_anew_is_due_at_once(store: Connection) -> None:
    request = filed(store)
    (card,) = lease(store)
    store.run_now(lambda tx: outbox.put_off(tx, card, NOW + 60_000, "away", tried=False))
    give(store, approve(request, ANN), now=NOW + 1)
    assert "R-1/card" in [t.key for t in lease(store, NOW + 1)]


def test_after_a_crash_no_lease_is_waited_for(store: Connection) -> None:
    filed(store)
    (card,) = lease(store)
    assert store.run_now(lambda tx: outbox.trying(tx, card, NOW))
    store.run_now(due.free_leases)
    (again,) = lease(store)
    assert (again.key, again.tried, again.fence) == (card.key, True, card.fence + 1)
    assert not store.run_now(lambda tx: outbox.finish(tx, card))


def test_a_message_that_was_deleted_is_forgotten(store: Connection) -> None:
    filed(store)
    deliver(store)
    assert store.run_now(lambda tx: outbox.post(tx, "R-1/card")) is not None
    store.run_now(lambda tx: outbox.forget_post(tx, "R-1/card"))
    assert store.run_now(lambda tx: outbox.post(tx, "R-1/card")) is None


# --- when something is due ------------------------------------------------------------------------


def test_nothing_waits_in_an_empty_database(store: Connection) -> None:
    assert store.run_now(due.next_event) is None
    assert store.run_now(lambda tx: due.due_requests(tx, LATER, LATER + LEASE)) == []


def test_the_next_event_is_the_earliest_of_rows_and_requests(store: Connection) -> None:
    request = filed(store)
    assert store.run_now(due.next_event) == NOW  # the card
    lease(store)
    assert store.run_now(due.next_event) == END  # its lease; the thread's reply is behind it
    deliver(store, END)
    assert store.run_now(due.next_event) == request.deadline
    give(store, approve(request, ANN))
    deliver(store, END)
    assert store.run_now(due.next_event) == LATER  # the end of the cool-off
    give(store, Veto(BOB, request.id, "No."), now=END)
    deliver(store, END)
    assert store.run_now(due.next_event) is None


def test_a_due_request_is_taken_once_and_is_due_again_if_nothing_comes_of_it(
    store: Connection, second: Connection
) -> None:
    cooling(store)
    assert store.run_now(lambda tx: due.due_requests(tx, LATER - 1, LATER + LEASE)) == []
    assert store.run_now(lambda tx: due.due_requests(tx, LATER, LATER + LEASE)) == ["R-1"]
    assert second.run_now(lambda tx: due.due_requests(tx, LATER, LATER + LEASE)) == []
    again = LATER + LEASE
    assert second.run_now(lambda tx: due.due_requests(tx, again, again + 1)) == ["R-1"]


def test_looking_again_sets_when_a_request_is_due(store: Connection) -> None:
    cooling(store)
    store.run_now(lambda tx: due.look_again(tx, "R-1", NOW + 7))
    assert store.run_now(lambda tx: due.due_requests(tx, NOW + 7, LATER)) == ["R-1"]


def test_a_look_that_was_asked_for_meanwhile_is_not_put_off(store: Connection) -> None:
    request = cooling(store)
    assert store.run_now(lambda tx: due.due_requests(tx, LATER, LATER + LEASE)) == ["R-1"]
    version, again = request.version, LATER + 1_000

    def put_off(tx: Tx) -> None:
        due.look_again_unless_changed(tx, "R-1", version, again, LATER)

    store.run_now(lambda tx: due.look_again(tx, "R-1", LATER))  # as when its notice is in Slack
    store.run_now(put_off)
    assert store.run_now(lambda tx: due.due_requests(tx, LATER, LATER + LEASE)) == ["R-1"]
    store.run_now(put_off)
    assert store.run_now(lambda tx: due.due_requests(tx, again - 1, LATER + LEASE)) == []
    assert store.run_now(lambda tx: due.due_requests(tx, again, LATER + LEASE)) == ["R-1"]


def test_a_request_that_has_gone_on_is_not_put_off(store: Connection) -> None:
    request = cooling(store)
    store.run_now(
        lambda tx: due.look_again_unless_changed(tx, "R-1", request.version - 1, NOW + 7, NOW)
    )
    assert store.run_now(lambda tx: due.due_requests(tx, LATER - 1, LATER + LEASE)) == []


def test_the_card_and_the_notice_of_this_round_are_known_to_be_in_slack(store: Connection) -> None:
    request = filed(store)
    posted = store.run_now(lambda tx: is_posted(tx, request, 2))
    assert (posted.card, posted.notice) == (False, False)
    deliver(store)
    posted = store.run_now(lambda tx: is_posted(tx, request, 2))
    assert (posted.card, posted.notice) == (True, False)
    request = give(store, approve(request, ANN))
    deliver(store)
    posted = store.run_now(lambda tx: is_posted(tx, request, 2))
    assert (posted.card, posted.notice, posted.anchored) == (True, True, False)
    quorum = store.run_now(lambda tx: ledger.last_seq(tx, request.id))
    assert store.run_now(lambda tx: is_posted(tx, request, quorum)).anchored


def test_a_lease_of_a_row_that_is_gone_fits_no_later_row(store: Connection) -> None:
    filed(store)
    (old,) = lease(store, limit=1)
    assert store.run_now(lambda tx: outbox.finish(tx, old))
    deliver(store)
    give(store, Veto(ANN, "R-1", "No."))
    (new,) = lease(store, limit=1)
    assert new.id != old.id
    assert not store.run_now(lambda tx: outbox.finish(tx, old))
