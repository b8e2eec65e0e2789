"""A file in the workspace can be saved from the page, by whoever sees it there."""

from bot.sandbox.server import Served
from bot.sandbox.world import LOBBY

from .test_server import Page, act, page, seen_by, served

__all__ = ["page", "served"]  # the fixtures


async def test_whoever_sees_a_file_can_save_it(page: Page, served: Served) -> None:
    export = {"command": "/audit", "text": "export", "channel": LOBBY}
    assert (await act(page, "U09MANAGER", "command", **export))["ok"]
    await served.sandbox.world.settled()
    state = await seen_by(page, "U09MANAGER")
    (message,) = state["screen"]["dm"]["messages"]
    (shown,) = message["files"]
    async with page.get(f"/files/{shown['id']}", params={"who": "U09MANAGER"}) as answer:
        content = await answer.read()
        assert answer.status == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{shown["name"]}"'
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(content) == shown["size"]
    assert content.startswith(b'{"seq":1,')
    for who, id in (("U01AGENT", shown["id"]), ("U09MANAGER", "F99"), ("nobody", shown["id"])):
        async with page.get(f"/files/{id}", params={"who": who}) as answer:
            assert answer.status == 404
