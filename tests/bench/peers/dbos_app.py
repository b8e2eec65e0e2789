"""The same work with DBOS, as its documentation has it, in a process of its own: a workflow that waits
for messages from two different people, and then runs a step that POSTs to the webhook.

It runs in the peers' virtual environment: nothing of ours is imported but load.py. Clients are
threads, as in a web server with synchronous handlers; asyncio took as long.
"""

import asyncio
import http.client
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from dbos import DBOS, DBOSConfig

from .load import Load, Loaded, cpu, serve

TOPIC = "approvals"
OPEN_FOR = 28_800.0  # s
PEOPLE = ("U02REV00", "U02REV01")

given: dict[str, Any] = json.loads(sys.argv[1])
local = threading.local()
numbers = itertools.count()


@DBOS.step()
def act(id: str) -> int:
    if not hasattr(local, "connection"):
        hook = urlsplit(given["hook"])
        local.connection = http.client.HTTPConnection(str(hook.hostname), hook.port)
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(DBOS.workflow_id)}
    local.connection.request("POST", f"/{id}", body=b"{}", headers=headers)
    answer = local.connection.getresponse()
    answer.read()
    assert answer.status == 200
    return int(answer.status)


@DBOS.workflow()
def request(id: str, requester: str, what_happened: str) -> int:
    approved: set[str] = set()
    while len(approved) < 2:
        person = DBOS.recv(TOPIC, timeout_seconds=OPEN_FOR)
        if person in PEOPLE and person != requester:
            approved.add(person)
    return act(id)


def client(n: int, rest: Iterator[int], at: dict[str, float]) -> None:
    for _ in rest:
        id = f"d{os.getpid()}-{next(numbers)}"
        said = "Sells pills to whoever will have them."
        made = DBOS.start_workflow(request, id, f"U01AGENT{n:02}", said)
        for person in PEOPLE:
            at[id] = time.monotonic()
            DBOS.send(made.workflow_id, person, TOPIC)
        made.get_result()


def carry_out(load: Load) -> Loaded:
    at: dict[str, float] = {}
    rest = iter(range(load.requests))
    began, spent = time.monotonic(), cpu()
    with ThreadPoolExecutor(load.clients) as threads:
        for ended in [threads.submit(client, n, rest, at) for n in range(load.clients)]:
            ended.result()
    return Loaded(time.monotonic() - began, cpu() - spent, at)


async def in_a_thread(load: Load) -> Loaded:
    return await asyncio.to_thread(carry_out, load)


if __name__ == "__main__":
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": given["database"],
        "log_level": "WARNING",
    }
    if given["pool"] is not None:
        config["sys_db_pool_size"] = given["pool"]
    DBOS(config=config)
    DBOS.launch()
    asyncio.run(serve(in_a_thread))
    DBOS.destroy()
