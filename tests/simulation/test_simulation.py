"""The simulation, as far as it goes in CI. Each run has a process of its own, in which sets are gone
through in the same order every time, so that a seed that fails here fails anywhere."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs.generate import ROOT

IN_CI = 50_000  # transactions
FAULTS_AT_LEAST = 12


def simulate(*arguments: str) -> str:
    """What a run prints. Raises where something that must always hold did not."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


def digests(said: str) -> list[str]:
    return re.findall(r"· ([0-9a-f]{16})$", said, re.MULTILINE)


def test_a_seed_tells_the_same_history_again() -> None:
    once, again = (simulate("--seed", "2", "--transactions", "1000") for _ in range(2))
    other = simulate("--seed", "5", "--transactions", "1000")
    assert len(digests(once)) == 1
    assert digests(once) == digests(again) != digests(other)


@pytest.mark.slow
def test_nothing_is_lost_done_twice_or_done_early_in_fifty_thousand_transactions() -> None:
    said = simulate("--worlds", "6", "--transactions", str(IN_CI // 6 + 1))
    done = re.search(r"transactions (\d+)", said.rpartition("worlds in")[2])
    assert done is not None
    assert int(done[1]) >= IN_CI
    assert said.endswith("0 broken\n")


@pytest.mark.slow
@pytest.mark.long
def test_each_fault_of_the_product_is_seen() -> None:
    said = simulate("--faults")
    found = re.search(r"(\d+) of (\d+) seen", said)
    assert found is not None
    assert found[1] == found[2]
    assert int(found[2]) >= FAULTS_AT_LEAST
