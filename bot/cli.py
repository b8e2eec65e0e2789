"""The command line: `nolone`, or `python -m bot`."""

import asyncio
import base64
import contextlib
import logging
import os
import pwd
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import click

from bot import backups, policyfile, wiring
from bot import check as checks
from bot import manifest as manifests
from bot.audit import complete, erased, erasing, hosting, keys, saved, show, verifying
from bot.audit import export as exports
from bot.audit.answer import MOST
from bot.audit.ask import ask_on_host
from bot.audit.people import NoSuchSubject
from bot.audit.query import FORMATS, BadQuery
from bot.clock import MachineClock
from bot.core.decide import Refused
from bot.core.policy import Policy
from bot.ledger.note import SigningKey
from bot.ledger.verify import Verified
from bot.logs import set_up
from bot.policyfile import PolicyError
from bot.settings import (
    AnchorSettings,
    LedgerSettings,
    Settings,
    SettingsError,
    SigningSettings,
    StoreSettings,
    read_settings,
)
from bot.store.database import SQLITE, open_store, open_visit
from bot.store.erase import Several
from bot.store.tx import StoreError, Visit

log = logging.getLogger("bot")
S = TypeVar("S", bound=StoreSettings)


class Wrong(click.ClickException):
    """What was wrong, where, and what to do; printed as it is."""

    def show(self, file: object = None) -> None:
        click.echo(self.message, err=True)


class Unknown(Wrong):
    """It could not be found out, so it is neither right nor wrong."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """No Lone Zone: two people, a cool-off and a veto before a high-impact moderation action."""


@main.command()
@click.option("--socket", is_flag=True, help="Take Slack's deliveries through Socket Mode.")
def run(socket: bool) -> None:
    """Run the bot."""
    try:
        settings = read_settings(Settings)
    except SettingsError as e:
        raise Wrong(f"The settings are wrong:\n{e}") from e
    set_up(settings.log_format)
    if socket and settings.slack_app_token is None:
        raise Wrong("SLACK_APP_TOKEN is not set: Socket Mode needs an app-level token.")
    if not socket and settings.slack_signing_secret is None:
        raise Wrong("SLACK_SIGNING_SECRET is not set: without it nothing Slack sends is believed.")
    try:
        asyncio.run(_run(settings, socket))
    except (StoreError, SettingsError) as e:
        raise Wrong(str(e)) from e


async def _run(settings: Settings, socket: bool) -> None:
    disk = checks.disk_stays(settings)
    wrong = [f for f in disk if f.fatal] or [f for f in checks.database(settings) if f.wrong]
    if wrong:
        raise StoreError("\n".join(str(f) for f in wrong))
    store = open_store(settings.database)
    try:
        clock = wiring.clock_of(store)
        platforms = checks.open_platforms(settings, clock)
        policy, found = checks.read_policy(settings, platforms)
        if policy is None:
            raise SettingsError("\n".join(str(f) for f in found))
        others = checks.open_anchors(settings, clock)
        found += disk
        found += checks.anchoring(settings, policy)
        found += await checks.slack(checks.client(settings), policy)
        found.append(checks.clock_is_off(clock))
        for finding in found:
            log.log(logging.WARNING if finding.wrong else logging.INFO, "%s", finding)
        if fatal := [f for f in found if f.wrong and f.fatal]:
            raise SettingsError("\n".join(str(f) for f in fatal))
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with wiring.bot(
            settings if not socket else settings.model_copy(update={"slack_signing_secret": None}),
            store=store,
            clock=clock,
            platforms=platforms,
            policy=policy,
            anchors=others,
        ) as bot:
            watching = asyncio.create_task(
                wiring.watch_policy(
                    bot.engine, settings.nolone_policy, wiring.facts_of(platforms), clock
                )
            )
            runner, port = await wiring.serve_http(bot, settings.host, settings.port)
            log.info("listening on %s:%s", settings.host, port)
            try:
                if socket:
                    assert settings.slack_app_token is not None
                    async with wiring.socket_mode(bot, settings.slack_app_token.get_secret_value()):
                        await _until(stop, bot)
                else:
                    await _until(stop, bot)
                log.info("stopping: finishing what was acknowledged")
            finally:
                watching.cancel()
                await runner.cleanup()
        for platform in platforms.values():
            await platform.aclose()
        for anchor in others:
            await anchor.aclose()
    finally:
        store.close()


async def _until(stop: asyncio.Event, bot: wiring.Bot) -> None:
    """Wait for the signal to stop; raise what ended the worker, if that ends first."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({stopped, bot.working}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if bot.working.done():
        bot.working.result()


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0: any that is free.")
def sandbox(port: int) -> None:
    """Try it all on this machine, without a Slack account."""
    from bot.sandbox.server import run_sandbox

    try:
        run_sandbox(port)
    except SettingsError as e:
        raise Wrong(str(e)) from e


@main.command()
def check() -> None:
    """Check settings, policy, Slack, platforms and database; say what is wrong, and the remedy."""
    found = asyncio.run(checks.everything())
    for finding in found:
        click.echo(finding.whole)
    if any(f.wrong and f.fatal for f in found):
        sys.exit(1)


@main.group()
def policy() -> None:
    """Look at a policy file."""


FILE = click.argument("file", type=click.Path(path_type=Path))


@policy.command("check")
@FILE
def policy_check(file: Path) -> None:
    """Say everything that is wrong in FILE, with its line and the remedy."""
    read = _policy(file)
    for warning in policyfile.warnings(read):
        click.echo(f"note: {warning}")
    click.echo(f"{file}: a good policy, {read.digest[:8]}")


@policy.command("show")
@FILE
def policy_show(file: Path) -> None:
    """Say in words what FILE asks for."""
    click.echo(policyfile.show(_policy(file)))


def _policy(file: Path) -> Policy:
    try:
        return policyfile.load(file)
    except PolicyError as e:
        raise Wrong(str(e)) from e


@main.group()
def audit() -> None:
    """Query, export and verify the trail."""


@audit.command("show", context_settings={"ignore_unknown_options": True})
@click.argument("query", nargs=-1)
@click.option(
    "--page", type=click.IntRange(1), default=1, show_default=True, help="Which page of the answer."
)
@click.option(
    "--save",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write what it says, on all pages, to FILE, for prove-complete.",
)
def audit_show(query: tuple[str, ...], page: int, save: Path | None) -> None:
    """Answer QUERY as /audit does in Slack; `help` says what can be asked. It is recorded."""
    store: Visit | None = None
    try:
        settings = read_settings(StoreSettings)
        store = open_visit(settings.database)
        clock = wiring.visiting_clock(store)
        asked = " ".join(query)
        if save is None:
            found = ask_on_host(store, clock, _user(), asked, page, show.PAGE_SIZE)
        else:
            found = ask_on_host(store, clock, _user(), asked, 1, MOST)
            saved.write(save, saved.save(found))
            click.echo(f"saved to {save}: what it says on all pages")
    except (SettingsError, StoreError, BadQuery) as e:
        raise Wrong(str(e)) from e
    except OSError as e:
        raise Wrong(f"{e.filename}: {e.strerror}.") from e
    finally:
        if store is not None:
            store.close()
    click.echo(show.text(found))


@audit.command("export")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS[::-1]),
    default="tiles",
    show_default=True,
    help="tiles: a folder that proves what it says; csv, jsonl: a file to read.",
)
@click.option("--values", is_flag=True, help="tiles: with the values, in openings.jsonl.")
@click.option("--since", help="csv, jsonl: entries from then on, as in /audit.")
@click.option("--until", help="csv, jsonl: entries before then, as in /audit.")
@click.option(
    "--redact",
    multiple=True,
    metavar="SUBJECT",
    help="Give no value of this account: its id or handle; can be given more than once.",
)
@click.option("--pseudonyms", is_flag=True, help="csv, jsonl: show people under made-up names.")
def audit_export(
    path: Path,
    form: str,
    values: bool,
    since: str | None,
    until: str | None,
    redact: tuple[str, ...],
    pseudonyms: bool,
) -> None:
    """Write the trail to PATH.

    As tiles: a folder, signed, for others to verify; an earlier export there is gone on with. As csv or
    jsonl: a new file with its values. Whatever tells values is recorded.
    """
    hidden = hosting.Hidden(redact, pseudonyms)
    if form != "tiles":
        if values:
            raise click.UsageError("--values is for tiles: a file of entries has them anyhow.")
        times = "".join(
            f' {word}:"{value}"' for word, value in (("since", since), ("until", until)) if value
        )
        _export_file(path, f"export format:{form}{times}", hidden)
        return
    if since or until:
        raise click.UsageError("tiles are the whole trail: leave --since and --until out.")
    if pseudonyms:
        raise click.UsageError(
            "tiles hold the entries as they are, people's ids among them: another name would break"
            " their hashes. Use --format jsonl or csv, and do not give tiles to the same reader."
        )
    if redact and not values:
        raise click.UsageError("tiles have no values to leave out, unless --values is given.")
    _export_folder(path, hidden if values else None)


def _export_file(path: Path, text: str, hidden: hosting.Hidden) -> None:
    with _on_host(StoreSettings) as (host, _):
        made, seq = hosting.to_file(host, path, text, hidden)
    click.echo(f"{path}: {made.entries} entries, of {made.size}")
    click.echo(f"root {made.root}\nSHA-256 {made.digest}")
    click.echo(f"It is entry {seq} of the trail.")
    if made.names is not None:
        click.echo(f"Who is who in it: nolone audit unmask {seq} NAME --reason TEXT")


def _export_folder(path: Path, values: hosting.Hidden | None) -> None:
    with _on_host(SigningSettings) as (host, settings):
        signers = _signers(settings)
        done, made = hosting.to_folder(host, path, signers, settings.nolone_origin, values)
    click.echo(f"{path}: {done.size} entries, {done.size - done.since} of them new")
    click.echo(f"proofs written: {done.proofs}")
    if made is not None:
        click.echo(f"values written: {made.entries}, SHA-256 {made.digest}")


@audit.command("unmask")
@click.argument("export", type=click.IntRange(1))
@click.argument("name")
@click.option("--reason", required=True, help="Why; it is recorded.")
def audit_unmask(export: int, name: str, reason: str) -> None:
    """Say who stands behind NAME in the pseudonymised export that is entry EXPORT of the trail."""
    with _on_host(StoreSettings) as (host, _):
        found = hosting.unmask(host, export, name, reason)
    click.echo(found)


@contextlib.contextmanager
def _on_host(kind: type[S]) -> Iterator[tuple[hosting.Host, S]]:
    """The trail beside the bot, as the user of this machine."""
    visit: Visit | None = None
    try:
        settings = read_settings(kind)
        visit = open_visit(settings.database)
        yield hosting.Host(visit, wiring.visiting_clock(visit), _user()), settings
    except (exports.Unfit, BadQuery, Refused, NoSuchSubject, Several) as e:
        raise Wrong(str(e)) from e
    except (SettingsError, StoreError, keys.KeyFileError, exports.ExportError) as e:
        raise Unknown(str(e)) from e
    finally:
        if visit is not None:
            visit.close()


@audit.command("verify")
@click.argument("dir", required=False, type=click.Path(path_type=Path))
@click.option(
    "--against",
    multiple=True,
    metavar="CHECKPOINT",
    type=click.Path(path_type=Path),
    help="A checkpoint that somebody kept, or what a card showed, '#12 · root 0AWcvSJfFYuQ'; can be"
    " given more than once.",
)
@click.option(
    "--vkey",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The log's public keys, had from elsewhere than the log; can be given more than once.",
)
@click.option(
    "--witnesses",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Who has to have cosigned each kept checkpoint: a policy of witnesses (tlog-policy).",
)
def audit_verify(
    dir: Path | None, against: tuple[Path, ...], vkey: tuple[Path, ...], witnesses: Path | None
) -> None:
    """Verify the trail: that in the database, or an export in DIR, without the database.

    That in the database is held against what the anchors of NOLONE_ANCHORS give back, too.
    """
    if witnesses is not None and not against:
        raise click.UsageError("Give a kept checkpoint by --against: witnesses cosign those.")
    try:
        asked = None if witnesses is None else keys.witnesses(witnesses)
        known = [key for file in vkey for key in keys.public(file)]
        if dir is not None:
            said = verifying.export(dir, known, against, asked)
        else:
            settings = read_settings(AnchorSettings)
            origin = settings.nolone_origin
            anchors = checks.open_anchors(settings, MachineClock(None))
            signed = [file for file in against if verifying.shown(str(file), origin) is None]
            if (signed or anchors) and not known:  # a checkpoint has to be signed by somebody
                known = [key.public for key in _signers(settings)]
            said = verifying.database(settings.database, origin, known, against, asked, anchors)
    except (SettingsError, StoreError, keys.KeyFileError) as e:
        raise Unknown(str(e)) from e
    except OSError as e:
        raise Unknown(f"{e.filename}: {e.strerror}.") from e
    click.echo(said.text)
    if said.wrong:
        sys.exit(1)


@audit.command("prove-complete")
@FILE
@click.argument("dir", type=click.Path(path_type=Path))
@click.option(
    "--vkey",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The log's public keys, had from elsewhere than the log; can be given more than once.",
)
def audit_prove_complete(file: Path, dir: Path, vkey: tuple[Path, ...]) -> None:
    """Say whether the answer in FILE (`audit show --save`) is complete, by the export in DIR.

    It ends with 0 where it is, with 1 where something was left out, put in, or told otherwise, and
    with 2 where that cannot be found out.
    """
    try:
        known = [key for key_file in vkey for key in keys.public(key_file)]
        said = complete.prove(file, dir, known)
    except keys.KeyFileError as e:
        raise Unknown(str(e)) from e
    except OSError as e:
        raise Unknown(f"{e.filename}: {e.strerror}.") from e
    click.echo(said.text)
    sys.exit(said.found)


@audit.command("erase")
@click.argument("subject")
@click.option("--reason", required=True, help="Why; it is kept, so it must not name the account.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
def audit_erase(subject: str, reason: str, yes: bool) -> None:
    """Erase what the database holds of SUBJECT: `platform:id`, an id, or a @handle.

    The entries and their proofs stay, and so does who decided. Run again, it goes on where it was
    interrupted.
    """
    visit: Visit | None = None
    try:
        settings = read_settings(StoreSettings)
        visit = open_visit(settings.database)
        clock = wiring.visiting_clock(visit)
        planned = visit.look(lambda tx: erasing.plan(tx, subject))
        click.echo(erased.plan(planned, subject))
        if not planned.found.nothing:
            if not yes:
                click.confirm("Erase it for good?", abort=True)
            done = visit.run_now(
                lambda tx: erasing.erase_on_host(tx, _user(), subject, reason, clock.now())
            )
            click.echo(erased.erased(done))
    except (SettingsError, StoreError, Several, Refused) as e:
        raise Wrong(str(e)) from e
    else:
        _write_anew(visit)
    finally:
        if visit is not None:
            visit.close()


def _write_anew(visit: Visit) -> None:
    try:
        visit.write_anew()
    except StoreError as e:
        raise Wrong(
            f"{e}\nCopies of what was erased may be left in the file. Run this again to end it."
        ) from e
    click.echo(f"{visit.name} was written anew: nothing that was erased is left in it.")


def _signers(settings: SigningSettings) -> tuple[SigningKey, ...]:
    if settings.nolone_signing_key_file is None:
        raise SettingsError(
            "NOLONE_SIGNING_KEY_FILE is not set. Make a key with `nolone keygen FILE`."
        )
    return keys.signing(settings.nolone_signing_key_file, settings.nolone_origin)


def _user() -> str:
    """Who runs this, by name, or by number where there is no name, as in some containers."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@main.command()
@FILE
def keygen(file: Path) -> None:
    """Make a signing key for the trail in a new FILE, and print its public half (vkey)."""
    try:
        public = keys.make(file, read_settings(LedgerSettings).nolone_origin)
    except (SettingsError, keys.KeyFileError) as e:
        raise Wrong(str(e)) from e
    click.echo(public.vkey)


@main.command()
@click.option("--url", help="Where Slack reaches the bot, e.g. https://bot.example.org")
@click.option("--socket", is_flag=True, help="For Socket Mode: Slack need not reach the bot.")
def manifest(url: str | None, socket: bool) -> None:
    """Print the Slack app's manifest, to paste at Slack."""
    if (url is None) == (not socket):
        raise click.UsageError("Give one of --url URL and --socket.")
    if url is not None and not url.startswith("https://"):
        raise click.UsageError("Slack delivers to https addresses only.")
    click.echo(manifests.text(url), nl=False)


@main.command()
@click.option(
    "--from",
    "source",
    metavar="URL",
    help="Move all of this SQLite database into DATABASE_URL, which has to be empty; no bot may"
    " serve either.",
)
def migrate(source: str | None) -> None:
    """Bring the database to this version's schema."""
    if source is not None:
        _move(source)
        return
    try:
        settings = read_settings(StoreSettings)
        store = open_store(settings.database)
    except (SettingsError, StoreError) as e:
        raise Wrong(str(e)) from e
    try:
        pending = store.pending()
        store.migrate()
    except StoreError as e:
        raise Wrong(str(e)) from e
    finally:
        store.close()
    for name in pending:
        click.echo(f"applied {name}")
    click.echo(f"{store.name} is up to date")


def _move(source: str) -> None:
    try:
        target = read_settings(StoreSettings).database
        moved = backups.move(source, target)
    except (SettingsError, StoreError) as e:
        raise Wrong(str(e)) from e
    click.echo(f"{_entries(moved)}: the same as in {source}")
    click.echo("Put the old file away: a bot that is started on it would go on with its own trail.")


@main.command()
@FILE
def backup(file: Path) -> None:
    """Write all that is in the database to a new FILE, also beside a running bot."""
    try:
        settings = read_settings(StoreSettings)
        with backups.visit(settings.database) as source:
            found = backups.back_up(source, file)
    except (SettingsError, StoreError) as e:
        raise Wrong(str(e)) from e
    if found.findings:
        told = "\n".join(map(str, found.findings))
        raise Wrong(f"{file} is what the database is, and its trail is not as it was:\n{told}")
    click.echo(f"{file}: {_entries(found)}")


@main.command()
@FILE
def restore(file: Path) -> None:
    """Bring the backup in FILE into the database, which has to be empty.

    Requests that were not closed then are not gone on with: a veto since then may be lost.
    """
    try:
        target = read_settings(StoreSettings).database
        with backups.visit(f"{SQLITE}{file}") as source:
            now = wiring.visiting_clock(source).now()
            done = backups.restore(source, target, _user(), now)
    except (SettingsError, StoreError) as e:
        raise Wrong(str(e)) from e
    click.echo(f"{_entries(done.trail)}: the same as in {file}")
    if done.set_back:
        click.echo(f"not gone on with, since a veto may be lost: {', '.join(done.set_back)}")
    click.echo("Before you start the bot: nolone audit verify, against what others keep.")


def _entries(found: Verified) -> str:
    root = base64.b64encode(found.root).decode()
    return f"{found.size} entries, verified, root {root}"
