"""Two minutes of the nemesis, and that it sees what is wrong; the long run is a command of its own."""

from pathlib import Path

import pytest

from .nemesis import Plan, catch, perform, told
from .stores import may_mount

pytestmark = pytest.mark.slow
ON_ITS_OWN_DISK = pytest.mark.skipif(not may_mount(), reason="only root can mount a small disk")


@ON_ITS_OWN_DISK
def test_nothing_is_lost_and_nothing_runs_twice_on_sqlite(tmp_path: Path) -> None:
    result, found = perform(Plan("sqlite", seed=101, requests=250, seconds=20.0), tmp_path)
    assert result.violations == [], told(result, found)
    assert result.ended["Executed"] > 10


def test_nothing_is_lost_and_nothing_runs_twice_on_postgres(tmp_path: Path) -> None:
    result, found = perform(Plan("postgres", seed=101, requests=250, seconds=20.0), tmp_path)
    assert result.violations == [], told(result, found)
    assert result.ended["Executed"] > 5


@ON_ITS_OWN_DISK
@pytest.mark.parametrize("name", ["self-approval-allowed", "started-without-looking-again"])
def test_a_fault_in_the_product_is_seen(name: str) -> None:
    seen, how = catch(name, tries=2)
    assert seen, how
