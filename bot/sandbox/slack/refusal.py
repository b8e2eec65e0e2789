"""How Slack says no to a call."""

from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """Slack says no: `{"ok": false, "error": …}`."""

    def __init__(self, error: str, messages: list[str] | None = None, **more: object) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages or []
        self.more = more

    def body(self) -> Json:
        answer: Json = {"ok": False, "error": self.error, **self.more}
        if self.messages:
            answer["response_metadata"] = {"messages": self.messages}
        return answer
