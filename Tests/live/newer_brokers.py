"""Brokers of another Debian release, by name: `nats@sid`, `mosquitto@forky`, `rabbitmq@trixie`, `ejabberd@sid`.

The packages and all that they depend on are downloaded by an apt of its own (cross/setup), which checks Debian's
signatures, and unpacked into a root below its cache; none of their scripts is run, nothing of the system's is changed. A
broker runs there with this machine's /tmp, /proc and /dev. That takes root, or a kernel that lets an ordinary user make
namespaces.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess

import network
import real_brokers
from harness import TOP

PACKAGES = {
    "mosquitto": "mosquitto", "nats": "nats-server", "rabbitmq": "rabbitmq-server", "ejabberd": "ejabberd",
}
KINDS = {
    "mosquitto": real_brokers.Mosquitto, "nats": real_brokers.NATS, "rabbitmq": real_brokers.RabbitMQ,
    "ejabberd": real_brokers.Ejabberd,
}
# What the scripts of RabbitMQ call besides, and ldconfig.
BESIDES = ["base-files", "libc-bin", "dash", "coreutils", "sed", "grep", "mawk", "hostname", "procps"]
LINKS = {"usr/bin/awk": "mawk"}  # which Debian's maintainer scripts would make

ENTER = """
for place in tmp proc dev etc/hosts; do mount --rbind "/$place" "$0/$place"; done
exec chroot "$0" "$@"
"""


def setup():
    """cross/setup as a module: how to get packages without installing them."""
    loader = importlib.machinery.SourceFileLoader("setup", str(TOP / "cross/setup"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("setup", loader))
    loader.exec_module(module)
    return module


class Release:
    """The root of a broker of a release."""

    def __init__(self, kind: str, name: str):
        cross = setup()
        self.kind, self.name = kind, name
        self.root = cross.CACHE.parent / "brokers" / f"{kind}@{name}"
        self.made = self.root / "made"
        # Who is apart has no network, and has been here before.
        if os.environ.get(network.MARK) != "yes" or not self.made.exists():
            self.make(cross)
        self.version = self.made.read_text()

    def make(self, cross) -> None:
        package = PACKAGES[self.kind]
        debs = cross.Apt(self.name, cross.run("dpkg", "--print-architecture").strip()).closure(*BESIDES, package)
        version = next(deb.name.split("_")[1].replace("%3a", ":") for deb in debs if deb.name.startswith(f"{package}_"))
        if self.made.exists() and self.made.read_text() == version:
            return
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        for deb in debs:
            cross.run("dpkg-deb", "-x", deb, self.root)
        for link, target in LINKS.items():
            if not (self.root / link).exists():
                (self.root / link).symlink_to(target)
        # As they are on this machine.
        for file in ("passwd", "group", "nsswitch.conf"):
            shutil.copy(f"/etc/{file}", self.root / "etc" / file)
        (self.root / "etc/hosts").touch()
        # The links by which libraries are found: some packages leave them to it.
        cross.run(*self.before, "/usr/sbin/ldconfig")
        self.made.write_text(version)

    @property
    def before(self) -> list[str]:
        """What stands before a command that is to run there."""
        mine = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        return ["unshare", *mine, "--mount", "sh", "-euc", ENTER, str(self.root)]


def named(text: str) -> type[real_brokers.RealBroker]:
    """The class for a name like `nats@sid`; without a release, the one that is installed."""
    kind, _, release = text.partition("@")
    if kind not in KINDS:
        raise SystemExit(f"{kind} is none of {', '.join(KINDS)}")
    return of_release(KINDS[kind], kind, release) if release else KINDS[kind]


def of_release(base: type, kind: str, release: str) -> type:
    """The same broker with the programs of a release."""
    found = Release(kind, release)
    members = {"before": found.before, "top": found.root, "version": classmethod(lambda cls: found.version)}
    return type(f"{kind}@{release}", (base,), members)
