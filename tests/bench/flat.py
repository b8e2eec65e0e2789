"""Whether memory stays as it is while a larger trail is verified or exported.

Each is done in a process of its own; what counts is the most that it held at once (`VmHWM`, since
`ru_maxrss` of a child begins with that of the process that started it).
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bot.audit import keys
from bot.audit.export import export
from bot.audit.folder import verify_folder
from bot.store.sqlite import SqliteVisit
from bot.store.trail import verify_trail

from .build import build
from .rows import Row, Size

ORIGIN = "example.org/bench"


def _verify(folder: Path) -> int:
    visit = SqliteVisit(folder / "nolone.db")
    found = visit.look(verify_trail)
    visit.close()
    assert not found.findings, found.findings
    return found.size


def _export(folder: Path) -> int:
    keys.make(folder / "key", ORIGIN)
    signers = keys.signing(folder / "key", ORIGIN)
    visit = SqliteVisit(folder / "nolone.db")
    done = visit.look(lambda tx: export(tx, folder / "export", signers, ORIGIN))
    visit.close()
    return done.size


def _verify_export(folder: Path) -> int:
    found = verify_folder(folder / "export", keys.public(folder / "export" / "vkey"), ORIGIN)
    assert not found.findings, found.findings
    return found.size


ACTS: dict[str, Callable[[Path], int]] = {
    "verifying the database": _verify,
    "exporting": _export,
    "verifying the export": _verify_export,
}


async def _alone(act: str, folder: Path) -> tuple[float, float]:
    """The most memory (MB) and the processor's time (us an entry) that it takes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.flat", act, str(folder)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, act
    mb, us = json.loads(said)
    return mb, us


async def flat(size: Size, folder: Path) -> list[Row]:
    sizes = [size.entries // 10, size.entries]
    for n in sizes:
        (folder / str(n)).mkdir(parents=True)
        build(n, folder / str(n) / "nolone.db")
    rows = []
    for act in ACTS:
        took = [await _alone(act, folder / str(n)) for n in sizes]
        for n, (mb, us) in zip(sizes, took, strict=True):
            rows.append(Row(f"{act}, {n:,} entries: time an entry", [us], "us"))
            rows.append(Row("… memory at its most", [mb], "MB"))
        rows.append(Row("… ratio of the memory", [took[1][0] / took[0][0]], "x", most=1.2))
    return rows


def _main(act: str, folder: str) -> None:
    began = time.process_time()
    n = ACTS[act](Path(folder))
    us = (time.process_time() - began) / n * 1_000_000
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(json.dumps([peak / 1024, us]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
