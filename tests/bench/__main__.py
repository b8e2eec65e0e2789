"""`python -m tests.bench`: everything that is measured, in one run and one table.
`python -m tests.bench build N FILE`: a trail of N entries, as a database.

Machines differ, and this one has its moods: what counts are the ratios within a run, and the spread
between its rounds says how far to trust them.
"""

import argparse
import asyncio
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .build import build
from .measures import MEASURES, Measured, measure
from .rows import FULL, QUICK


def table(rows: Sequence[Measured]) -> str:
    """A line for each, under the heading of its kind."""
    lines = []
    head = ""
    for row in rows:
        if row.head != head:
            head = row.head
            lines.append(head)
        lines.append(str(row))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of everything")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--entries", type=int, help="in the trail that is measured")
    parser.add_argument("--database", type=Path, help="ask this one, which `build` made")
    builds = parser.add_subparsers(dest="command").add_parser("build", help="a trail of N entries")
    builds.add_argument("n", type=int, metavar="N")
    builds.add_argument("file", type=Path, metavar="FILE")
    said = parser.parse_args()
    if said.command == "build":
        print(build(said.n, said.file))
        return
    size = replace(QUICK if said.quick else FULL, database=said.database)
    if said.entries is not None:
        size = replace(size, entries=said.entries, asked=said.entries)
    rows = asyncio.run(measure(size, said.only))
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    print(table(rows))


main()
