"""What the system says of a process."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MB of memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (x for x in lines if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def spent(pid: int) -> float:
    """Seconds of the processor, its own and its children's: those that ended, and those that run."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if stat.parent.name == str(pid):
            total += sum(int(ticks) for ticks in fields[11:15])
        elif fields[1] == str(pid):
            total += int(fields[11]) + int(fields[12])
    return total / TICKS
