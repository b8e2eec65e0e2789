"""`/readyz`: a replica is taken out for what keeps it from taking a click, and for nothing else."""

import asyncio

import aiohttp
import psycopg
import pytest

from bot import health
from bot.sandbox.slack import ServerError
from bot.sandbox.world import REVIEW, World
from bot.store.sqlite import SqliteStore
from bot.store.tx import StoreError
from stories.scraping import not_well, ready
from stories.telling import HOUR, MINUTE, OMAR, SECOND, TESSA, Story

ASKED = {
    "database",
    "schema",
    "worker",
    "slack",
    "platform demo",
    "messages",
    "anchors",
}


async def test_a_bot_that_is_well_says_so_check_by_check(s: Story) -> None:
    await s.executed()
    status, said = await ready(s)
    assert (status, said["state"]) == (200, "ok")
    assert set(said["checks"]) == ASKED
    assert not_well(said) == {}


async def test_a_message_that_is_not_delivered_keeps_no_veto_out(s: Story) -> None:
    await s.file()
    s.ws.archive(REVIEW)
    await s.hand(TESSA).click(s.card(), "approve")
    await s.settle()
    status, said = await ready(s)
    assert (status, said["state"]) == (200, "degraded")
    assert not_well(said) == {"messages": "degraded"}
    assert "card of R-1/4 is not delivered: is_archived" in said["checks"]["messages"]["why"]


async def test_a_platform_that_is_down_keeps_no_veto_out(s: Story) -> None:
    await s.cooling_off()
    s.w.platform.faults.down = True
    status, said = await ready(s)
    assert (status, not_well(said)) == (200, {"platform demo": "degraded"})
    assert "broke" in said["checks"]["platform demo"]["why"][0]
    await s.veto(OMAR)
    assert "Vetoed" in s.says()
    s.w.platform.faults.clear()
    await s.skip(2 * MINUTE)
    status, said = await ready(s)
    assert (status, not_well(said)) == (200, {})


async def test_a_platform_is_not_asked_each_time(s: Story) -> None:
    await asyncio.gather(*(ready(s) for _ in range(5)))
    s.w.platform.faults.down = True
    assert not_well((await ready(s))[1]) == {}  # what was heard a moment ago will do
    s.w.clock.skip(2 * MINUTE)
    assert not_well((await ready(s))[1]) == {"platform demo": "degraded"}


async def test_slack_that_does_nothing_for_minutes_is_told_with_its_word(s: Story) -> None:
    s.w.slack.set_token_error("token_revoked")
    assert "slack" not in not_well((await ready(s))[1])
    for _ in range(3):
        s.w.clock.skip(2 * MINUTE)
        status, said = await ready(s)
    assert (status, said["checks"]["slack"]["state"]) == (200, "degraded")
    assert said["checks"]["slack"]["why"] == ["it has done nothing for 6 minutes: token_revoked"]
    s.w.slack.set_token_error(None)
    s.w.clock.skip(2 * MINUTE)
    await ready(s)
    assert "slack" not in not_well((await ready(s))[1])


async def test_slack_is_asked_only_where_nothing_else_was_asked_of_it(s: Story) -> None:
    def asked() -> int:
        return sum(call.method == "auth.test" for call in s.w.slack.calls)

    await s.file()
    before = asked()
    await asyncio.gather(*(ready(s) for _ in range(5)))
    assert asked() == before
    s.w.clock.skip(2 * MINUTE)
    await asyncio.gather(*(ready(s) for _ in range(5)))
    assert asked() == before + 1


async def test_a_database_that_takes_no_write_takes_the_replica_out(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = Story(w)
    full = StoreError("nolone.db could not be written to: database or disk is full")

    async def fail(*_: object, **__: object) -> None:
        raise full

    monkeypatch.setattr(s.w.store, "run", fail)
    status, said = await ready(s)
    assert (status, said["state"]) == (503, "wrong")
    assert said["checks"]["database"] == {"state": "wrong", "why": [str(full)]}


async def test_a_read_only_database_is_seen(w: World) -> None:
    """It can be read as ever: only a real write tells."""
    s = Story(w)
    await s.calm()

    store = s.w.store
    if isinstance(store, SqliteStore):
        only = "PRAGMA query_only = {}"

        def read(only: str) -> None:
            store._thread.submit(lambda: store._db.conn.execute(only)).result()
    else:
        only = "SET default_transaction_read_only = {}"

        def read(only: str) -> None:
            store.run_now(lambda tx: tx.execute(only))

    read(only.format("on"))
    status, said = await ready(s)
    read(only.format("off"))
    assert (status, said["checks"]["database"]["state"]) == (503, "wrong")
    assert (await ready(s))[1]["checks"]["database"]["state"] == "ok"


async def test_a_database_that_hangs_is_not_waited_for(
    s: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWER_WITHIN", 0.2)
    held, let_go = asyncio.Event(), asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        held.set()
        await let_go.wait()

    monkeypatch.setattr(s.w.store, "run", hang)
    async with asyncio.timeout(2):
        status, said = await ready(s)
    assert held.is_set()
    assert (status, said["checks"]["database"]["state"]) == (503, "wrong")
    let_go.set()


async def test_a_schema_of_another_version_takes_the_replica_out(
    s: Story, caplog: pytest.LogCaptureFixture
) -> None:
    lite = isinstance(s.w.store, SqliteStore)
    applied, also = ("_sqlite_migrations", "migration_set, ") if lite else ("nolone_migrations", "")
    run = s.w.store.run
    await run(
        lambda tx: tx.execute(f"UPDATE {applied} SET name = '0099' WHERE name = '0005 stats'")
    )
    if lite:
        status, said = await ready(s)
        assert (status, said["checks"]["schema"]["state"]) == (503, "wrong")
        assert "nolone migrate" in said["checks"]["schema"]["why"][0]
    await run(
        lambda tx: tx.execute(
            f"INSERT INTO {applied} ({also}name, applied_at)"
            f" SELECT {also}'0005 stats', applied_at FROM {applied} WHERE name = '0099'"
        )
    )
    s.w.clock.skip(2 * MINUTE)
    status, said = await ready(s)
    assert (status, said["checks"]["schema"]["state"]) == (503, "wrong")
    assert "was made by a newer version (0099)" in said["checks"]["schema"]["why"][0]
    if not lite:  # nothing else could be done in it
        with psycopg.connect(s.w.store.address, autocommit=True) as connection:
            connection.execute("DELETE FROM nolone_migrations WHERE name = '0099'")
        await s.settle()
    caplog.clear()  # the worker says so too


async def test_a_worker_that_stands_still_takes_the_replica_out(s: Story) -> None:
    s.w.bot.worker.round = _stuck  # type: ignore[method-assign]
    s.w.clock.skip(60 * SECOND)
    assert (await ready(s))[0] == 200
    s.w.clock.skip(40 * SECOND)
    status, said = await ready(s)
    assert status == 503
    assert said["checks"]["worker"]["why"] == [
        "the worker has not gone round for 100 s: restart the bot"
    ]


async def _stuck() -> None:
    await asyncio.Event().wait()


async def test_a_worker_that_has_ended_takes_the_replica_out(s: Story) -> None:
    s.w.bot.worker.stop(StoreError("the disk is gone"))
    await asyncio.wait({s.w.bot.working})
    status, said = await ready(s)
    assert (status, not_well(said)) == (503, {"worker": "wrong"})


async def test_an_anchor_that_keeps_nothing_new_keeps_no_veto_out(s: Story) -> None:
    s.w.slack.fail("webhook", *[ServerError(503)] * 50)
    await s.file()
    for _ in range(7):
        await s.skip(MINUTE)
    status, said = await ready(s)
    assert status == 200
    assert not_well(said).get("anchors") == "degraded"
    why = said["checks"]["anchors"]["why"]
    assert any("it keeps nothing of the last" in w for w in why), why
    await s.veto(OMAR)
    assert "Vetoed" in s.says()


async def test_health_is_that_the_process_answers(s: Story) -> None:
    s.w.bot.worker.stop(StoreError("the disk is gone"))
    s.w.clock.skip(HOUR)
    async with aiohttp.ClientSession() as session:
        assert (await session.get(f"{s.w.url}/healthz")).status == 200
