"""The contract's database: every test here runs once for each backend."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .backends import BACKENDS, Backend, Connection


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def store(backend: Backend) -> Iterator[Connection]:
    made = backend.store()
    yield made
    made.close()


@pytest.fixture
def second(backend: Backend, store: Connection) -> Iterator[Connection]:
    made = backend.another()
    yield made
    made.close()
