"""`python -m tests.bench`: everything that is measured, in one run and one table.
`python -m tests.bench build N FILE`: a trail of N entries, as a database.

Machines differ, and this one has its moods: what counts are the ratios within a run, and the spread
between its rounds says how far to trust them.
"""

import argparse
import asyncio
import os
import platform
from pathlib import Path

from .build import build
from .measures import MEASURES, measure
from .rows import FULL, QUICK, Row


def table(rows: list[Row]) -> str:
    lines = [f"{'':<58} {'median':>9} {'least':>9} {'most':>9}       target"]
    for row in rows:
        lo, hi = min(row.values), max(row.values)
        said = f"{row.what:<58} {row.median:>9.2f} {lo:>9.2f} {hi:>9.2f} {row.unit:<4}"
        if row.most is not None:
            verdict = "met" if row.median <= row.most else "MISSED"
            said += f"  <= {row.most:g} {verdict}"
        lines.append(said.rstrip())
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of everything")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    builds = parser.add_subparsers(dest="command").add_parser("build", help="a trail of N entries")
    builds.add_argument("entries", type=int, metavar="N")
    builds.add_argument("file", type=Path, metavar="FILE")
    said = parser.parse_args()
    if said.command == "build":
        print(build(said.entries, said.file))
        return
    rows = asyncio.run(measure(QUICK if said.quick else FULL, said.only))
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    print(table(rows))


main()
