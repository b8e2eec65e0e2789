"""Asks the trail of a database as another process does: `beside.py DATABASE USER QUERY AT`."""

import sys
from pathlib import Path

from bot.audit.ask import ask_on_host
from bot.audit.show import text
from bot.sandbox.clock import SandboxClock
from bot.store.sqlite import SqliteVisit

if __name__ == "__main__":
    path, user, query, at = sys.argv[1:]
    visit = SqliteVisit(Path(path))
    try:
        print(text(ask_on_host(visit, SandboxClock(lambda: int(at)), user, query)))
    finally:
        visit.close()
