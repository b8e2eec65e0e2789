"""Reads the policy file: YAML in, a Policy or every problem with its place and remedy out."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from bot.core.condition import NAME, TEXT, Condition, tests
from bot.core.duration import BY_HAND, MINUTE, spelled
from bot.core.policy import (
    CHANNEL,
    USER,
    USERGROUP,
    WORKSPACE,
    People,
    Policy,
    Tier,
    flaws,
)
from bot.core.value import Value

MOST_BYTES = 1_000_000
DEEPEST = 40

Where = tuple[str | int, ...]  # the keys and list positions that lead to a value
Platforms = Mapping[str, frozenset[str]]  # configured platform -> facts that it supplies
V = TypeVar("V", bound=Value)


class PolicyError(Exception):
    """The policy file cannot be used. Each problem is `file:line:col: what is wrong. remedy`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load(path: str | Path, *, platforms: Platforms | None = None) -> Policy:
    """The policy in the file at `path`; see `parse`. Raises PolicyError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise PolicyError(
            [f"{path}:1:1: there is no such file. Write one, or name another one in NOLONE_POLICY."]
        ) from None
    except OSError as error:
        raise PolicyError(
            [
                f"{path}:1:1: it cannot be read ({error.strerror}). Make it a file readable to nolone."
            ]
        ) from None
    if len(data) > MOST_BYTES:
        raise PolicyError([f"{path}:1:1: it is larger than 1 MB. Name the right file."])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise PolicyError(
            [f"{path}:{line}:{column}: it is not UTF-8. Save it in that encoding."]
        ) from None
    return parse(text, str(path), platforms=platforms)


def parse(text: str, name: str, *, platforms: Platforms | None = None) -> Policy:
    """The policy that `text` says; `name` stands for the file in what is reported.

    Where `platforms` are given, a condition on a fact that one of them never supplies is refused.
    Raises PolicyError, with all the problems that could be found at once.
    """
    source = _Source(text, name)
    policy: Policy | None = None
    people: People | None
    tiers: Sequence[Tier | None]
    try:
        policy = _validated(Policy, source.tree)
        people, tiers = policy.people, policy.tiers
    except ValidationError as error:
        for details in error.errors():
            _report(source, details)
        people, tiers = _parts(source.tree)
        for flaw in flaws(people, tiers):
            source.problem(flaw.where, flaw.text)
    if platforms:
        for i, tier in enumerate(tiers):
            if tier is not None and tier.when is not None:
                for where, what in _unanswerable(
                    tier.when, ("tiers", i, "when"), frozenset(platforms), platforms
                ):
                    source.problem(where, what)
    if policy is None or source.problems:
        raise PolicyError(source.report())
    return policy


def _validated(model: type[V], tree: object) -> V:
    # Read as JSON, like what comes back from the ledger: strict, and a list is a list. By alias
    # only, so that the ledger's spelling of a key is an unknown key here.
    return model.model_validate_json(
        json.dumps(tree), by_alias=True, by_name=False, context=BY_HAND
    )


def _parts(tree: Any) -> tuple[People | None, list[Tier | None]]:
    """Those parts of a broken policy that are right by themselves, to be checked together."""

    def part(model: type[V], value: object) -> V | None:
        try:
            return _validated(model, value)
        except ValidationError:
            return None

    if not isinstance(tree, dict):
        return None, []
    tiers = tree.get("tiers")
    return (
        part(People, tree.get("people")),
        [part(Tier, tier) for tier in tiers] if isinstance(tiers, list) else [],
    )


class _Source:
    """A file as plain values (`tree`), the place of each, and the problems found so far.

    Raises PolicyError where the text is not YAML at all, or uses what a policy has no need of.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.problems: set[tuple[int, int, str]] = set()
        self._keys: dict[Where, tuple[int, int]] = {}
        self._values: dict[Where, tuple[int, int]] = {(): (1, 1)}
        self._void: set[Where] = set()  # already complained of: nothing more to say about these
        root = self._root(text)
        if root is None:
            raise PolicyError(self.report())
        self.tree = self._value(root, ())

    def problem(self, where: Where, text: str, *, of_key: bool = False) -> None:
        """Note what is wrong at `where`, unless it is known that nothing is right there."""
        if any(where[:n] in self._void for n in range(len(where) + 1)):
            return
        places = self._keys if of_key else self._values
        self._complain(places[where], text)

    def report(self) -> list[str]:
        """Every problem, in the order of the file."""
        return [
            f"{self.name}:{line}:{col}: {text}{'' if text.endswith('?') else '.'}"
            for line, col, text in sorted(self.problems)
        ]

    def _complain(self, place: tuple[int, int], text: str) -> None:
        self.problems.add((*place, _printable(text)))

    def _root(self, text: str) -> Node | None:
        """The text's nodes; None, after a complaint, where there is nothing to go on with."""
        try:
            self._refuse_the_rest_of_yaml(text)
            if self.problems:
                return None
            root: Node | None = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            place = _place(error.problem_mark)
            self._complain(place, f"not YAML: {error.problem}. Correct what stands there")
            return None
        except YAMLError as error:
            what = str(error).splitlines()[0]
            self._complain((1, 1), f"not YAML: {what}. Remove what no text editor can show")
            return None
        if root is None:
            self._complain((1, 1), "the file is empty. Write a policy into it")
        return root

    def _refuse_the_rest_of_yaml(self, text: str) -> None:
        """What could make a file mean another thing than it seems to, or grow without end."""
        depth = documents = 0
        for event in YAML(typ="safe", pure=True).parse(text):
            place = _place(event.start_mark)
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._complain(place, "a second document begins. Keep the first one only")
                if event.version or event.tags:
                    self._complain(place, "a YAML directive. Remove it: a policy is YAML 1.2")
            elif isinstance(event, AliasEvent) or getattr(event, "anchor", None):
                self._complain(place, "an anchor or alias (& or *). Write the value out")
            elif getattr(event, "tag", None):
                self._complain(place, f"the tag {event.tag}. Remove it: a policy is plain values")
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)
            if depth > DEEPEST:
                self._complain(place, f"nested more than {DEEPEST} deep. Write it flatter")
                return

    def _value(self, node: Node, path: Where) -> object:
        self._values.setdefault(path, _place(node.start_mark))
        match node:
            case MappingNode():
                return self._mapping(node, path)
            case ScalarNode():
                return self._scalar(node, path)
            case _:
                return [self._value(item, (*path, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Where) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            if not isinstance(key_node, ScalarNode) or not _is_text(key_node.value):
                self._complain(place, "a key that is not a word. Write a name before the colon")
                continue
            key = key_node.value
            here = (*path, key)
            if key in mapping:
                first = self._keys[here][0]
                self._complain(
                    place,
                    f"`{key}` stands here a second time (first in line {first})."
                    " Keep one of the two",
                )
                continue
            self._keys[here] = place
            if not isinstance(value_node, ScalarNode) or not value_node.value:
                self._values[here] = place  # a block, or nothing, is where its key is
            mapping[key] = self._value(value_node, here)
        return mapping

    def _scalar(self, node: ScalarNode, path: Where) -> object:
        text: str = node.value
        kind = str(node.tag).rpartition(":")[2]
        if kind == "null" or not _is_text(text):
            what = "has no value" if kind == "null" else "holds half a character"
            self.problem(path, f"{_called(path)} {what}. Give it one or remove it")
            self._void.add(path)
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            try:
                return int(text, 0)
            except ValueError:  # such as 010, which is ten to some and eight to others
                return text
        return text


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _printable(text: str) -> str:
    """`text` on one line, with what cannot be seen or turns the reading round spelled out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _is_text(text: str) -> bool:
    """Whether it has no lone surrogates, which an escape can make and UTF-8 cannot hold."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _called(path: Where) -> str:
    if not path:
        return "the policy"
    if isinstance(path[-1], str):
        return f"`{path[-1]}`"
    return f"item {path[-1] + 1} of {_called(path[:-1])}"


_WANTED = {
    "model_type": "keys with values below it. Write it as `key: value`",
    "dict_type": "keys with values below it. Write it as `key: value`",
    "tuple_type": "a list. Write it as [a, b]",
    "frozen_set_type": "a list. Write it as [a, b]",
    "string_type": 'text. Put it into quotes, such as "7"',
    "int_type": "a whole number. Write it in digits, such as 2",
    "bool_type": "true or false. Write one of the two",
}

_FORMS = {
    USER: "a Slack user id. It begins with U or W: copy the member ID from the person's profile",
    USERGROUP: "a Slack user group id. It begins with S: copy it from the end of the group's link",
    CHANNEL: "a Slack channel id. It begins with C or G: copy it from the end of the channel's"
    " details",
    WORKSPACE: "a Slack workspace id. It begins with T: copy it from the address of Slack in a"
    " browser",
    NAME: "a name. Use up to 40 letters, digits and _ . -, a letter or digit first",
    TEXT: "an id. Use up to 255 characters on one line, with no space at either end",
}


def _report(source: _Source, error: ErrorDetails) -> None:
    """Note one of pydantic's errors in this file's words."""
    where, found, ctx = error["loc"], error["input"], error.get("ctx", {})
    kind = error["type"]
    if kind == "value_error" and not where:
        return  # what the parts get wrong together: `parse` looks for that itself, with its place
    if kind == "extra_forbidden":
        key = str(where[-1])
        source.problem(where, f"unknown key `{key}`. {_nearest(key, _keys(where))}", of_key=True)
        return
    if kind == "missing":
        source.problem(where[:-1], f"`{where[-1]}` is missing in {_called(where[:-1])}. Add it")
        return
    if kind == "too_short":
        # an item that is wrong by itself has been reported, and is only missing because of that
        if not found:
            source.problem(where, f"{_called(where)} is empty. Give it at least one item")
        return
    if where[-1:] == ("[key]",):
        where = where[:-1]
        source.problem(where, f"`{found}` is not {_FORMS[ctx['pattern']]}", of_key=True)
        return
    source.problem(where, _said(error))


def _said(error: ErrorDetails) -> str:
    where, found, ctx = error["loc"], error["input"], error.get("ctx", {})
    name = _called(where)
    match error["type"]:
        case "value_error":
            return str(ctx["error"])
        case "string_pattern_mismatch":
            return f"`{found}` is not {_FORMS[ctx['pattern']]}"
        case "greater_than_equal":
            why = ", and a second person always takes part" if where[-1] == "approvals" else ""
            return f"{name} is {found}{why}. Write {ctx['ge']} or more"
        case "less_than_equal":
            return f"{name} is too large. Write {ctx['le']} or less"
        case "enum" | "literal_error":
            wanted = ctx["expected"].replace("'", "")
            return f"{name} is {found}. Write {wanted}"
        case kind:
            otherwise = "something else. Look it up in the reference of the policy file"
            return f"{name} has to be {_WANTED.get(kind, otherwise)}"


def _nearest(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(word.lower().replace("-", "_"), known, n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}"


def _keys(where: Where) -> list[str]:
    """The keys known beside the one at `where`."""
    whole = _schema()
    here = whole
    for step in where[:-1]:
        if isinstance(step, int):
            here = here["items"]
        elif "properties" in here:
            here = here["properties"][step]
        else:
            (here,) = here["patternProperties"].values()
        if "$ref" in here:
            here = whole["$defs"][here["$ref"].rpartition("/")[2]]
    return list(here["properties"])


def _unanswerable(
    condition: Condition, path: Where, among: frozenset[str], platforms: Platforms
) -> Iterator[tuple[Where, str]]:
    """Conditions that come out unknown for every account of a platform, and so always match.

    `among` are the platforms that get as far as `condition`.
    """
    among = _let_through(condition, among)
    for key, test, value in tests(condition):
        if key == "platform" and value not in platforms:
            near = _nearest(value, platforms)
            yield (*path, key), f"no platform called {value} is configured. {near}"
        if test.fact is not None:
            silent = sorted(p for p in among if test.fact not in platforms[p])
            if silent:
                yield (
                    (*path, key),
                    f"`{key}` is never known on {', '.join(silent)}, so it would match every account"
                    " there. Remove it, or add `platform` with another platform in the same `all`",
                )
    for key in ("any", "all"):
        for i, inner in enumerate(getattr(condition, key) or ()):
            yield from _unanswerable(inner, (*path, key, i), among, platforms)
    if condition.not_ is not None:
        yield from _unanswerable(condition.not_, (*path, "not"), among, platforms)


def _let_through(condition: Condition, among: frozenset[str]) -> frozenset[str]:
    """Those of the platforms `among` on which `condition` is not certainly false."""
    if condition.platform is not None:
        among &= {condition.platform}
    for inner in condition.all or ():
        among = _let_through(inner, among)
    barred = condition.not_
    if barred is not None and barred.platform is not None:
        alone = barred == Condition(platform=barred.platform)
        among -= {barred.platform} if alone else set()
    return among


def warnings(policy: Policy) -> list[str]:
    """What is allowed and yet probably not meant, a sentence each."""
    found = [
        f"The tier {tier.name} has a cool-off of {spelled(tier.cool_off)}: under a minute, few can"
        " read a request and veto it."
        for tier in policy.tiers
        if tier.cool_off < MINUTE
    ]
    given = frozenset[str]().union(*(about.tags for about in policy.subjects.values()))
    asked = {tag for tier in policy.tiers if tier.when for tag in _tags(tier.when)}
    found += [
        f"The tag {tag} is given to subjects, but no tier asks for it."
        for tag in sorted(given - asked)
    ]
    found += [
        f"A tier asks for the tag {tag}, but no subject has it." for tag in sorted(asked - given)
    ]
    return found


def _tags(condition: Condition) -> Iterator[str]:
    if condition.tag is not None:
        yield condition.tag
    inner = (*(condition.any or ()), *(condition.all or ()), condition.not_)
    for one in inner:
        if one is not None:
            yield from _tags(one)


def show(policy: Policy) -> str:
    """The policy in plain words."""
    lines = [
        f"Policy {policy.digest[:8]} of workspace {policy.workspace}",
        f"Review channel: {policy.channels.review}",
        f"Checkpoints: {policy.channels.anchors or 'not published in Slack'}",
        f"Agents, who may file: {policy.people.agents}",
        f"Managers, who may query the trail: {policy.people.managers}",
        "Reviewers, who may approve or veto:",
        *(f"  {name}: {group}" for name, group in sorted(policy.people.reviewers.items())),
    ]
    if policy.subjects:
        lines.append("Tags:")
        lines += [
            f"  {key}: {', '.join(sorted(about.tags))}"
            for key, about in sorted(policy.subjects.items())
        ]
    lines.append("Tiers, of which the first that matches applies (what is unknown matches):")
    lines += [f"  {tier}" for tier in policy.tiers]
    lines.append(f"A changed policy takes effect after {spelled(policy.longest_cool_off)}.")
    return "\n".join(_printable(line) for line in lines)


class _FileSchema(GenerateJsonSchema):
    """As the file is written: what is optional is left out, never null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


@cache
def _schema() -> dict[str, Any]:
    return Policy.model_json_schema(schema_generator=_FileSchema)


def schema() -> dict[str, Any]:
    """The JSON Schema of the policy file, for editors."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **deepcopy(_schema()),
        "title": "nolone policy",
    }
