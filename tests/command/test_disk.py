"""A disk that goes with its container is told from one that stays, and SQLite on it is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot import disk

from .conftest import Installation

# what /proc/self/mountinfo says, shortened to the lines that count
DOCKER = """\
1042 873 0:61 / / rw,relatime master:303 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/QX3:\
/var/lib/docker/overlay2/l/ZB7,upperdir=/var/lib/docker/overlay2/9c1/diff,workdir=/var/lib/docker/9c1/work
1043 1042 0:64 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
1051 1042 0:71 / /tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw,size=65536k,inode64
1052 1042 259:1 /var/lib/docker/volumes/nolone/_data /data rw,relatime master:1 - ext4 /dev/nvme0n1p1 rw
1053 1042 259:1 /srv/with\\040space /with\\040space rw,relatime - ext4 /dev/nvme0n1p1 rw
1054 1042 259:1 /var/lib/docker/containers/5d2/hosts /etc/hosts rw,relatime - ext4 /dev/nvme0n1p1 rw
"""
PODMAN = """\
719 651 0:52 / / rw,relatime - overlay overlay rw,context="system_u:object_r:container_file_t:s0:c1,c2"\
,lowerdir=/home/u/.local/share/containers/storage/overlay/l/AB,userxattr
727 719 0:45 /volumes/nolone/_data /data rw,nosuid,nodev,relatime - btrfs /dev/mapper/luks rw,subvol=/home
"""
DOCKER_BTRFS = """\
512 488 0:33 /var/lib/docker/btrfs/subvolumes/1f2e3d / rw,relatime - btrfs /dev/sda2 rw,space_cache
"""
POD = """\
4321 4100 0:412 / / rw,relatime master:900 - overlay overlay rw,lowerdir=/var/lib/containerd/io.cont\
ainerd.snapshotter.v1.overlayfs/snapshots/12/fs,upperdir=/var/lib/containerd/x
4330 4321 259:1 /var/lib/kubelet/pods/0b6c/volumes/kubernetes.io~empty-dir/scratch /scratch rw,noatime\
 - xfs /dev/nvme0n1p1 rw,seclabel
4331 4321 0:400 / /memory rw,relatime - tmpfs tmpfs rw,size=131072k
4332 4321 259:3 / /data rw,relatime - ext4 /dev/nvme1n1 rw,seclabel
4333 4332 0:401 / /data/cache rw,relatime - tmpfs tmpfs rw,size=1024k
"""
FLY = """\
22 1 254:16 / / rw,relatime - ext4 /dev/vdb rw
30 22 254:32 / /data rw,relatime - ext4 /dev/vdc rw
"""
MACHINE = """\
25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
31 25 0:26 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,size=807376k
"""
HEROKU = """\
511 430 253:9 /app /app rw,nosuid,nodev,relatime - ext4 /dev/evdb rw
"""
DOCKERENV, CONTAINERENV = ["/.dockerenv"], ["/run/.containerenv"]
KUBERNETES = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.mark.parametrize(
    ("env", "markers", "mountinfo", "folder"),
    [
        ({}, DOCKERENV, DOCKER, "/data"),
        ({}, DOCKERENV, DOCKER, "/data/deeper"),
        ({}, DOCKERENV, DOCKER, "/with space/x"),
        ({}, CONTAINERENV, PODMAN, "/data"),
        (KUBERNETES, [], POD, "/data"),
        ({"FLY_APP_NAME": "nolone"}, [], FLY, "/data"),
        ({"RENDER": "true"}, [], DOCKER, "/data"),
        ({}, [], MACHINE, "/var/lib/nolone"),
        ({}, [], DOCKER, "/"),  # nothing says that it is a container
        ({}, DOCKERENV, MACHINE, "/var/lib/nolone"),  # an image that became a machine's disk
        ({}, DOCKERENV, "", "/data"),
    ],
)
def test_a_disk_that_stays_is_no_matter(
    env: dict[str, str], markers: list[str], mountinfo: str, folder: str
) -> None:
    assert disk.passes(env, markers, mountinfo, folder) is None


@pytest.mark.parametrize(
    ("env", "markers", "mountinfo", "folder", "why"),
    [
        ({}, DOCKERENV, DOCKER, "/app", "container (there is /.dockerenv), and /app is on its own"),
        ({}, DOCKERENV, DOCKER, "/dat", "/dat is on its own disk (overlay)"),
        ({}, DOCKERENV, DOCKER, "/tmp/x", "/tmp is tmpfs"),
        ({}, CONTAINERENV, PODMAN, "/app", "(there is /run/.containerenv)"),
        ({}, DOCKERENV, DOCKER_BTRFS, "/data", "/data is on its own disk (btrfs)"),
        (KUBERNETES, [], POD, "/data2", "Kubernetes (KUBERNETES_SERVICE_HOST is set)"),
        (KUBERNETES, [], POD, "/scratch/db", "/scratch is an emptyDir"),
        (KUBERNETES, [], POD, "/memory", "/memory is tmpfs"),
        (KUBERNETES, [], POD, "/data/cache/db", "/data/cache is tmpfs"),
        ({"FLY_APP_NAME": "nolone"}, [], FLY, "/app", "Fly (FLY_APP_NAME is set)"),
        ({"RENDER": "true"}, DOCKERENV, DOCKER, "/opt", "Render (RENDER is set)"),
        ({"DYNO": "web.1"}, [], HEROKU, "/app", "Heroku (DYNO is set), where no disk stays"),
        ({"K_SERVICE": "nolone"}, [], FLY, "/data", "Cloud Run (K_SERVICE is set)"),
    ],
)
def test_a_disk_that_goes_with_its_container_is_named(
    env: dict[str, str], markers: list[str], mountinfo: str, folder: str, why: str
) -> None:
    assert why in (disk.passes(env, markers, mountinfo, folder) or "it stays")


def test_what_is_mounted_over_counts() -> None:
    over = POD + "4400 4332 0:500 / /data rw,relatime - tmpfs tmpfs rw\n"
    assert disk.mount_of(over, "/data") == ("/", "/data", "tmpfs", "tmpfs")


def nolone(*words: str, on_tmpfs: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bot", *words]
    if on_tmpfs is not None:  # in a mount namespace of its own
        script = f'mount -t tmpfs none "{on_tmpfs}" && "$0" -m bot migrate && exec "$0" -m bot "$@"'
        command = ["unshare", "-m", "sh", "-c", script, sys.executable, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(
    os.geteuid() != 0
    or shutil.which("unshare") is None
    or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0,
    reason="it takes root to mount something",
)
async def test_a_bot_in_a_container_refuses_to_keep_its_trail_in_memory(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = installed.folder / "volatile"
    folder.mkdir()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/nolone.db")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.delenv("NOLONE_EPHEMERAL", raising=False)
    for command in ("run", "check"):
        done = nolone(command, on_tmpfs=folder)
        assert done.returncode == 1
        said = done.stdout + done.stderr
        assert f"this is Kubernetes (KUBERNETES_SERVICE_HOST is set), and {folder} is tmpfs" in said
        for remedy in ("Mount a volume", "PostgreSQL", "NOLONE_EPHEMERAL=accept"):
            assert remedy in said
        assert "Traceback" not in said
    monkeypatch.setenv("NOLONE_EPHEMERAL", "accept")
    said = nolone("check", on_tmpfs=folder).stdout
    assert "NOLONE_EPHEMERAL accepts that" in said
    assert "WRONG  disk" not in said


async def test_a_dyno_has_no_disk_for_a_trail(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOLONE_EPHEMERAL", raising=False)
    monkeypatch.setenv("DYNO", "web.1")
    done = nolone("run")
    assert (done.returncode, "where no disk stays" in done.stderr) == (1, True)
