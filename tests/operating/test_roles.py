"""The grants that the documentation gives let the bot do its work, and change nothing written."""

import re
from pathlib import Path

import psycopg
import pytest

from bot.store.postgres import PostgresStore
from bot.store.tx import Tx
from tests.postgres import server
from tests.store.build import executed

PAGE = Path(__file__).parents[2] / "docs/how-to/run-several-replicas.md"


def test_the_bots_role_does_everything_and_changes_no_entry() -> None:
    owners = server().create()
    store = PostgresStore(owners)
    store.migrate()
    store.close()
    name = owners.partition("@/")[2].partition("?")[0]
    (grants,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    server().do(grants, name)
    bot = PostgresStore(owners.replace("postgres@", "nolone@"))
    try:
        assert bot.pending() == []
        executed(bot)

        def meddle(tx: Tx, sql: str) -> None:
            tx.execute(sql)

        for sql in (
            "UPDATE entries SET actor = 'U03BOB'",
            "DELETE FROM entries",
            "TRUNCATE entries CASCADE",
            "DELETE FROM tree",
            "UPDATE tree SET hash = ''",
            "ALTER TABLE entries DISABLE TRIGGER ALL",
            "DROP TABLE tree",
            "DELETE FROM nolone_migrations",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                bot.run_now(lambda tx, sql=sql: meddle(tx, sql))  # type: ignore[misc]
    finally:
        bot.close()
        server().do("DROP OWNED BY nolone", name)
        server().do("DROP ROLE nolone")
