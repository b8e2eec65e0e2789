"""The peers, in a virtual environment of their own: nothing of theirs is a dependency of ours."""

import asyncio
import hashlib
import sys
from pathlib import Path

LIST = Path(__file__).parent.parent / "peers.txt"
WHERE = Path(".work/peers-venv")


class NotInstalled(Exception):
    """The text says why."""


async def installed() -> str:
    """The Python that has the peers of the list; they are installed if they are not. Raises NotInstalled."""
    python = WHERE / "bin" / "python"
    mark, digest = WHERE / ".list", hashlib.sha256(LIST.read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        await _run(sys.executable, "-m", "venv", "--clear", str(WHERE))
        pip = (str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check")
        await _run(*pip, "--require-hashes", "-r", str(LIST))
        mark.write_text(digest)
    return str(python)


async def _run(*command: str) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    _, said = await process.communicate()
    if process.returncode:
        lines = said.decode().strip().splitlines() or ["no reason given"]
        raise NotInstalled(lines[-1])


def version(name: str) -> str:
    """The version that the list pins."""
    lines = LIST.read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}=="))
    return found.removeprefix(f"{name}==").split()[0]
