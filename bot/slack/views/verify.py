"""What `/audit verify` is answered: at once as far as it is known, and when everything was read."""

import re

from bot.audit.held import Held
from bot.audit.watching import Found, Run, Since
from bot.core.text import one_line
from bot.ledger.note import rebase64
from bot.ledger.verify import Fault, Finding
from bot.slack.views.common import Blocks, context, escape, section, when

_MEANS = {
    Fault.EDITED: "It was changed past the bot, or the disk is damaged.",
    Fault.MISSING: "It was taken out past the bot.",
    Fault.INSERTED: "It was put in past the bot, which never wrote it.",
    Fault.REORDERED: "They were put into another order past the bot.",
    Fault.TRUNCATED: "The end of the trail was cut off past the bot.",
    Fault.FORKED: "Entries were replaced and everything else was made to fit: this is another trail"
    " than the one whose checkpoint is kept outside.",
    Fault.COLUMN: "What an entry is found by was changed; the entry itself says otherwise.",
    Fault.INDEX: "What `/audit` searches tells something else than the entries do: its answers may be"
    " wrong.",
    Fault.TREE: "The tree over the entries was changed or damaged.",
    Fault.SIGNATURE: "A checkpoint is not signed by this trail's key.",
    Fault.AHEAD: "The trail is shorter than one whose checkpoint is kept outside: its end was cut off,"
    " or an older copy was put in its place.",
    Fault.NOT_ERASED: "It was put back past the bot, or an erasure was undone.",
    Fault.UNREADABLE: "The database file is damaged, or is not the bot's.",
}
_DO = (
    "*What to do*  Stop nothing and change nothing yet. Have the database copied with its `-wal` file,"
    " and the exports with it. Then compare with exports and backups that others have: an entry that"
    " is in an export under an older checkpoint is proof of what stood there."
)
_NOT_RECORDED = (
    ":warning: This question is not recorded: the trail takes no more entries, and the bot stops."
    " `nolone audit verify` on its machine says the same, and more."
)
_NOWHERE = (
    ":warning: It was held against nothing that others keep: whoever has the machine and the key could"
    " have rewritten all of it."
)
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,20}", re.ASCII)
_LINK = re.compile(r"https?://[^\s<>|]+", re.ASCII)


def failed(why: str) -> tuple[str, Blocks]:
    """That it could not be verified."""
    text = f"The trail could not be verified: {escape(why)}"
    return text, [section(f":grey_question: {text}")]


def so_far(run: Run, joined: bool, recorded: bool) -> tuple[str, Blocks]:
    """What is known while everything is still being read. `joined`: somebody else asked for it."""
    text, sign = _so_far(run.since), ":hourglass_flowing_sand:"
    if run.since is not None and not run.since.in_order:
        sign = ":x:"
    foot = [f"begun {when(run.began)}"]
    if joined:
        foot.insert(0, "Somebody asked for this before you, and it answers you too")
    blocks = [section(f"{sign} {text}")]
    if not recorded:
        blocks.append(section(_NOT_RECORDED))
    return text, [*blocks, context(" · ".join(foot))]


def whole(found: Found, recorded: bool) -> tuple[str, Blocks]:
    """What came of it. `recorded`: that it was asked is an entry of the trail."""
    first, rest = _wrong(found.verified.findings[0]) if found.wrong else _right(found)
    sign = ":x:" if found.wrong else ":white_check_mark:"
    blocks = [section(f"{sign} *{first}*{rest}")]
    if found.wrong:
        blocks += [section(_told(finding)) for finding in found.verified.findings[:5]]
        blocks.append(section(_DO))
    elif found.best is None:
        blocks.append(section(_NOWHERE))
    blocks += [context(_anchor(anchor, found)) for anchor in found.anchors]
    if not recorded:
        blocks.append(section(_NOT_RECORDED))
    foot = [f"`/audit verify` · as of {when(found.at)}"]
    if found.verified.size:
        foot.append(f"root `{rebase64(found.verified.root)}` over {_entries(found.verified.size)}")
    if found.verified.erasing:
        foot.append(found.verified.erasing)
    if recorded:
        foot.append("this query is an entry of the trail")
    return first + rest, [*blocks, context(" · ".join(foot))]


# --- in words --------------------------------------------------------------------------------


def _so_far(since: Since | None) -> str:
    later = "The answer comes here when it is done."
    if since is None:
        return f"The trail is being verified. {later}"
    everything = f"All {since.size:,} entries are being read, from the first."
    newer = since.size - since.anchored
    if not since.in_order:
        return f"The trail is not as it was. What is wrong with it is being found out. {later}"
    if not since.anchored:
        return f"The {_entries(newer)} fit the tree over them. {everything} {later}"
    return (
        f"What is newer than the anchored #{since.anchored:,} is verified ({_entries(newer)}), and the"
        f" tree before that is the one that was anchored. {everything} {later}"
    )


def _right(found: Found) -> tuple[str, str]:
    """The sentence, in two parts: the first is what counts."""
    size, best = found.verified.size, found.best
    verified = f"{_entries(size)} verified"
    if best is None:
        return verified, ", anchored nowhere"
    anchored = f", anchored to #{best.size:,} in {_where(best)}"
    if best.at is not None:
        anchored += f" at {when(best.at)}"
    newer = size - best.size
    return verified, anchored + (f", {newer:,} newer not yet anchored" if newer else "")


def _wrong(first: Finding) -> tuple[str, str]:
    where = "" if first.entry is None else f" The first that is wrong is entry {first.entry:,}."
    return f"The trail is not as it was: {first.fault}.", where


def _told(finding: Finding) -> str:
    said = escape(one_line(finding.said, 500))
    return f"{said[:1].upper()}{said[1:]}. {_MEANS[finding.fault]}"


def _anchor(anchor: Held, found: Found) -> str:
    """What an anchor keeps, and what is to be known of it."""
    name = f"*{_where(anchor)}*"
    taken = "" if anchor.at is None else f" of {when(anchor.at)}"
    if not anchor.heads:
        said = f"{name} keeps no checkpoint of this trail yet"
    elif not anchor.read_back:
        said = (
            f"{name}: by our own note it took a checkpoint over #{anchor.size:,}{taken}, which proves"
            " less"
        )
    else:
        said = f"{name} keeps a checkpoint over #{anchor.size:,}{taken}"
        if anchor in found.agreeing:
            said = f":white_check_mark: {said}: the trail agrees with it"
    if _LINK.fullmatch(anchor.place) and len(anchor.place) < 500:
        said += f" (<{anchor.place}|where it stands>)"
    elif anchor.place and not _CHANNEL.fullmatch(anchor.place):
        said += f" ({escape(one_line(anchor.place, 200))})"
    if anchor.trouble is not None:
        said += f" · :warning: {escape(one_line(anchor.trouble, 300))}"
    if anchor.weak is not None:
        said += f" · weaker: {escape(one_line(anchor.weak, 300))}"
    return said


def _where(anchor: Held) -> str:
    """An anchor by its name, or by that of the channel that it posts to."""
    if _CHANNEL.fullmatch(anchor.place):
        return f"<#{anchor.place}>"
    return escape(one_line(anchor.name, 80))


def _entries(n: int) -> str:
    return "1 entry" if n == 1 else f"{n:,} entries"
