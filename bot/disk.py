"""Whether a folder is on a disk that goes when its container does: a trail there would vanish.

It goes by what can be seen from inside: what the platform sets in the environment, the files that
container engines leave at the root, and where the folder is mounted from.
"""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

# platforms on which no disk of a process's own stays, whatever is mounted
NONE_STAYS = {"DYNO": "Heroku", "K_SERVICE": "Cloud Run"}
CONTAINERS = {
    "FLY_APP_NAME": "Fly",
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
    "RENDER": "Render",
}
MARKERS = ("/.dockerenv", "/run/.containerenv")
VOLATILE = {"aufs", "overlay", "ramfs", "tmpfs"}
EMPTY_DIR = "/volumes/kubernetes.io~empty-dir/"


class Mount(NamedTuple):
    """A line of /proc/self/mountinfo."""

    root: str  # what of the file system is mounted
    point: str
    type: str
    source: str


def look(folder: Path) -> str | None:
    """Why what is written to `folder` on this machine does not stay; None: nothing says so."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:  # it is no Linux
        return None
    markers = [marker for marker in MARKERS if Path(marker).exists()]
    return passes(os.environ, markers, mountinfo, os.path.realpath(folder))


def passes(
    env: Mapping[str, str], markers: Collection[str], mountinfo: str, folder: str
) -> str | None:
    """Why what is written to `folder`, an absolute path without links, does not stay."""
    for name, platform in NONE_STAYS.items():
        if name in env:
            return f"this is {platform} ({name} is set), where no disk stays"
    named = [name for name in CONTAINERS if name in env]
    if not named and not markers:
        return None
    mount = mount_of(mountinfo, folder)
    if mount is None:
        return None
    seen = f"this is {CONTAINERS[named[0]]}" if named else "this is a container"
    seen += f" ({named[0]} is set)" if named else f" (there is {min(markers)})"
    # an image that was made the disk of a virtual machine has kept its marker
    a_machines = not named and mount.root == "/" and mount.source.startswith("/dev/")
    if mount.point == "/" and (mount.type in VOLATILE or not a_machines):
        return f"{seen}, and {folder} is on its own disk ({mount.type}), which goes with it"
    if mount.type in VOLATILE:
        return f"{seen}, and {mount.point} is {mount.type}, which goes with it"
    if EMPTY_DIR in mount.root:
        return f"{seen}, and {mount.point} is an emptyDir, which goes with its pod"
    return None


def mount_of(mountinfo: str, folder: str) -> Mount | None:
    """The mount that a folder is on: the last of those at the deepest point above it."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        first, last = fields.split(), rest.split()
        if len(first) < 5 or len(last) < 2:
            continue
        mount = Mount(_unescaped(first[3]), _unescaped(first[4]), last[0], _unescaped(last[1]))
        above = f"{folder.rstrip('/')}/".startswith(f"{mount.point.rstrip('/')}/")
        if above and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
