"""Switch off each rule and each check of the core, one at a time, and see the tests turn red.

python tests/mutants.py          all of them; exits with 1 if one survives
python tests/mutants.py NAME     one of them, with what pytest says
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.core import checks, rules

AT_A_TIME = 2
# the walk is left out: each safety has a test that names it, and takes seconds
TESTS = ["-q", "-x", "-p", "no:cacheprovider", "--ignore=tests/core/test_walk.py", "tests/core"]
# what pytest exits with: a failed test kills a mutant, and nothing else does
PASSED, FAILED = 0, 1


def names() -> list[str]:
    return [rule.__name__ for _, rule in rules.RULES] + [check.__name__ for check in checks.CHECKS]


def switch_off(name: str) -> None:
    rules.RULES[:] = [r for r in rules.RULES if r[1].__name__ != name]
    checks.CHECKS[:] = [c for c in checks.CHECKS if c.__name__ != name]


def run(name: str) -> tuple[int, str]:
    """What pytest exits with once `name` is switched off, and the first test that failed."""
    ran = subprocess.run(
        [sys.executable, __file__, name],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [line for line in ran.stdout.splitlines() if line.startswith("FAILED")]
    return ran.returncode, failed[0].split(" - ")[0] if failed else ran.stdout[-2000:]


def main(arguments: list[str]) -> int:
    everything = names()
    assert len(everything) == len(set(everything)) > len(checks.CHECKS) > 0
    if arguments:
        (name,) = arguments
        assert name in everything, f"no rule and no check is called {name}"
        switch_off(name)
        return int(pytest.main(TESTS))
    began = time.monotonic()
    if pytest.main(TESTS) != PASSED:
        print("The tests fail with everything switched on.")
        return 1
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = dict(zip(everything, pool.map(run, everything), strict=True))
    for name, (code, said) in results.items():
        fate = "killed" if code == FAILED else f"SURVIVED (pytest exits with {code})"
        print(f"{name:34} {fate}  {said.removeprefix('FAILED tests/core/')}")
    survivors = [name for name, (code, _) in results.items() if code != FAILED]
    print(
        f"{len(results) - len(survivors)} of {len(results)} killed, {time.monotonic() - began:.0f} s"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
