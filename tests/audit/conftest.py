from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .trail import POLICY, Trail


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[Trail]:
    made = Trail(tmp_path / "nolone.db")
    await made.engine.adopt(POLICY)
    yield made
    made.close()
