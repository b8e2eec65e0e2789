"""What the sandbox does behind the bot's back, and what verifying finds of it."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.core.commands import Veto
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.verify import Fault, Kept
from bot.sandbox.tampering import NothingToTamperWith, Way, tamper
from bot.store.sqlite import SqliteVisit
from bot.store.trail import Trail as Log
from bot.store.trail import verify_trail
from tests.audit.trail import ANN, BOB, POLICY, Trail

NAMES = {"U02REV": "Tessa", "U03REV": "Omar", ANN: "Ann", "U01AGENT": "Bruno"}


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[Trail]:
    made = Trail(tmp_path / "nolone.db")
    await made.engine.adopt(POLICY)
    yield made
    made.close()


def found(path: Path, *against: Kept) -> list[tuple[Fault, int | None]]:
    visit = SqliteVisit(path)
    try:
        verified = visit.look(lambda tx: verify_trail(tx, against))
    finally:
        visit.close()
    return [(f.fault, f.entry) for f in verified.findings]


async def test_an_edit_changes_who_decided_and_is_found(trail: Trail) -> None:
    await trail.executed()
    assert found(trail.path) == []
    said = tamper(trail.path, Way.EDIT, NAMES)
    assert said == "Entry 3 said that Ann approved R-1. Now it says Tessa."
    with closing(sqlite3.connect(trail.path)) as db:
        ((actor, body),) = db.execute("SELECT actor, body FROM entries WHERE seq = 3")
    assert (actor, json.loads(body)["actor"]) == ("U02REV", "U02REV")
    assert found(trail.path) == [(Fault.EDITED, 3)]


async def test_a_deleted_entry_is_missed(trail: Trail) -> None:
    await trail.executed()
    assert tamper(trail.path, Way.DELETE, NAMES) == (
        "Entry 3 said that Ann approved R-1. It is gone."
    )
    assert found(trail.path) == [(Fault.MISSING, 3)]


async def test_the_newest_entry_deleted_is_a_trail_cut_off(trail: Trail) -> None:
    await trail.filed()
    assert tamper(trail.path, Way.DELETE, NAMES).startswith("Entry 2 said that Bruno filed R-1.")
    assert found(trail.path) == [(Fault.TRUNCATED, 2)]


@pytest.mark.parametrize("stage", ["filed", "approved", "vetoed", "executed"])
async def test_what_is_made_to_fit_is_told_by_a_kept_checkpoint_and_by_nothing_else(
    trail: Trail, stage: str
) -> None:
    if stage == "executed":
        await trail.executed()
    else:
        request = await trail.filed()
        if stage != "filed":
            await trail.approved(request, BOB)
        if stage == "vetoed":
            await trail.give(Veto(ANN, "R-1", "No."))
    size, root = trail.store.run_now(lambda tx: ((log := Log(tx)).size, log.root(log.size)))
    kept = Kept("a kept checkpoint", Checkpoint("test", size, root))
    assert found(trail.path, kept) == []
    said = tamper(trail.path, Way.REWRITE, NAMES)
    assert said.endswith("The tree over all entries was made anew, and everything fits.")
    assert found(trail.path) == []
    assert found(trail.path, kept) == [(Fault.FORKED, None)]


async def test_what_is_gone_cannot_be_made_to_fit(trail: Trail) -> None:
    await trail.executed()
    tamper(trail.path, Way.DELETE, NAMES)
    before = found(trail.path)
    with pytest.raises(NothingToTamperWith, match="an entry is gone already"):
        tamper(trail.path, Way.REWRITE, NAMES)
    assert found(trail.path) == before  # it was undone


async def test_where_nobody_did_anything_there_is_nothing_to_tamper_with(trail: Trail) -> None:
    for way in Way:
        with pytest.raises(NothingToTamperWith, match="file a request first"):
            tamper(trail.path, way, NAMES)
    assert found(trail.path) == []


async def test_it_waits_for_the_bots_transaction(trail: Trail) -> None:
    await trail.filed()
    begun, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(tx: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()

    writing = asyncio.create_task(trail.store.run(slow))
    await begun.wait()
    tampering = asyncio.create_task(asyncio.to_thread(tamper, trail.path, Way.EDIT, NAMES))
    await asyncio.sleep(0.05)
    assert not tampering.done()
    go.set()
    await writing
    assert (await tampering).startswith("Entry 2")
