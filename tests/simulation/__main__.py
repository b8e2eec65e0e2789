"""Run a simulation.

python -m tests.simulation                       one world, of seed 0
python -m tests.simulation --seed 7 --worlds 3   the seeds 7, 8 and 9
python -m tests.simulation --long                a million transactions
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from .faults import FAULTS, Patch, switched_on
from .world import Result, World

IN_A_WORLD = 10_000  # transactions
FAULT_WITHIN = 20  # worlds in which a fault has to be seen


def simulate(seed: int, transactions: int, tell: Callable[[str], None] | None = None) -> Result:
    """One world, in a file of its own. Of three worlds one has one process, the others two or three."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        return World(seed, Path(folder) / "simulation.db", 1 + seed % 3, tell).run(transactions)


def find(fault: Callable[[], Sequence[Patch]], transactions: int, worlds: int) -> bool:
    """Whether a fault of the product is seen, in so many worlds at most; prints after how much."""
    before = 0
    for seed in range(worlds):
        with switched_on(fault):
            result = simulate(seed, transactions)
        before += result.transactions
        if result.broken is not None:
            print(f"{fault.__name__:46} seen after {before:7} transactions: {result.broken[:150]}")
            return True
    print(f"{fault.__name__:46} NOT SEEN in {before} transactions")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    parser.add_argument("--worlds", type=int, default=1, help="how many, each of the next seed")
    parser.add_argument("--transactions", type=int, default=IN_A_WORLD, help="in each world")
    parser.add_argument("--long", action="store_true", help="a million in all, in 100 worlds")
    parser.add_argument("--tell", action="store_true", help="print the history")
    parser.add_argument("--faults", action="store_true", help="switch on the product's faults")
    said = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets are gone through in the order of hashes
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    if said.faults:
        seen = [find(fault, said.transactions, FAULT_WITHIN) for fault in FAULTS]
        print(f"{sum(seen)} of {len(seen)} seen")
        return 0 if all(seen) else 1
    worlds = 100 if said.long else said.worlds
    began = time.monotonic()
    total: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    broken = 0
    for seed in range(said.seed, said.seed + worlds):
        start = time.monotonic()
        result = simulate(seed, said.transactions, print if said.tell else None)
        took = time.monotonic() - start
        print(
            f"seed {seed:4} · {result.replicas} process{'es' if result.replicas > 1 else ''}"
            f" · {result.transactions} transactions ({result.commits} commits)"
            f" · {result.requests} requests · {result.effects} effects"
            f" · {result.transactions / took:.0f}/s · {result.digest[:16]}",
            flush=True,
        )
        if result.broken is not None:
            print(f"  BROKEN after {result.transactions} transactions: {result.broken}")
            broken += 1
        total.update(
            transactions=result.transactions,
            commits=result.commits,
            writes=result.writes,
            requests=result.requests,
            entries=result.entries,
            effects=result.effects,
            minutes=round(result.hours * 60),
        )
        happened += result.happened
        ended += result.ended
    took = time.monotonic() - began
    print(f"\n{worlds} worlds in {took:.0f} s, {total['transactions'] / took:.0f} transactions/s")
    for counts in (total, ended, happened):
        print(" · ".join(f"{what} {n}" for what, n in sorted(counts.items())))
    print(f"{broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
