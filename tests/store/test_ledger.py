"""Entries, and what is written with them: all or nothing, once, in one order."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from bot.core.commands import Approve, Expire, Query, Record, Restore, Start, Unclear, Veto
from bot.core.decide import Refused, decide
from bot.core.facts import Posted
from bot.core.request import Request
from bot.ledger.entry import Entry, LedgerBroken, Opening, read
from bot.store import ledger
from bot.store.tx import Duplicate, Stale, Tx
from tests.core.build import (
    AGENT,
    ANN,
    AWAY,
    BOB,
    FACTS,
    LEE,
    MANAGER,
    NOW,
    STANDARD,
    approve,
    file,
)

from .backends import Connection
from .build import LATER, about, cooling, everything, executed, filed, give, given, rows


def test_what_was_appended_is_read_back_as_it_was(store: Connection) -> None:
    request = give(store, approve(filed(store), ANN))
    assert store.run_now(lambda tx: ledger.request(tx, "R-1")) == request
    kinds = [event.kind for _, event in store.run_now(lambda tx: ledger.events(tx, "R-1"))]
    assert kinds == ["Filed", "Approved", "QuorumReached"]


def test_a_request_folded_before_is_only_folded_on(store: Connection) -> None:
    known = filed(store)
    after = give(store, approve(known, ANN))
    assert store.run_now(lambda tx: ledger.request(tx, "R-1", known)) == after
    assert store.run_now(lambda tx: ledger.request(tx, "R-1", after)) is after


def test_places_in_the_ledger_have_no_gaps(store: Connection) -> None:
    executed(store)
    seqs = rows(store, "SELECT seq FROM entries ORDER BY seq")
    versions = rows(store, "SELECT version FROM entries WHERE stream = 'R-1' ORDER BY version")
    assert seqs == versions == [(n,) for n in range(1, len(seqs) + 1)]


def test_entry_state_and_outbox_come_together(store: Connection) -> None:
    filed(store)
    assert rows(store, "SELECT kind FROM entries") == [("Filed",)]
    assert rows(store, "SELECT id, version FROM requests") == [("R-1", 1)]
    assert rows(store, "SELECT subject, holder FROM claims") == [("demo:a1", "R-1")]
    assert rows(store, "SELECT key FROM outbox ORDER BY id") == [("R-1/card",), ("R-1/1/thread",)]


class Interrupted(Exception):
    pass


def test_a_script_that_raises_leaves_nothing(store: Connection) -> None:
    request = filed(store)
    before = everything(store)

    def interrupted(tx: Tx) -> None:
        ledger.once(tx, "click/1", NOW)
        given(tx, approve(request, ANN))
        given(tx, *about("a2"))
        raise Interrupted

    with pytest.raises(Interrupted):
        store.run_now(interrupted)
    assert everything(store) == before
    assert give(store, approve(request, ANN)).version == 3  # and all works as if it had not been


def _approval(tx: Tx, before: Request, by: str) -> None:
    """Append what `by`'s approval leads to, as decided for `before` at some time earlier."""
    facts = replace(STANDARD, posted=Posted(card=True))
    ledger.append(tx, before.id, before, decide(before, approve(before, by), facts, NOW))


def test_who_decided_on_an_older_state_is_stale(store: Connection, second: Connection) -> None:
    request = filed(store)
    second.run_now(lambda tx: _approval(tx, request, ANN))
    before = everything(store)
    with pytest.raises(Stale):
        store.run_now(lambda tx: _approval(tx, request, BOB))
    assert everything(store) == before


def test_of_two_at_the_same_instant_exactly_one_is_first(
    store: Connection, second: Connection
) -> None:
    together = Barrier(2)

    def click(connection: Connection, request: Request, by: str) -> bool:
        together.wait()
        try:
            connection.run_now(lambda tx: _approval(tx, request, by))
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        for n in range(25):
            request = give(store, *about(f"a{n}"))
            clicks = [
                pool.submit(click, store, request, ANN),
                pool.submit(click, second, request, BOB),
            ]
            assert sorted(c.result() for c in clicks) == [False, True]
            after = store.run_now(lambda tx, id=request.id: ledger.request(tx, id))
            assert len(after.approvals) == 1


def test_who_was_stale_decides_again_and_is_counted(store: Connection, second: Connection) -> None:
    """As the engine does: read anew, decide anew. Two reviewers click at the same instant."""
    together = Barrier(2)

    facts = replace(FACTS, posted=Posted(card=True))

    def click(connection: Connection, known: Request, by: str) -> int:
        """How many times it took."""

        def decided(tx: Tx, seen: Request) -> None:
            ledger.append(tx, seen.id, seen, decide(seen, approve(seen, by), facts, NOW))

        together.wait()
        try:
            connection.run_now(lambda tx: decided(tx, known))
        except Stale:
            current = connection.run_now(lambda tx: ledger.request(tx, known.id))
            connection.run_now(lambda tx: decided(tx, current))
            return 2
        return 1

    request = give(store, file(), FACTS)  # of the top tier: it takes two
    with ThreadPoolExecutor(2) as pool:
        clicks = [
            pool.submit(click, store, request, ANN),
            pool.submit(click, second, request, LEE),
        ]
        assert sorted(c.result() for c in clicks) == [1, 2]
    after = store.run_now(lambda tx: ledger.request(tx, request.id))
    assert {a.by for a in after.approvals} == {ANN, LEE}
    assert after.quorum_at == NOW


def test_two_streams_at_the_same_instant_both_get_a_place(
    store: Connection, second: Connection
) -> None:
    together = Barrier(2)

    def ask(connection: Connection, n: int) -> None:
        together.wait()
        query = Query(MANAGER, f"state:open {n}", 0)
        connection.run_now(
            lambda tx: ledger.append(tx, ledger.AUDIT, None, decide(None, query, STANDARD, NOW))
        )

    with ThreadPoolExecutor(2) as pool:
        for n in range(25):
            for asked in [pool.submit(ask, store, n), pool.submit(ask, second, n)]:
                asked.result()
    assert rows(store, "SELECT count(*) AS n, max(seq) AS seq, max(version) AS v FROM entries") == [
        (50, 50, 50)
    ]


def test_a_delivery_counts_once(store: Connection, second: Connection) -> None:
    store.run_now(lambda tx: ledger.once(tx, "click/U1/approve/1.5", NOW))
    for connection in (store, second):
        with pytest.raises(Duplicate):
            connection.run_now(lambda tx: ledger.once(tx, "click/U1/approve/1.5", NOW))
    store.run_now(lambda tx: ledger.once(tx, "click/U1/approve/1.6", NOW))


def test_a_delivery_that_was_refused_is_not_kept(store: Connection) -> None:
    request = filed(store)

    def click(tx: Tx, by: str) -> None:
        ledger.once(tx, "click/1", NOW)
        given(tx, approve(request, by))

    with pytest.raises(Refused):
        store.run_now(lambda tx: click(tx, AGENT))
    assert rows(store, "SELECT * FROM deliveries") == []
    store.run_now(lambda tx: click(tx, ANN))
    assert rows(store, "SELECT key FROM deliveries") == [("click/1",)]


def test_deliveries_are_forgotten_long_after_they_could_come_again(store: Connection) -> None:
    for n, at in enumerate((NOW, NOW + 1, NOW + ledger.DELIVERIES_KEPT)):
        store.run_now(lambda tx, n=n, at=at: ledger.once(tx, f"click/{n}", at))
    store.run_now(lambda tx: ledger.forget_deliveries(tx, NOW + 1 + ledger.DELIVERIES_KEPT))
    assert rows(store, "SELECT key FROM deliveries ORDER BY key") == [("click/1",), ("click/2",)]


@pytest.mark.parametrize(
    "tampering",
    ["DELETE FROM entries", "UPDATE entries SET body = NULL", "UPDATE entries SET seq = seq + 9"],
)
def test_entries_stay_as_they_are(store: Connection, tampering: str) -> None:
    filed(store)
    before = everything(store)
    with pytest.raises(Exception, match="append-only"):
        store.run_now(lambda tx: tx.execute(tampering))
    assert everything(store) == before


def test_what_may_have_to_be_erased_stands_beside_the_entry_only(store: Connection) -> None:
    secret = "Sells pills to minors"
    grounds = file().grounds.model_copy(update={"what_happened": secret, "ticket": "TICKET-77"})
    request = give(store, file(grounds=grounds))
    give(store, Veto(BOB, request.id, "It is the wrong @president"))
    bodies = b"".join(b for (b,) in rows(store, "SELECT body FROM entries") if isinstance(b, bytes))
    for sealed in (secret, "TICKET-77", "@president", "demo", "wrong"):
        assert sealed.encode() not in bodies, sealed
    kept = " ".join(str(v) for (v,) in rows(store, "SELECT value FROM openings"))
    assert secret in kept
    assert "wrong @president" in kept


def test_an_erased_value_leaves_the_rest_readable(store: Connection) -> None:
    filed(store)
    store.run_now(lambda tx: tx.execute("DELETE FROM openings WHERE field = 'grounds'"))
    ((_, event),) = store.run_now(lambda tx: ledger.events(tx, "R-1"))
    assert event.kind == "Filed"
    assert event.grounds.value is None
    with pytest.raises(LookupError, match="erased"):
        _ = event.grounds.open


def test_a_value_that_is_not_the_one_sealed_stops_everything(store: Connection) -> None:
    filed(store)
    store.run_now(
        lambda tx: tx.execute("UPDATE openings SET value = '\"x\"' WHERE field = 'grounds'")
    )
    with pytest.raises(LedgerBroken, match="not the one sealed"):
        store.run_now(lambda tx: ledger.request(tx, "R-1"))


def test_the_stored_bytes_are_those_that_were_hashed(store: Connection) -> None:
    filed(store)
    ((seq, body),) = rows(store, "SELECT seq, body FROM entries")
    openings = [
        Opening(*row)
        for row in rows(store, "SELECT field, salt, value FROM openings")  # type: ignore[arg-type]
    ]
    entry = Entry(1, "R-1", 1, body)  # type: ignore[arg-type]
    event = read(entry, openings)
    assert (seq, event) == (1, store.run_now(lambda tx: ledger.event_at(tx, 1)))


# --- one request for each subject ---------------------------------------------------------------


def test_a_subject_is_held_by_one_request(store: Connection, second: Connection) -> None:
    filed(store)
    held = replace(STANDARD, next_id="R-2")
    happened = decide(None, file(), held, NOW)
    for connection in (store, second):
        with pytest.raises(Stale):
            connection.run_now(lambda tx: ledger.append(tx, "R-2", None, happened))
    assert rows(store, "SELECT holder FROM claims") == [("R-1",)]
    assert rows(store, "SELECT id FROM requests") == [("R-1",)]


def test_the_closing_event_releases_the_subject(store: Connection) -> None:
    request = filed(store)
    give(store, Veto(ANN, request.id, "No."))
    assert rows(store, "SELECT * FROM claims") == []
    assert give(store, file()).id == "R-2"


def test_an_unknown_effect_keeps_the_subject_and_its_restore_takes_it_over(
    store: Connection,
) -> None:
    request = cooling(store)
    give(store, Start(request.id), now=LATER)
    give(store, Record(request.id, 1, Unclear("It timed out.")), now=LATER)
    assert rows(store, "SELECT holder FROM claims") == [("R-1",)]
    restore = give(store, Restore(ANN, "R-1", "A mistake."), AWAY, now=LATER)
    assert restore.undoes == "R-1"
    assert rows(store, "SELECT holder FROM claims") == [("R-2",)]


def test_a_restore_that_ends_without_effect_gives_the_subject_back_to_the_unknown_request(
    store: Connection,
) -> None:
    request = cooling(store)
    give(store, Start(request.id), now=LATER)
    give(store, Record(request.id, 1, Unclear("It timed out.")), now=LATER)
    restore = give(store, Restore(ANN, "R-1", "A mistake."), AWAY, now=LATER)
    assert restore.run_by is not None
    give(store, Expire("R-2"), now=restore.run_by)
    assert rows(store, "SELECT holder FROM claims") == [("R-1",)]


def test_a_restore_takes_no_subject_that_another_request_holds(store: Connection) -> None:
    executed(store)
    undone = decide(
        store.run_now(lambda tx: ledger.request(tx, "R-1")),
        Restore(ANN, "R-1", "A mistake."),
        replace(AWAY, next_id="R-3"),
        NOW,
    )
    assert give(store, file()).id == "R-2"
    with pytest.raises(Stale):
        store.run_now(lambda tx: ledger.append(tx, "R-3", None, undone))
    assert rows(store, "SELECT holder FROM claims") == [("R-2",)]


def test_an_approval_for_no_request_is_refused_before_anything_is_written(
    store: Connection,
) -> None:
    with pytest.raises(Refused):
        give(store, Approve(ANN, "R-9", 1, "00000000"))
    assert all(not found for found in everything(store).values())
