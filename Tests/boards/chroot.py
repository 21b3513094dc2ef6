"""Installed systems of a release to try packages in: unpacked from a tarball that is made once, gone after the test.

They need root, and for another processor a kernel that hands its programs to qemu: that is arranged here when nobody
has.
"""

import atexit
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from harness import Result, end, eventually, start
from packages import cross

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "culver/boards"
BINFMT = pathlib.Path("/proc/sys/fs/binfmt_misc")
# By Debian's name of the processor: the kernel's and qemu's names, and in an ELF file its width and its number.
PROCESSORS = {"arm64": ("aarch64", "aarch64", "02", "b7"), "armhf": ("armv7l", "arm", "01", "28")}
# An ELF file, little endian, executable or shared.
HEAD = r"\x7fELF\x{width}\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{number}\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
MONTH = 30 * 86400  # seconds until a system is made anew: packages of a release change, too

# Mounts of the chroot are seen by the command alone, and end with it. $0 is the root, $1 the directory of downloads.
ENTER = """
set -e
mount -t proc proc "$0/proc"
mount --bind /dev "$0/dev"
mount --bind "$1" "$0/var/cache/apt/archives"
shift
exec chroot "$@"
"""


def run(*command: object, timeout: float = 900) -> Result:
    """With nothing of ours in the environment."""
    words = [str(word) for word in command]
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root",
        "DEBIAN_FRONTEND": "noninteractive",
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
    }
    process = start(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        end(process)
    return Result(words, process.returncode, out, err)


def done(result: Result) -> Result:
    if result.code != 0:
        raise AssertionError(result)
    return result


def emulate(architecture: str) -> None:
    """The kernel runs programs for it by qemu, until this process ends if nobody had arranged it before."""
    machine, name, width, number = PROCESSORS.get(architecture, (os.uname().machine, "", "", ""))
    if os.uname().machine == machine:
        return
    if not (BINFMT / "register").exists():
        done(run("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT))
    for entry in BINFMT.iterdir():
        text = "" if entry.name in ("register", "status") else entry.read_text()
        if text.startswith("enabled") and f"{number}00\n" in text and f"qemu-{name}-static" in text:
            return
    # F: the program is opened now, so that it is found from within a chroot.
    head = HEAD.format(width=width, number=number)
    line = f":culver-{name}:M::{head}:{MASK}:/usr/bin/qemu-{name}-static:F"
    done(run("sh", "-c", 'printf %s "$0" > "$1"', line, BINFMT / "register"))
    atexit.register(run, "sh", "-c", 'echo -1 > "$0"', BINFMT / f"culver-{name}")


class Chroot:
    """One installed release. `systemd`: with all of it, as on a Pi, or with what makes users and directories only."""

    def __init__(self, release: str, architecture: str, systemd: bool):
        emulate(architecture)
        self.release, self.architecture = release, architecture
        self.systemd: subprocess.Popen | None = None
        self.packages = ["systemd"] if systemd else ["systemd-standalone-sysusers", "systemd-standalone-tmpfiles"]
        self.name = f"{release}-{architecture}{'-systemd' if systemd else ''}"
        self.downloads = CACHE / f"{self.name}-packages"
        (self.downloads / "partial").mkdir(parents=True, exist_ok=True)
        tarball = self.tarball()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="culver-root-"))
        done(run("tar", "-x", "--numeric-owner", "-C", self.root, "-f", tarball))
        done(run("cp", "/etc/resolv.conf", self.path("etc/resolv.conf")))

    def remove(self) -> None:
        if self.systemd is not None:
            self.halt()
            self.root.with_name(self.root.name + ".log").unlink(missing_ok=True)
        done(run("rm", "-rf", "--one-file-system", self.root))

    def sources(self) -> str:
        """One line of apt's, with the mirror that cross/setup found."""
        known = sorted((cross() / "apt").glob("*/etc/sources.list"))[0].read_text().split()
        return " ".join(known[:3] + [self.release, "main"])

    def tarball(self) -> pathlib.Path:
        """A small system with apt, its lists and their index; made once a month."""
        tarball = CACHE / f"{self.name}.tar"
        if tarball.exists() and time.time() - tarball.stat().st_mtime < MONTH:
            return tarball
        partial = tarball.with_name("partial-" + tarball.name)
        done(run(
            "mmdebstrap", "--mode=root", "--variant=apt", f"--architectures={self.architecture}",
            f"--include={','.join(self.packages)}", "--skip=check/qemu,cleanup/apt/lists,cleanup/apt/cache",
            "--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Check-Valid-Until "false"', "--aptopt=#clear DPkg::Pre-Install-Pkgs",
            "--customize-hook=rm -rf $1/var/cache/apt/archives/*.deb", "--customize-hook=chroot $1 apt-get check",
            self.release, partial, self.sources(), timeout=1500))
        os.replace(partial, tarball)
        return tarball

    def path(self, name: str) -> pathlib.Path:
        return self.root / name

    def write(self, name: str, text: str) -> None:
        done(run("sh", "-c", 'printf %s "$0" > "$1"', text, self.path(name)))

    def boot(self) -> None:
        """Its systemd runs, and `run` goes in there."""
        log = self.root.with_name(self.root.name + ".log")
        with open(log, "ab") as file:
            self.systemd = start(["sh", str(HERE / "own_systemd"), str(self.root), str(self.downloads)], stdout=file, stderr=file)
        self.first = eventually(self.first_process, what="the start of process 1")
        eventually(lambda: self.run("systemctl", "is-active", "basic.target").code == 0, what="the system's start")

    def halt(self) -> None:
        end(self.systemd, signal.SIGKILL)
        eventually(lambda: run("sh", HERE / "own_systemd", self.root, "swept", self.systemd.pid).code == 0,
                   what="the end of the system's processes")

    def first_process(self) -> str | None:
        """The number of the system's process 1, out here."""
        if self.systemd.poll() is not None:
            raise AssertionError("the system's systemd ended: " + self.root.with_name(self.root.name + ".log").read_text())
        children = pathlib.Path(f"/proc/{self.systemd.pid}/task/{self.systemd.pid}/children").read_text().split()
        return next((pid for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n"), None)

    def enter(self, *command: object, user: str = "root") -> list[str]:
        """The words that run a command inside; the process that they start becomes the command."""
        if self.systemd is not None:
            return ["nsenter", "--target", self.first, "--mount", "--pid", "--cgroup", "--ipc", "--uts",
                    "chroot", f"--userspec={user}:{user}", "/", *(str(word) for word in command)]
        return [
            "unshare", "--mount", "sh", "-c", ENTER, str(self.root), str(self.downloads),
            f"--userspec={user}:{user}", str(self.root), *(str(word) for word in command),
        ]

    def run(self, *command: object, user: str = "root", timeout: float = 600) -> Result:
        return run(*self.enter(*command, user=user), timeout=timeout)

    def install(self, package: pathlib.Path | str) -> Result:
        """By apt, with what it depends on: a package of this machine's, or one that apt knows by its name."""
        if isinstance(package, pathlib.Path):
            done(run("cp", package, self.path("tmp")))
            package = f"/tmp/{package.name}"
        command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
        result = self.run(*command, timeout=1500)
        if result.code != 0 and "404" in result.out + result.err:  # the lists are older than the mirror
            done(self.run("apt-get", "update"))
            result = self.run(*command, timeout=1500)
        return result
