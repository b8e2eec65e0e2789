"""No answer without its entry: in Slack for managers, on the machine for whoever is on it."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from bot.audit.answer import Requests
from bot.audit.ask import ask, ask_on_host
from bot.audit.query import BadQuery
from bot.core.commands import Query, Retract, Veto
from bot.core.decide import Refused
from bot.core.events import Queried
from bot.store import ledger
from bot.store.sqlite import SqliteStore, SqliteVisit
from bot.store.tx import StoreError

from .trail import AGENT, ANN, BOB, MANAGER, MINUTE, OTHER_AGENT, Trail


def asked(trail: Trail) -> list[tuple[str, str, int]]:
    return [
        (e.by, e.query.open.text, e.answered) for e in trail.entries() if isinstance(e, Queried)
    ]


# --- in Slack --------------------------------------------------------------------------------


async def test_a_managers_query_is_an_entry(trail: Trail) -> None:
    await trail.filed()
    await ask(trail.engine, MANAGER, "state:open", delivery="1")
    await ask(trail.engine, MANAGER, "", delivery="2")
    await ask(trail.engine, MANAGER, "help", delivery="3")
    await ask(trail.engine, MANAGER, "R-7", delivery="4")
    assert asked(trail) == [
        (MANAGER, "state:open", 1),
        (MANAGER, "", 1),
        (MANAGER, "help", 0),
        (MANAGER, "R-7", 0),
    ]


async def test_every_page_is_an_entry(trail: Trail) -> None:
    for n in range(9):
        await trail.filed(f"a{n}")
    first = await ask(trail.engine, MANAGER, "state:open", delivery="1")
    then = first.query.asked
    trail.clock.skip(MINUTE)
    await trail.filed("later")
    second = await ask(trail.engine, MANAGER, "state:open", delivery="2", page=2, asked=then)
    assert isinstance(second.body, Requests)
    assert [line.id for line in second.body.lines] == ["R-1"]
    assert asked(trail) == [(MANAGER, "state:open", 8), (MANAGER, "state:open (page 2)", 1)]


@pytest.mark.parametrize("person", [AGENT, ANN])
async def test_nobody_else_is_answered_in_slack(trail: Trail, person: str) -> None:
    with pytest.raises(Refused, match="Only managers"):
        await ask(trail.engine, person, "", delivery="1")
    assert asked(trail) == []


async def test_nothing_is_looked_up_for_who_may_not_ask(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.audit.ask.answer", None)
    with pytest.raises(Refused, match="Only managers"):
        await ask(trail.engine, AGENT, "", delivery="1")


async def test_a_replayed_query_is_not_answered_again(trail: Trail) -> None:
    await ask(trail.engine, MANAGER, "", delivery="1")
    with pytest.raises(Refused, match="already"):
        await ask(trail.engine, MANAGER, "", delivery="1")
    assert len(asked(trail)) == 1


async def test_what_is_not_understood_is_no_entry(trail: Trail) -> None:
    with pytest.raises(BadQuery):
        await ask(trail.engine, MANAGER, "stat:open", delivery="1")
    assert asked(trail) == []


# --- on the machine --------------------------------------------------------------------------


async def test_a_query_on_the_machine_is_an_entry_of_its_user(trail: Trail) -> None:
    await trail.filed()
    visit = SqliteVisit(trail.path)
    ask_on_host(visit, trail.clock, "alice", "state:open")
    visit.close()
    assert asked(trail) == [("host:alice", "state:open", 1)]


async def test_a_file_is_not_asked_for_on_the_machine_but_made_there(trail: Trail) -> None:
    visit = SqliteVisit(trail.path)
    with pytest.raises(BadQuery, match="nolone audit export FILE"):
        ask_on_host(visit, trail.clock, "alice", "export format:csv")
    visit.close()
    assert asked(trail) == []


async def test_a_worker_is_no_user_of_the_machine(trail: Trail) -> None:
    with pytest.raises(Refused):
        await trail.engine.handle(Query("worker", "", 0))


async def test_another_process_asks_while_the_bot_runs_and_writes(trail: Trail) -> None:
    """The one holds the lock file and goes on filing; the others ask, and all of it is kept."""
    await trail.filed("first")

    async def beside(n: int) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("beside.py")),
            *(str(trail.path), f"user{n}", "account:first", str(trail.now)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def file_on() -> None:
        for n in range(60):
            await trail.filed(f"more{n}")
            await asyncio.sleep(0.01)

    *told, _ = await asyncio.gather(*(beside(n) for n in range(3)), file_on())
    for text in told:
        assert text.startswith(
            "1 request: 1 open\nR-1  deactivate  @first  standard  open  by U01AGENT"
        )
    assert sorted(asked(trail)) == [(f"host:user{n}", "account:first", 1) for n in range(3)]
    (row,) = trail.store.run_now(
        lambda tx: tx.query("SELECT count(*) AS n, max(seq) AS last FROM entries")
    )
    assert row["n"] == row["last"] == 1 + 61 + 3  # the policy, the requests, the queries


async def test_a_query_waits_for_a_transaction_of_the_bot(trail: Trail) -> None:
    other = sqlite3.connect(trail.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    visit = SqliteVisit(trail.path)  # opening it takes no lock
    loop = asyncio.get_running_loop()
    loop.call_later(0.2, other.execute, "ROLLBACK")
    await asyncio.to_thread(_ask_in_a_connection_of_its_own, trail)
    assert asked(trail) == [("host:bob", "", 0)]
    visit.close()
    other.close()


def _ask_in_a_connection_of_its_own(trail: Trail) -> None:
    visit = SqliteVisit(trail.path)
    ask_on_host(visit, trail.clock, "bob", "")
    visit.close()


async def test_without_an_entry_there_is_no_answer(trail: Trail) -> None:
    visit = SqliteVisit(trail.path)
    trail.store.run_now(
        lambda tx: tx.execute(
            "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    )
    with pytest.raises(sqlite3.IntegrityError, match="no room"):
        ask_on_host(visit, trail.clock, "alice", "")
    visit.close()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        SqliteVisit(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello " * 500)
    with pytest.raises(StoreError, match="cannot be used as a database"):
        SqliteVisit(tmp_path / "text.db")


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db")
    with pytest.raises(StoreError, match="nolone migrate"):
        SqliteVisit(store.path)
    store.migrate()
    store.run_now(
        lambda tx: tx.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('nolone', '9999 later', '2030')"
        )
    )
    with pytest.raises(StoreError, match="newer version"):
        SqliteVisit(store.path)
    store.close()


async def test_where_the_bot_never_ran_there_is_no_trail(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "empty.db")
    visit = SqliteVisit(trail.path)
    with pytest.raises(StoreError, match="There is no trail yet"):
        ask_on_host(visit, trail.clock, "alice", "")
    visit.close()
    assert trail.store.run_now(ledger.newest) == 0
    trail.close()


# --- one's own -------------------------------------------------------------------------------


async def mine(trail: Trail, person: str, text: str = "mine") -> list[str]:
    delivery = f"{person}/{text}/{len(asked(trail))}"
    found = await ask(trail.engine, person, text, delivery=delivery)
    assert isinstance(found.body, Requests)
    return [line.id for line in found.body.lines]


async def test_agents_and_reviewers_may_ask_for_what_they_filed_or_decided_on(
    trail: Trail,
) -> None:
    await trail.approved(await trail.filed("a"))
    await trail.filed("b", by=OTHER_AGENT)
    await trail.give(Veto(ANN, "R-2", "A parody."))
    await trail.give(Retract(ANN, "R-1"))
    await trail.filed("c")
    assert await mine(trail, AGENT) == ["R-3", "R-1"]
    assert await mine(trail, OTHER_AGENT) == ["R-2"]
    assert await mine(trail, ANN) == ["R-2", "R-1"]
    assert await mine(trail, BOB) == await mine(trail, MANAGER) == []
    assert asked(trail)[:3] == [(AGENT, "mine", 2), (OTHER_AGENT, "mine", 1), (ANN, "mine", 2)]


async def test_what_is_mine_is_filtered_like_anything_else(trail: Trail) -> None:
    for handle in ("a", "b", "c", "d"):
        await trail.filed(handle, what=f"Number {handle}.")
    await trail.filed("e", by=OTHER_AGENT)
    for id in ("R-1", "R-2", "R-5"):
        await trail.give(Veto(ANN, id, "A parody."))
    assert await mine(trail, AGENT, "mine state:vetoed") == ["R-2", "R-1"]
    assert await mine(trail, AGENT, "mine limit:3") == ["R-4", "R-3", "R-2"]
    assert await mine(trail, ANN, "mine parody limit:2") == ["R-5", "R-2"]
    assert await mine(trail, AGENT, "mine words:b") == ["R-2"]
    assert await mine(trail, ANN, f"mine by:{AGENT}") == ["R-2", "R-1"]
    assert await mine(trail, AGENT, f"mine reviewer:{ANN}") == ["R-2", "R-1"]
    assert await mine(trail, AGENT, f"mine by:{OTHER_AGENT}") == []


async def test_who_has_no_part_in_requests_learns_who_has(trail: Trail) -> None:
    with pytest.raises(Refused, match=f"Only agents and reviewers .* <@{AGENT}>"):
        await mine(trail, "U07GUEST")
    with pytest.raises(Refused, match="/audit mine"):
        await mine(trail, AGENT, "state:open")
    assert asked(trail) == []


async def test_on_the_machine_nothing_is_mine(trail: Trail) -> None:
    visit = SqliteVisit(trail.path)
    with pytest.raises(BadQuery, match="mine is for people in Slack"):
        ask_on_host(visit, trail.clock, "alice", "mine")
    visit.close()
    assert asked(trail) == []
