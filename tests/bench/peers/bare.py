"""The least that Bolt can do, in a process of its own: a listener that inserts a row for a signed
click, as durably as we do, and acknowledges; the third click of a request is POSTed to the webhook.

Reads what it needs as JSON from its first argument; prints the port that it listens on.
"""

import asyncio
import json
import sqlite3
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.async_app import AsyncApp

from bot.slack.client import Client

from .load import say

CLICKS = 3  # a request: it is filed, and approved twice


async def serve(database: str, hook: str, slack_url: str, token: str, secret: str) -> None:
    thread = ThreadPoolExecutor(1)

    def open_() -> sqlite3.Connection:
        db = sqlite3.connect(database, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(
            "CREATE TABLE IF NOT EXISTS"
            " clicks (id INTEGER PRIMARY KEY, who TEXT, what TEXT, at TEXT)"
        )
        return db

    db = thread.submit(open_).result()
    seen: Counter[str] = Counter()
    app = AsyncApp(
        client=Client(token, slack_url), signing_secret=secret, process_before_response=True
    )
    session = aiohttp.ClientSession()

    @app.action("approve")
    async def approve(ack: Any, body: dict[str, Any]) -> None:
        action = body["actions"][0]
        row = (body["user"]["id"], action["value"], action["action_ts"])
        loop = asyncio.get_running_loop()
        insert = "INSERT INTO clicks (who, what, at) VALUES (?, ?, ?)"
        await loop.run_in_executor(thread, db.execute, insert, row)
        seen[action["value"]] += 1
        await ack()
        if seen[action["value"]] == CLICKS:
            async with session.post(f"{hook}/{action['value']}", json={}) as answer:
                await answer.read()

    runner = web.AppRunner(app.web_app("/slack/events"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(**json.loads(sys.argv[1])))
