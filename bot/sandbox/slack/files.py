"""The `files.*` methods, and the place that the bytes go to between them.

A file is announced with its length, its bytes are sent to an address of its own, and only when it is
completed is it shared in a channel. Slack does the sharing some time after its answer; here at once,
or when told to (`Files.slow`).
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.sandbox.slack.call import Call, Json, Method
from bot.sandbox.slack.records import BOT_USER, Channel
from bot.sandbox.slack.refusal import Refusal
from bot.sandbox.slack.workspace import Workspace


@dataclass
class File:
    id: str
    name: str
    length: int
    ticket: str
    """The secret in the address that the bytes are sent to."""
    created: int
    title: str = ""
    content: bytes | None = None
    completed: bool = False

    def payload(self) -> Json:
        return {
            "id": self.id,
            "created": self.created,
            "name": self.name,
            "title": self.title,
            "mimetype": "application/octet-stream",
            "filetype": self.name.rpartition(".")[2],
            "size": self.length,
            "user": BOT_USER,
            "is_external": False,
            "mode": "hosted",
        }


class Files:
    """The files of a workspace. `address` makes an address of this server of a path."""

    def __init__(self, ws: Workspace, address: Callable[[str], str]) -> None:
        self._ws = ws
        self._address = address
        self.slow = False
        """Share nothing before `share` is called."""
        self._waiting: list[Callable[[], None]] = []
        self.known: dict[str, File] = {}

    def methods(self) -> Mapping[str, Method]:
        return {
            "files.getUploadURLExternal": Method(self._announce, "files:write"),
            "files.completeUploadExternal": Method(self._complete, "files:write"),
        }

    def upload(self, ticket: str, content: bytes) -> None:
        """Take the bytes. Raises Refusal where they are not those that were announced."""
        file = next((f for f in self.known.values() if f.ticket == ticket), None)
        if file is None or file.completed:
            raise Refusal("not_found")
        if len(content) != file.length:
            raise Refusal("wrong_length")
        file.content = content

    def share(self) -> None:
        """Share what was completed and waits for it."""
        waiting, self._waiting = self._waiting, []
        for share in waiting:
            share()

    def _announce(self, ws: Workspace, call: Call) -> Json:
        name, length = call.required("filename"), call.required("length")
        if not length.isdigit() or int(length) < 1:
            raise Refusal(
                "invalid_arguments", ["[ERROR] must be more than 0 [json-pointer:/length]"]
            )
        number = len(self.known) + 1
        file = File(f"F{number:08}", name, int(length), secrets.token_hex(16), ws.seconds())
        self.known[file.id] = file
        url = self._address(f"upload/v1/{file.ticket}")
        return {"ok": True, "upload_url": url, "file_id": file.id}

    def _complete(self, ws: Workspace, call: Call) -> Json:
        channel = self._channel(call.text("channel_id"))
        said = call.document("files", "invalid_arguments")
        if not isinstance(said, list) or not said:
            raise Refusal("invalid_arguments")
        files = [self._uploaded(one) for one in said]
        for file, one in zip(files, said, strict=True):
            file.completed = True
            file.title = str(one.get("title") or file.name)
        if channel is not None:
            self._waiting.append(lambda: self._post(channel, files, call.text("initial_comment")))
            if not self.slow:
                self.share()
        return {"ok": True, "files": [{"id": file.id, "title": file.title} for file in files]}

    def _channel(self, id: str) -> Channel | None:
        """Where it is shared, if the bot may write there; None: it stays private."""
        if not id:
            return None
        channel = self._ws.channels.get(id)
        if channel is None:
            raise Refusal("channel_not_found")
        if BOT_USER not in channel.members:
            raise Refusal("channel_not_found" if channel.private else "not_in_channel")
        if channel.im_with is not None and self._ws.users[channel.im_with].deleted:
            raise Refusal("channel_not_found")
        if channel.archived:
            raise Refusal("posting_to_channel_denied")
        return channel

    def _uploaded(self, said: object) -> File:
        id = said.get("id") if isinstance(said, dict) else None
        file = self.known.get(str(id))
        if file is None or file.content is None:
            raise Refusal("file_not_found")
        if file.completed:
            raise Refusal("file_update_failed")
        return file

    def _post(self, channel: Channel, files: list[File], comment: str) -> None:
        message = self._ws.post(channel.id, comment)
        message.files = [file.payload() for file in files]
        self._ws.changed()
