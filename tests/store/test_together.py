"""Scripts that wait at the same time share a transaction; what one of them raises undoes it alone."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.store import ledger
from bot.store.database import open_store
from bot.store.tx import Duplicate, Store, Tx
from tests.postgres import database_url


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = database_url() if request.param == "postgres" else f"sqlite:///{tmp_path}/together.db"
    made = open_store(url)
    made.migrate()
    yield made
    made.close()


def noting(*keys: str) -> Callable[[Tx], None]:
    def script(tx: Tx) -> None:
        for key in keys:
            ledger.once(tx, key, 7)

    return script


def noted(tx: Tx) -> list[str]:
    return [row["key"] for row in tx.query("SELECT key FROM deliveries ORDER BY key")]


async def together(store: Store, *scripts: Callable[[Tx], None]) -> list[object]:
    return await asyncio.gather(*map(store.run, scripts), return_exceptions=True)


def test_one_that_raises_after_it_wrote_undoes_itself_alone(store: Store) -> None:
    store.run_now(noting("taken"))
    scripts = (noting("a"), noting("half", "taken"), noting("b"))
    first, second, third = asyncio.run(together(store, *scripts))
    assert (first, third) == (None, None)
    assert isinstance(second, Duplicate)
    assert store.run_now(noted) == ["a", "b", "taken"]


def test_one_that_only_read_leaves_the_others_as_they_are(store: Store) -> None:
    def refuse(tx: Tx) -> None:
        raise LookupError(str(noted(tx)))

    first, second, third = asyncio.run(together(store, noting("a"), refuse, noting("b")))
    assert (first, third) == (None, None)
    assert isinstance(second, LookupError)
    assert store.run_now(noted) == ["a", "b"]


def test_one_that_fails_in_the_database_fails_alone_though_nobody_waited_for_it(
    store: Store,
) -> None:
    def fail(tx: Tx) -> None:
        tx.send("INSERT INTO deliveries (key, at) VALUES (:key, :at)", key="taken", at=7)

    store.run_now(noting("taken"))
    first, second, third = asyncio.run(together(store, noting("a"), fail, noting("b")))
    assert (first, third) == (None, None)
    assert isinstance(second, Exception)
    assert store.run_now(noted) == ["a", "b", "taken"]
