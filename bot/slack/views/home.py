"""The Home tab: what is open, and what this person may do about it."""

from collections.abc import Sequence

from bot.core.assess import Assessment
from bot.core.rules import Act
from bot.slack.views.common import Block, Blocks, button, context, header, section
from bot.slack.views.ids import ref
from bot.slack.views.told import status_line

SHOWN = 25  # requests; each takes at most three of Home's hundred blocks


def render(rows: Sequence[tuple[Assessment, Sequence[Act]]], more: int) -> Block:
    """`rows`: the open requests, each with what the viewer may do; `more`: how many are not shown."""
    blocks: Blocks = [header("Open requests")]
    if not rows:
        blocks.append(section("Nothing is open. `/request-deactivate` files a request."))
    for a, acts in rows[:SHOWN]:
        value = str(ref(a.request))
        blocks.append(section(status_line(a), accessory=button("Details", "details", value)))
        if acts:
            blocks.append(context(f"You may: {', '.join(act.value for act in acts)}"))
    if more > 0:
        blocks.append(context(f"… and {more} more: `/audit state:open` lists them."))
    return {"type": "home", "blocks": blocks}
