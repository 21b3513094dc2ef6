"""The packages, each in an installed system of its release: installed, used, removed, installed again, purged, upgraded.

From issue 4: state is kept on remove and gone on purge, which names the IDs that it destroys; the queue and the inbox
outlive an upgrade. The systems for arm64 have no systemd but what makes users and directories; in the one for this
machine it runs.
"""

import os
import re
import unittest
from pathlib import Path

from chroot import Chroot, done
from harness import Daemon, Story, eventually, end, start
from packages import of_version, package

SETTINGS = """
[agent]
strangers = open
[identity]
name = pi
[broker]
url = {url}
[delivery]
receipt_timeout = 2s
"""


class Installed(Story):
    """A system with the package in it, and whatever a test does with it."""

    def system(self, release: str, architecture: str, systemd: bool = False) -> Chroot:
        self.chroot = Chroot(release, architecture, systemd)
        self.addCleanup(self.chroot.remove)
        return self.chroot

    def configure(self, broker) -> None:
        self.chroot.write("etc/culver/culver.conf.d/broker.conf", SETTINGS.format(url=broker.url))

    def begin(self) -> None:
        """The daemon as the unit starts it, by its user."""
        self.log = open(self.directory / "board.log", "ab")
        self.addCleanup(self.log.close)
        self.process = start(self.chroot.enter("culverd", user="culver"), stdout=self.log, stderr=self.log)
        self.addCleanup(end, self.process)
        eventually(self.answers, 180, "the daemon's start")

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "board.log").read_text()[-3000:])
        found = self.culver("id", "list", "--json")
        return found.code == 0 and bool(found.json["identities"])

    def halt(self) -> None:
        self.assertEqual(end(self.process), 0)

    def culver(self, *words: str):
        return self.chroot.run("culver", *words, timeout=180)

    def did(self) -> str:
        return done(self.culver("id", "list", "--json")).json["identities"][0]["did"]

    def texts(self) -> list[str]:
        return [row["content"]["text"] for row in done(self.culver("inbox", "--json")).lines]

    def talk(self, desk: Daemon, number: int) -> None:
        """A message in each direction, each with its verified receipt."""
        done(self.culver("send", desk.did, f"from the board {number}", "--wait", "delivered", "--timeout", "120s"))
        sent = desk.tool("send", self.did(), f"to the board {number}", "--wait", "delivered", timeout=180)
        self.succeeds(sent)
        self.assertIn(f"from the board {number}", desk.texts())
        self.assertIn(f"to the board {number}", self.texts())

    def owner(self, path: str) -> str:
        return done(self.chroot.run("stat", "-c", "%a %U:%G", path)).out.strip()

    def check_installed(self, deb) -> None:
        version = re.search(r"_([0-9.]+)~", deb.name)[1]
        self.assertIn(version, done(self.culver("--version")).out)
        self.assertIn(version, done(self.chroot.run("culverd", "--version")).out)
        done(self.chroot.run("culverd", "--check", user="culver"))
        self.assertEqual(self.owner("/var/lib/culver"), "700 culver:culver")
        self.assertEqual(self.owner("/run/culver"), "755 culver:culver")
        self.assertEqual(self.owner("/etc/culver/private"), "750 root:culver")
        self.assertEqual(self.owner("/etc/culver/culver.conf"), "644 root:root")
        names = done(self.chroot.run("dpkg", "-L", "culver")).out.splitlines()
        for name in ["lib/systemd/system/culver.service", "lib/systemd/system/culver.socket", "share/doc/culver/copyright",
                     "share/bash-completion/completions/culver", "share/fish/vendor_completions.d/culver.fish",
                     "share/zsh/vendor-completions/_culver"]:
            self.assertIn("/usr/" + name, names)


class Life:
    """From installation to purge."""

    BOARD: str
    ARCHITECTURE = "arm64"
    RELEASE: str | None = None  # the board's own name, unless said

    def test_it_lives_from_installation_to_purge(self):
        deb = package(self.BOARD)
        system = self.system(self.RELEASE or self.BOARD, self.ARCHITECTURE)
        done(system.install(deb))
        self.check_installed(deb)
        self.assertTrue(system.path("etc/systemd/system/multi-user.target.wants/culver.service").is_symlink())

        broker = self.broker()
        desk = self.daemon("desk", broker)
        self.configure(broker)
        self.begin()
        did = self.did()
        self.talk(desk, 1)
        self.halt()

        done(system.run("apt-get", "remove", "--yes", "culver"))
        self.assertFalse(system.path("usr/bin/culverd").exists())
        self.assertEqual(self.owner("/var/lib/culver"), "700 culver:culver")

        done(system.install(deb))
        self.begin()
        self.assertEqual(self.did(), did)
        self.assertEqual(self.texts(), ["to the board 1"])
        self.talk(desk, 2)
        self.halt()

        purged = done(system.run("apt-get", "purge", "--yes", "culver"))
        self.assertIn(did, purged.out + purged.err)
        for gone in ["var/lib/culver", "etc/culver", "etc/systemd/system/multi-user.target.wants/culver.service"]:
            self.assertFalse(os.path.lexists(system.path(gone)), gone)


class Trixie(Life, Installed):
    BOARD = "trixie"


class Bookworm(Life, Installed):
    BOARD = "bookworm"


class Python(Installed):
    """The package for programs in Python, alone in a system of this machine's own release."""

    def test_a_program_finds_it_and_talks_to_the_daemon(self):
        deb = package("native", "python3-culver")
        release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)[1]
        system = self.system(release, package("native").stem.split("_")[-1], systemd=True)
        done(system.install(deb))
        self.assertIn("Architecture: all", done(system.run("dpkg", "-s", "python3-culver")).out)
        board = self.daemon("pi", None, url="mqtt://127.0.0.1:9", begin=False)
        text = board.configuration.read_text().replace(board.socket, str(system.path("tmp/s")))
        board.configuration.write_text(text)
        board.socket = str(system.path("tmp/s"))
        board.start()
        program = "import culver\nwith culver.Client() as board:\n    print(board.status()['identities'][0]['did'])"
        said = done(system.run("env", "CULVER_SOCKET=/tmp/s", "python3", "-W", "error", "-c", program))
        self.assertEqual(said.out.strip(), board.did)
        compiled = system.path("usr/lib/python3/dist-packages/culver/__pycache__")
        self.assertTrue(list(compiled.glob("wire.*.pyc")))
        done(system.run("apt-get", "remove", "--yes", "python3-culver"))
        self.assertFalse(system.path("usr/lib/python3/dist-packages/culver").exists())


class Upgrade(Installed):
    """On this machine's own release, where nothing is emulated, and under its systemd."""

    def test_the_queue_and_the_inbox_outlive_an_upgrade(self):
        release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)[1]
        now = package("native")
        before = of_version("0.0.1", now, self.directory)
        self.system(release, re.search(r"_(\w+)\.deb", now.name)[1], systemd=True)
        self.chroot.boot()
        broker = self.broker()
        desk = self.daemon("desk", broker)
        done(self.chroot.install(before))
        self.assertEqual(self.shown("ActiveState"), "active")  # with the package's own settings
        self.configure(broker)
        done(self.chroot.run("systemctl", "restart", "culver"))
        did, process = self.did(), self.shown("MainPID")
        self.talk(desk, 1)
        broker.stop()
        queued = [done(self.culver("send", desk.did, f"queued {number}")).out.strip() for number in range(3)]

        done(self.chroot.install(now))
        self.assertEqual(self.shown("ActiveState"), "active")
        self.assertNotEqual(self.shown("MainPID"), process)
        self.check_installed(now)
        self.assertEqual(self.did(), did)
        self.assertEqual(self.texts(), ["to the board 1"])
        for message in queued:
            self.assertEqual(done(self.culver("message", "show", message, "--json")).json["state"], "queued")
        broker.start()
        for message in queued:
            done(self.culver("message", "wait", message, "--timeout", "120s"))
        self.assertEqual(sorted(desk.texts()), ["from the board 1", "queued 0", "queued 1", "queued 2"])

        purged = done(self.chroot.run("apt-get", "purge", "--yes", "culver"))
        self.assertIn(did, purged.out + purged.err)
        self.assertEqual(self.shown("ActiveState"), "inactive")
        self.assertFalse(os.path.lexists(self.chroot.path("var/lib/culver")))

    def shown(self, name: str) -> str:
        return done(self.chroot.run("systemctl", "show", "--value", "--property", name, "culver.service")).out.strip()


if __name__ == "__main__":
    unittest.main()
