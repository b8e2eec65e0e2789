"""What is said to whoever asked for an export, and with the file when it comes."""

from bot.audit.coming import Coming
from bot.core.events import Exported
from bot.core.text import utc
from bot.slack.views.common import Blocks, section


def asked(coming: Coming) -> tuple[str, Blocks]:
    text = "The file comes to you by direct message."
    return text, [section(f"{text} It is made now, as {coming.format}.")]


def name(event: Exported, seq: int) -> str:
    """The file's name. No two exports have the same up to its ending: it is found again by that."""
    ending = "zip" if event.format == "tiles" else event.format
    return f"{mark(event, seq)}.{ending}"


def mark(event: Exported, seq: int) -> str:
    return f"nolone-audit-{seq}-{event.digest[:8]}"


def comment(event: Exported, seq: int) -> str:
    """What stands above the file. It is mrkdwn, and nothing in it was typed by anybody."""
    times = [
        f"{word} {utc(at)}"
        for word, at in (("since", event.since), ("until", event.until))
        if at is not None
    ]
    of = "1 entry" if event.entries == 1 else f"{event.entries:,} entries"
    which = f" {' '.join(times)}" if times else ""
    return (
        f"The audit trail as `{name(event, seq)}`: {of}{which}, of the trail up to #{event.size}\n"
        f"root `{event.root}`\nSHA-256 `{event.digest}`\n"
        f"This export is entry #{seq} of the trail."
    )


def not_as_recorded(event: Exported, seq: int) -> str:
    """Why no file comes after all."""
    return (
        f"`{name(event, seq)}` was not sent: made again, it is not the file that was recorded in entry"
        f" #{seq}. Values were erased in between, or the bot was changed. Please ask for it again."
    )
