"""A database with something of everything in it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from bot import backups
from bot.cli import main
from bot.core.actions import ActionKind
from bot.store import drafts, ledger, setting
from bot.store.anchors import Anchored, keep_anchored
from bot.store.copy import TABLES
from bot.store.drafts import Draft
from bot.store.tx import Tx
from tests.audit.trail import AGENT, POLICY, Trail
from tests.postgres import database_url


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[Trail]:
    made = Trail(tmp_path / "nolone.db")
    await made.engine.adopt(POLICY)
    await made.one_in_every_phase()
    made.store.run_now(_beside)
    yield made
    made.close()


def _beside(tx: Tx) -> None:
    drafts.keep_draft(tx, Draft("V1", AGENT, ActionKind.DEACTIVATE, "mallory", None, "", 0))
    ledger.once(tx, "view:V0", 0)
    setting.keep_clock_setting(tx, "another boot", 1, 2)
    tx.execute("INSERT INTO pace (place, free_at) VALUES ('channel', 5)")
    tx.execute("INSERT INTO undelivered VALUES ('R-1', 'channel_not_found', 1, 2, NULL)")
    keep_anchored(tx, Anchored("directory", 3, bytes(32), 4, "a place", b"signed"))


@pytest.fixture(params=["sqlite", "postgres"])
def new(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database in which nothing is yet."""
    return database_url() if request.param == "postgres" else f"sqlite:///{tmp_path / 'new'}"


class Said(NamedTuple):
    code: int
    text: str


def nolone(database: Path | str, *words: object) -> Said:
    """The command line, on a database."""
    url = database if isinstance(database, str) else f"sqlite:///{database}"
    done = CliRunner().invoke(main, [str(w) for w in words], env={"DATABASE_URL": url})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Said(done.exit_code, done.output)


def everything(database: Path | str) -> dict[str, list[tuple[object, ...]]]:
    """What is in each table, in an order of its own."""

    def read(tx: Tx) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
        for table, columns in TABLES.items():
            rows = tx.each(f"SELECT {', '.join(columns)} FROM {table}")
            yield table, sorted(rows, key=repr)

    url = database if isinstance(database, str) else f"sqlite:///{database}"
    with backups.visit(url) as visit:
        return visit.look(lambda tx: dict(read(tx)))
