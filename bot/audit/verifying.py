"""Verifying the trail, in the database or in an export, and what was found in plain sentences."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bot.audit import folder, keys, openings
from bot.audit.held import Held, read_back
from bot.audit.openings import OPENINGS, Given
from bot.core.text import utc
from bot.ledger import checkpoint
from bot.ledger.checkpoint import Checkpoint
from bot.ledger.note import NoteError, PublicKey, rebase64, unbase64
from bot.ledger.trust import Policy
from bot.ledger.verify import Fault, Finding, Kept, Verified
from bot.ports import Anchor
from bot.store.anchors import Anchored, anchored
from bot.store.database import open_visit
from bot.store.trail import Trail, verify_trail

_SHOWN = re.compile(
    r"#?([1-9][0-9]{0,17}) *· *root *((?:[A-Za-z0-9+/]{4}){3,10})[A-Za-z0-9+/=]{0,4}"
)
_YEAR_9999 = 253_402_300_799  # its last second; a witness may say what it likes
OWN_KEYS = (
    "The keys came with it: compare them with the vkey that you had from elsewhere, or give that one"
    " by --vkey."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    text: str
    wrong: bool


def database(
    url: str,
    origin: str,
    known: Sequence[PublicKey],
    files: Sequence[Path],
    witnesses: Policy | None = None,
    anchors: Sequence[Anchor] = (),
) -> Verdict:
    """The trail in the database, against the checkpoints that somebody kept, and what `anchors` give
    back.

    `witnesses`: who has to have cosigned those in the files.
    Raises StoreError, and OSError for a checkpoint that cannot be read.
    """
    against, wrong = _kept(files, known, origin, witnesses)
    visit = open_visit(url)
    try:
        held: Sequence[Held] = ()
        if anchors:
            noted = visit.look(anchored)
            held = asyncio.run(_asked(anchors, noted, known, origin))
            against += [kept for anchor in held for kept in anchor.kept()]
        found = visit.look(lambda tx: verify_trail(tx, against))
        size = visit.look(lambda tx: Trail(tx).size) if held else 0
    finally:
        visit.close()
    wrong += [finding for anchor in held for finding in anchor.contradictions(size)]
    said = _verdict(visit.name, found, wrong)
    troubles = [f"{a.name}: {a.trouble}" for a in held if a.trouble is not None]
    return Verdict("\n".join([said.text, *troubles]), said.wrong)


async def _asked(
    anchors: Sequence[Anchor], noted: Sequence[Anchored], known: Sequence[PublicKey], origin: str
) -> Sequence[Held]:
    try:
        return await read_back(anchors, noted, known, origin)
    finally:
        for anchor in anchors:
            await anchor.aclose()


def export(
    dir: Path,
    known: Sequence[PublicKey],
    files: Sequence[Path],
    witnesses: Policy | None = None,
) -> Verdict:
    """An export, with these keys, or for want of any with those that came with it.

    Raises KeyFileError, and OSError for what cannot be read.
    """
    keys_of_it, origin = trusted(dir, known)
    against, wrong = _kept(files, keys_of_it, origin, witnesses)
    found = folder.verify_folder(dir, keys_of_it, origin, against)
    values = None
    if not found.findings and (dir / OPENINGS).exists():
        values = Given()
        log = folder.Folder(dir, folder.head(dir, keys_of_it, origin))
        first = next(openings.check(dir / OPENINGS, log.bodies(), values), None)
        if first is not None:
            found = replace(found, findings=(first,))
    return _verdict(str(dir), found, wrong, own_keys=not known, values=values)


def trusted(dir: Path, known: Sequence[PublicKey]) -> tuple[Sequence[PublicKey], str]:
    """The keys to verify an export with, and the log's name. Raises KeyFileError, OSError."""
    found = known or keys.public(dir / folder.VKEY)
    names = {key.name for key in found}
    if len(names) != 1:
        raise keys.KeyFileError(f"These are the keys of several logs: {', '.join(sorted(names))}.")
    (origin,) = names
    return found, origin


def shown(text: str, origin: str) -> Kept | None:
    """What cards, receipts and notices show of the trail, `#12 · root 0AWcvSJfFYuQ`; None: it is not.

    Nobody signed it, and it is short: it tells whoever saw it, and proves nothing to others.
    """
    found = _SHOWN.fullmatch(text.strip())
    if found is None:
        return None
    head = Checkpoint(origin, int(found[1]), unbase64(found[2]))
    return Kept(f"what was shown at #{head.size}", head)


def _kept(
    files: Sequence[Path], known: Sequence[PublicKey], origin: str, witnesses: Policy | None
) -> tuple[list[Kept], list[Finding]]:
    """The checkpoints in the files, and what is wrong with those that are none."""
    kept, wrong = [], []
    for file in files:
        if (mark := shown(str(file), origin)) is not None:
            kept.append(mark)
            continue
        try:
            raw = file.read_bytes()
            head = checkpoint.read(raw, known, origin)
            seen = "" if witnesses is None else _seen(raw, witnesses)
            kept.append(Kept(f"{file}{seen}", head))
        except NoteError as e:
            wrong.append(Finding(Fault.SIGNATURE, None, f"{file}: {e}"))
    return kept, wrong


def _seen(raw: bytes, witnesses: Policy) -> str:
    """By whom a checkpoint was seen, in words. Raises BadSignature where that is not enough."""
    when = witnesses.judge(raw).when
    last = utc(min(max(when.values()), _YEAR_9999) * 1000)
    return f" (cosigned by {len(when)} of {len(witnesses.counting)} witnesses, the last at {last})"


def _verdict(
    what: str,
    found: Verified,
    kept_wrong: Sequence[Finding],
    *,
    own_keys: bool = False,
    values: Given | None = None,
) -> Verdict:
    """`own_keys`: the signatures were checked with keys that came with the log itself; `values`: what
    came with it of the values behind its commitments."""
    findings = [*found.findings, *kept_wrong]
    if findings:
        lines = [f"{what}: NOT as it was", *(f"  {finding}" for finding in findings)]
        if found.size:
            lines.append(f"In order, as far as its own tree goes: entries 1 to {found.size}.")
    else:
        lines = [f"{what}: {found.size} entries verified", f"root {rebase64(found.root)}"]
        if found.erasing:
            lines.append(found.erasing)
        if values is not None:
            lines.append(
                f"values: {values.given} are those that were sealed,"
                f" {values.sealed - values.given} were not given"
            )
    lines += [f"It agrees with {k.name}, over {k.head.size} entries." for k in found.held]
    if not any(not k.own for k in found.held) and not findings:
        lines.append(
            "It was held against nothing that others keep: whoever has the key and the database could"
            " have rewritten all of it. Give a kept checkpoint by --against."
        )
    if own_keys:
        lines.append(OWN_KEYS)
    return Verdict("\n".join(lines), bool(findings))
