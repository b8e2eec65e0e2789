"""Fills in what the documentation takes from the code: `make docs`.

A page holds `<!-- generated: NAME -->` … `<!-- end -->`; what stands between them is made here.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import click
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from bot import engine, manifest, policyfile
from bot.anchors import directory, witness
from bot.audit.query import HELP as AUDIT_HELP
from bot.cli import main as cli
from bot.core import checks, commands, decide, events, rules
from bot.core.actions import Outcome
from bot.core.condition import TESTS
from bot.core.duration import Duration
from bot.core.reasons import DSA_CATEGORY, PROTECTIVE, ReasonCode
from bot.core.request import STILL_OPEN, Phase
from bot.core.rules import PHASES, Act
from bot.platforms import BUILT_IN, demo, synapse
from bot.settings import Settings, SigningSettings
from bot.slack.views.card import OUTCOME, STATE
from tests.docs import instruments

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
RENDERERS: dict[str, Callable[[], str]] = {}


def renderer(function: Callable[[], str]) -> Callable[[], str]:
    RENDERERS[function.__name__.replace("_", "-")] = function
    return function


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def filled(text: str) -> str:
    """`text` with every generated block as it should be."""
    return BLOCK.sub(lambda m: f"{m[1]}{RENDERERS[m[2]]().strip()}\n{m[3]}", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines
    )


def code(text: object) -> str:
    return f"`{text}`"


def words(name: str) -> str:
    return name.replace("_", " ")


# --- commands ------------------------------------------------------------------------------------


def command_line() -> Iterator[tuple[str, click.Command]]:
    """Every command of `nolone`, by the words that call it."""

    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if isinstance(command, click.Group):
            for sub, inner in sorted(command.commands.items()):
                yield from walk(f"{name} {sub}", inner)
        else:
            yield name, command

    yield from walk("nolone", cli)


@renderer
def cli_commands() -> str:
    rows = []
    for name, command in command_line():
        usage, options = [name], []
        for param in command.params:
            if isinstance(param, click.Argument):
                shown = (param.metavar or param.human_readable_name).upper()
                shown += "…" if param.nargs == -1 else ""
                usage.append(shown if param.required else f"[{shown}]")
                continue
            assert isinstance(param, click.Option)
            number = isinstance(param.type, click.IntRange)
            takes = "" if param.is_flag else " N" if number else f" {str(param.name).upper()}"
            usage.append(f"[{param.opts[0]}{takes}]")
            options.append(f"{code(param.opts[0])}: {param.help}" if param.help else "")
        said = inspect.cleandoc(command.help or "").replace("\n", " ")
        rows.append((code(" ".join(usage)), " ".join([said, *filter(None, options)])))
    return table(("command", "what it does"), rows)


@renderer
def slash_commands() -> str:
    rows = [(code(f"{name} {hint}"), f"{text}.") for name, text, hint, _ in manifest.COMMANDS]
    return table(("command", "what Slack says of it"), rows)


@renderer
def audit_queries() -> str:
    rows = [(code(f"/audit {query}".strip()), meaning) for query, meaning in AUDIT_HELP]
    return table(("query", "answer"), rows)


# --- policy ---------------------------------------------------------------------------------------


@renderer
def policy_keys() -> str:
    """Every key that a policy may have, from its JSON Schema; conditions have a table of their own."""
    whole = policyfile.schema()
    rows: list[tuple[str, str, str]] = []

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        found = whole["$defs"][node["$ref"].rpartition("/")[2]]
        return {**found, **{k: v for k, v in node.items() if k != "$ref"}}

    def walk(path: str, node: dict[str, Any]) -> None:
        required = set(node.get("required", ()))
        for key, given in node.get("properties", {}).items():
            value = resolved(given)
            here = f"{path}{key}"
            if key == "when":
                rows.append((code(here), "a condition", "required but in the last tier"))
                continue
            items = resolved(value.get("items", {}))
            named = [resolved(v) for v in value.get("patternProperties", {}).values()]
            if not named and isinstance(value.get("additionalProperties"), dict):
                named = [resolved(value["additionalProperties"])]
            must = "required" if key in required else "optional"
            if "properties" in items:
                rows.append((code(here), "a list", must))
                walk(f"{here}[].", items)
            elif named:
                inner = named[0]
                said = "either `users` or `usergroup`" if "oneOf" in inner else ""
                said = said if "properties" in inner else _type(inner)
                rows.append((code(f"{here}.NAME"), said, must))
                walk(f"{here}.NAME.", inner)
            elif "properties" in value:
                rows.append(
                    (code(here), "either `users` or `usergroup`" if "oneOf" in value else "", must)
                )
                walk(f"{here}.", value)
            else:
                rows.append((code(here), _type(value), must))

    walk("", whole)
    return table(("key", "value", ""), rows)


def _type(node: dict[str, Any]) -> str:
    match node:
        case {"const": value}:
            return code(value)
        case {"type": "array", "items": dict(items)}:
            return f"a list, each {_type(items)}"
        case {"type": "integer"}:
            low, high = node.get("minimum"), node.get("maximum")
            return f"a whole number, {low} to {high}"
        case {"type": "string", "examples": _}:
            return "a duration"
        case {"type": "string", "pattern": str(pattern)}:
            return policyfile._FORMS[pattern].partition(".")[0]
    return str(node.get("type", ""))


@renderer
def conditions() -> str:
    facts = {
        name: sorted(p for p in BUILT_IN if test.fact in FACTS[p])
        for name, test in TESTS.items()
        if test.fact is not None
    }
    examples: dict[str, object] = {
        "tag": "public-office",
        "verified": True,
        "followers_at_least": 1_000_000,
        "account_age_below": 7 * 24 * 60 * 60_000,
        "platform_role": "public-office",
        "platform": "synapse",
        "action": "deactivate",
    }
    written = {"verified": "true", "account_age_below": "7d"}
    rows = []
    for name, test in TESTS.items():
        value = written.get(name, examples[name])
        known = "always" if test.fact is None else f"on {', '.join(facts[name]) or 'none of ours'}"
        rows.append((code(f"{name}: {value}"), test.words(examples[name])[0], known))
    return table(("condition", "holds for", "known"), rows)


FACTS = {"demo": demo.Demo.facts, "synapse": synapse.Synapse.facts}


@renderer
def duration_examples() -> str:
    schema = next(m for m in get_args(Duration)[1:] if type(m).__name__ == "WithJsonSchema")
    return ", ".join(code(e) for e in schema.json_schema["examples"]) + "."


# --- states ---------------------------------------------------------------------------------------

MEANING = {
    Phase.OPEN: "it waits for approvals, until `open_for` is over",
    Phase.COOLING_OFF: "the quorum is there; a veto still stops it",
    Phase.READY: "the cool-off is over; it is checked once more and started, or waits, until `run_within` is over",
    Phase.EXECUTING: "the order is durable, the platform is being asked, and its effect looked for",
    Phase.UNKNOWN: "it may have happened and cannot be seen; it is looked at again, and never sent again",
    Phase.EXECUTED: "it ended with an outcome (below)",
    Phase.FAILED: "the platform refused, or nothing changed",
    Phase.VETOED: "a reviewer stopped it, with a reason",
    Phase.WITHDRAWN: "the requester took it back",
    Phase.EXPIRED: "time ended it: no quorum, or not started, in time",
    Phase.LAPSED: "it cannot be done any more, or was reopened twice already",
}


@renderer
def phases() -> str:
    rows = [
        (phase.value, STATE[phase], "no" if phase in STILL_OPEN else "yes", MEANING[phase])
        for phase in Phase
    ]
    return table(("phase", "on the card", "closed", "what it means"), rows)


@renderer
def outcomes() -> str:
    rows = [(outcome.value, OUTCOME.get(outcome, "")) for outcome in Outcome]
    rows = [
        (name, said or "ends as *failed*: the platform answered, and nothing changed")
        for name, said in rows
    ]
    return table(("outcome", "on the card"), rows)


@renderer
def acts() -> str:
    rows = [
        (act.value, ", ".join(p.value for p in Phase if p in allowed))
        for act, allowed in PHASES.items()
    ]
    return table(("act", "in these phases"), rows)


# --- events ---------------------------------------------------------------------------------------


def _members(union: Any) -> tuple[type, ...]:
    return get_args(union)


OTHER_STREAMS = {
    "Queried": "audit",
    "QueriesErased": "audit",
    "Exported": "audit",
    "Unmasked": "audit",
    "PolicyAdopted": "policy",
}


@renderer
def event_kinds() -> str:
    rows = []
    for event in _members(events.Event):
        assert issubclass(event, events.Happened)
        stream = OTHER_STREAMS.get(event.__name__, "R-n")
        fields = []
        for name, field in event.model_fields.items():
            if name not in events.Happened.model_fields and name != "kind":
                sealed = "Sealed" in repr(field.annotation)
                fields.append(f"**{name}**" if sealed else name)
        rows.append((code(event.__name__), code(stream), ", ".join(fields)))
    return table(("event", "stream", "data (**sealed**)"), rows)


@renderer
def reasons() -> str:
    rows = [
        (code(r.value), code(DSA_CATEGORY[r]), "no" if r in PROTECTIVE else "yes")
        for r in ReasonCode
    ]
    return table(("reason", "DSA category", "one-click restore"), rows)


# --- settings -------------------------------------------------------------------------------------

SAID = {
    "SLACK_BOT_TOKEN": "the bot's token, `xoxb-…`",
    "SLACK_SIGNING_SECRET": "for HTTP: what Slack signs its deliveries with",
    "SLACK_APP_TOKEN": "for Socket Mode: an app-level token, `xapp-…`",
    "SLACK_API_URL": "where Slack's Web API is; ends in `/api/`",
    "DATABASE_URL": "`sqlite:///` and the path of a file, four slashes for an absolute one; or `postgresql://USER:PASSWORD@HOST/NAME`, for one process or several",
    "NOLONE_EPHEMERAL": "`accept`: run on a disk that goes with its container, and the trail with it",
    "NOLONE_POLICY": "the policy file",
    "NOLONE_PLATFORMS": "the platforms to act on, separated by commas: `synapse`, `demo`, or one of yours",
    "NOLONE_ORIGIN": "this ledger's name; it is part of every order's key, so never change it",
    "NOLONE_SIGNING_KEY_FILE": "the file of the key, or keys, that sign the trail's checkpoints and exports",
    "NOLONE_ANCHORS": "who keeps checkpoints, separated by commas: `directory`, `witness`, or one of yours",
    "ANCHOR_CHANNEL_WEBHOOK": "a second app's incoming webhook into the policy's `channels.anchors`",
    "ANCHOR_DIRECTORY_PATH": "for `directory`: the folder that keeps them; it has to be there",
    "ANCHOR_WITNESS_POLICY": "for `witness`: the file that names the witnesses, and how many it takes",
    "HOST": "the address to listen on",
    "PORT": "the port to listen on",
    "LOG_FORMAT": "`text`, or `json` for one object a line",
    "SYNAPSE_URL": "where Synapse is, such as `https://matrix.example.org`",
    "SYNAPSE_TOKEN": "the access token of a server administrator, of an account for this only",
    "DEMO_URL": "where the sandbox's platform is; loopback only",
    "DEMO_TOKEN": "its token",
}


def settings() -> dict[str, tuple[str, str]]:
    """Every variable that is read: its default, and what it is for."""
    made: dict[str, tuple[str, str]] = {}
    models: list[tuple[str, type[BaseSettings]]] = [
        ("", Settings),
        ("", SigningSettings),
        ("SYNAPSE_", synapse.Settings),
        ("DEMO_", demo.Settings),
        ("ANCHOR_DIRECTORY_", directory.Settings),
        ("ANCHOR_WITNESS_", witness.Settings),
    ]
    for prefix, model in models:
        for name, field in model.model_fields.items():
            variable = f"{prefix}{name}".upper()
            needed = field.is_required() or variable == "NOLONE_PLATFORMS"
            given = field.default
            if isinstance(given, SecretStr):  # of an address, which holds a secret once it is set
                given = given.get_secret_value()
            default = "required" if needed else "" if given in (None, ()) else code(given)
            made[variable] = (default, SAID.pop(variable, "") or made.get(variable, ("", ""))[1])
    return made


SETTINGS = settings()
assert not SAID, f"no longer settings: {SAID}"
assert all(said for _, said in SETTINGS.values()), "a setting is not described in tests/docs"


@renderer
def settings_table() -> str:
    rows = [(code(name), default, said) for name, (default, said) in SETTINGS.items()]
    return table(("variable", "default", "what it is"), rows)


@renderer
def scopes() -> str:
    rows = [(code(scope), why) for scope, why in manifest.SCOPES.items()]
    return table(("scope", "what for"), rows)


@renderer
def slack_events() -> str:
    return ", ".join(code(e) for e in manifest.EVENTS) + "."


@renderer
def platforms() -> str:
    rows = []
    for name, made in (("demo", demo.Demo), ("synapse", synapse.Synapse)):
        able = "; ".join(
            f"{kind.value}: {c.reversibility.value}" for kind, c in made.capabilities.items()
        )
        rows.append((code(name), able, ", ".join(code(f) for f in sorted(made.facts))))
    return table(("platform", "can do", "facts beyond id, handle and state"), rows)


@renderer
def metrics() -> str:
    rows = [
        (code(name), kind, ", ".join(code(label) for label in labels), said)
        for name, kind, labels, said in instruments.families()
    ]
    return table(("metric", "type", "labels", "what it is"), rows)


# --- what is refused, and why ---------------------------------------------------------------------

NAMED = {
    "request.id": "R-n",
    "command.request": "R-n",
    "facts.holder": "R-m",
    "newest": "R-m",
    "holder": "R-m",
    "mention(facts.agents.members)": "@…",
    "mention(facts.managers.members)": "@…",
    "request.requester": "…",
    "RESTORES_A_DAY": str(rules.RESTORES_A_DAY),
}


def text_of(node: ast.expr | None) -> list[str]:
    """What a string expression says; what is put into it is named, or left open as `…`."""
    match node:
        case ast.Constant(value=str(said)):
            return [said]
        case ast.JoinedStr(values=parts):
            said = ""
            for part in parts:
                if isinstance(part, ast.Constant):
                    said += str(part.value)
                else:
                    assert isinstance(part, ast.FormattedValue)
                    said += NAMED.get(ast.unparse(part.value), "…")
            return [re.sub(r"<@([^>]*)>", r"@\1", said).replace("@@", "@")]
        case ast.IfExp(body=yes, orelse=no):
            return [*text_of(yes), *text_of(no)]
    return []


def _tree(function: Callable[..., Any] | ModuleType) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def _calls(tree: ast.AST, *names: str) -> Iterator[tuple[str, ast.Call]]:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    for node in sorted(found, key=lambda node: node.lineno):
        assert isinstance(node.func, ast.Name)
        if node.func.id in names:
            yield node.func.id, node


def returned(function: Callable[..., Any]) -> list[str]:
    """The sentences that a rule may answer with, those of a helper that it returns included."""
    said: list[str] = []
    returns = [node for node in ast.walk(_tree(function)) if isinstance(node, ast.Return)]
    for node in sorted(returns, key=lambda node: node.lineno):
        said += text_of(node.value)
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            said += returned(getattr(rules, node.value.func.id))
    return said


def all_rules() -> Iterator[tuple[str, frozenset[Act], Callable[..., Any]]]:
    for concerned, rule in rules.RULES:
        inner = [c.cell_contents for c in rule.__closure__ or () if callable(c.cell_contents)]
        yield rule.__name__, concerned, inner[0] if inner else rule


@renderer
def refusals() -> str:
    rows = []
    for name, concerned, function in all_rules():
        whom = (
            "everything"
            if concerned == frozenset(Act)
            else ", ".join(a.value for a in Act if a in concerned)
        )
        rows.append((words(name), whom, "<br>".join(returned(function))))
    return table(("rule", "for", "what it says"), rows)


@renderer
def other_refusals() -> str:
    said: list[str] = []
    for module in (decide, engine):
        for _, call in _calls(_tree(module), "Refused"):
            said += text_of(call.args[0])
    return "\n".join(f"* {one}" for one in dict.fromkeys(said))


@renderer
def start_checks() -> str:
    does = {"Lapse": "lapses", "Defer": "waits", "Reopen": "is reopened", "Wait": "waits"}
    rows = []
    for look in checks.CHECKS:
        found: dict[str, list[str]] = {}
        for kind, call in _calls(_tree(look), *does):
            found.setdefault(does[kind], []).extend(
                text_of(call.args[0]) or ["the reason as it is"]
            )
        for end, said in found.items():
            rows.append((words(look.__name__), end, "<br>".join(said)))
    return table(("check", "if not, the request", "because"), rows)


def command_names() -> set[str]:
    return {c.__name__ for c in _members(commands.RequestCommand)}


def event_names() -> set[str]:
    return {e.__name__ for e in _members(events.Event)}


def generate() -> None:
    for page in pages():
        before = page.read_text()
        after = filled(before)
        if after != before:
            page.write_text(after)
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    generate()
