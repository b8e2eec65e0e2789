"""The modals that each person has open, and each person's Home."""

import json
from collections.abc import Callable
from typing import Any

from bot.ports import Clock
from bot.sandbox.slack.blocks import view_problems, with_ids
from bot.sandbox.slack.forms import initial_state
from bot.sandbox.slack.records import View
from bot.sandbox.slack.refusal import Refusal

Json = dict[str, Any]

DEPTH = 3
MAX_BYTES = 250_000


class Modals:
    def __init__(self, clock: Clock, team: str, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._team = team
        self._changed = changed
        self._made = 0
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}

    def stack(self, user: str) -> list[View]:
        """What is open before this person, the top one last."""
        return list(self._stacks.get(user, []))

    def home(self, user: str) -> View | None:
        return self._homes.get(user)

    def find(self, view_id: str, external_id: str = "") -> View | None:
        for view in self._all():
            if view.id == view_id or (external_id and view.external_id == external_id):
                return view
        return None

    def open(self, user: str, content: object) -> View:
        """A new modal; whatever was open before this person is replaced."""
        checked = self._checked(content, "modal")
        view = self._new(user, checked)
        self._stacks[user] = [view]
        self._changed()
        return view

    def push(self, user: str, content: object) -> View:
        checked = self._checked(content, "modal")
        stack = self._stacks.get(user, [])
        if not stack:
            raise Refusal("not_found")
        if len(stack) >= DEPTH:
            raise Refusal("push_limit_reached")
        view = self._new(user, checked)
        view.root_view_id, view.previous_view_id = stack[0].id, stack[-1].id
        stack.append(view)
        self._changed()
        return view

    def replace(self, view: View, content: object, expected_hash: str = "") -> None:
        """Show other content in `view`; what was typed stays where the ids stayed."""
        checked = self._checked(content, view.type, instead_of=view)
        if expected_hash and expected_hash != view.hash:
            raise Refusal("hash_conflict")
        self._fill(view, checked)
        self._changed()

    def publish(self, user: str, content: object, expected_hash: str = "") -> View:
        home = self._homes.get(user)
        if home is None:
            home = self._homes[user] = self._new(user, self._checked(content, "home"))
            self._changed()
        else:
            self.replace(home, content, expected_hash)
        return home

    def close(self, view: View) -> None:
        """Take it off; the one below comes up again. One that is closed already stays so."""
        stack = self._stacks.get(view.user, [])
        self._stacks[view.user] = [one for one in stack if one is not view]
        self._changed()

    def clear(self, user: str) -> None:
        self._stacks.pop(user, None)
        self._changed()

    def _all(self) -> list[View]:
        opened = [view for stack in self._stacks.values() for view in stack]
        return opened + list(self._homes.values())

    def _checked(self, content: object, kind: str, instead_of: View | None = None) -> Json:
        problems = view_problems(content)
        if problems or not isinstance(content, dict):
            raise Refusal("invalid_arguments", problems)
        if content["type"] != kind:
            raise Refusal(
                "invalid_arguments",
                [f"[ERROR] must be a {kind} view [json-pointer:/view/type]"],
            )
        if len(json.dumps(content)) > MAX_BYTES:
            raise Refusal("view_too_large")
        external = content.get("external_id")
        others = (view for view in self._all() if view is not instead_of)
        if external and any(view.external_id == external for view in others):
            raise Refusal("duplicate_external_id")
        return content

    def _new(self, user: str, content: Json) -> View:
        self._made += 1
        view_id = f"V{self._made:010d}"
        view = View(view_id, user, self._team, content["type"], {}, [], "", view_id)
        self._fill(view, content)
        return view

    def _fill(self, view: View, content: Json) -> None:
        self._made += 1
        view.content = {key: part for key, part in content.items() if key != "blocks"}
        view.blocks = with_ids(content["blocks"], self._block_id)
        view.state = initial_state(view.blocks, view.state)
        view.hash = f"{self._clock.now() // 1000}.{self._made:08x}"
        view.errors = {}
        view.trouble = None

    def _block_id(self) -> str:
        self._made += 1
        return f"{self._made:05x}"
