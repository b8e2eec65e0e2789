"""A trail with something of everything in it, the key that signs it, and the command line."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.audit import keys
from bot.cli import main
from bot.ledger.note import SigningKey
from tests.audit.trail import POLICY, Trail

ORIGIN = "example.org/trail"


@dataclass
class Said:
    code: int
    text: str


class House:
    """A database, a signing key, and a place for exports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "nolone.db"
        self.key = folder / "key"
        self.export = folder / "export"

    @property
    def vkey(self) -> Path:
        return self.export / "vkey"

    @property
    def signers(self) -> tuple[SigningKey, ...]:
        return keys.signing(self.key, ORIGIN)

    def run(self, *words: object, key: Path | str | None = None) -> Said:
        env = {
            "DATABASE_URL": f"sqlite:///{self.database}",
            "NOLONE_ORIGIN": ORIGIN,
            "NOLONE_SIGNING_KEY_FILE": str(self.key if key is None else key),
        }
        done = CliRunner().invoke(main, [str(w) for w in words], env=env)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Said(done.exit_code, done.output)

    def verify(self, *words: object) -> Said:
        return self.run("audit", "verify", *words)

    def exported(self, to: Path | None = None) -> Path:
        done = self.run("audit", "export", to or self.export)
        assert done.code == 0, done.text
        return to or self.export

    def keep(self, name: str = "kept") -> Path:
        """Keep a copy of the export's checkpoint outside."""
        kept = self.folder / name
        shutil.copy(self.export / "checkpoint", kept)
        return kept

    def tamper(self, *statements: str | Callable[[sqlite3.Connection], object]) -> None:
        """As somebody would who can write the file and knows SQLite."""
        with sqlite3.connect(self.database) as db:
            for name in ("entries_are_kept", "entries_are_final", "tree_is_kept", "tree_is_final"):
                db.execute(f"DROP TRIGGER {name}")
            for one in statements:
                if isinstance(one, str):
                    db.executescript(one)
                else:
                    one(db)
        db.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.database) as db:
            found = db.execute(sql, parameters).fetchall()
        db.close()
        return found


async def _tell(path: Path) -> None:
    trail = Trail(path)
    await trail.engine.adopt(POLICY)
    await trail.one_in_every_phase()
    await trail.restored(await trail.executed(handle="again2"))
    trail.close()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a request in each phase, and a restore."""
    path = tmp_path_factory.mktemp("told") / "nolone.db"
    asyncio.run(_tell(path))
    with sqlite3.connect(path) as db:  # whole, without a log beside it
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    return path


@pytest.fixture
def house(told: Path, tmp_path: Path) -> House:
    made = House(tmp_path)
    shutil.copy(told, made.database)
    with sqlite3.connect(made.database) as db:
        db.execute("PRAGMA journal_mode = WAL")
    db.close()
    keys.make(made.key, ORIGIN)
    return made
