"""A call of Slack's Web API."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """The arguments of one call, however they came: query, form or JSON."""

    args: Mapping[str, Any]
    scopes: frozenset[str]

    def text(self, name: str) -> str:
        """An argument that may be missing or empty."""
        value = self.args.get(name)
        return "" if value is None else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Refusal(
                "invalid_arguments",
                [f"[ERROR] missing required field: {name} [json-pointer:/{name}]"],
            )
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.args.get(name)
        if value is None or value == "":
            return default
        return str(value).lower() in ("1", "true")

    def number(self, name: str, default: int, high: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not value.isdigit() or not 1 <= int(value) <= high:
            raise Refusal("invalid_limit")
        return int(value)

    def document(self, name: str, error: str) -> Any:
        """A JSON argument; a form carries it as a string. None when it is not there."""
        value = self.args.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise Refusal(error) from None

    def need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))


Handler = Callable[[Workspace, Call], Json]


@dataclass(frozen=True)
class Method:
    handler: Handler
    scope: str | None = None
    """The scope it always needs; what depends on the kind of channel is checked by the handler."""
    per_minute: int = 100
