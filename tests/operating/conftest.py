"""A database with something of everything in it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

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
    keep_anchored(tx, Anchored("directory", 3, bytes(32), 4, "a place", b"signed"))


class Said:
    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text


def nolone(database: Path, *words: object) -> Said:
    """The command line, on a database."""
    env = {"DATABASE_URL": f"sqlite:///{database}"}
    done = CliRunner().invoke(main, [str(w) for w in words], env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Said(done.exit_code, done.output)


def everything(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """What is in each table, in an order of its own."""

    def read(tx: Tx) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
        for table, columns in TABLES.items():
            rows = tx.each(f"SELECT {', '.join(columns)} FROM {table}")
            yield table, sorted(rows, key=repr)

    with backups.visit(database) as visit:
        return visit.look(lambda tx: dict(read(tx)))
