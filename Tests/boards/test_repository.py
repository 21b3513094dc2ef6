"""What `make repo` makes is a repository to apt, in an installed system, and nothing else than what its key signed is.

From issue 13: "installing from it is tested by apt in a chroot".
"""

import functools
import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import unittest

from chroot import Chroot, done
from harness import TOP, Story
from packages import of_version, output, package
from test_packages import Installed

OURS = "/etc/apt/sources.list.d/culver.sources"


class Maker(Story):
    """Keys that are thrown away, and repositories signed by them."""

    def setUp(self) -> None:
        super().setUp()
        self.debs = self.directory / "debs"
        self.debs.mkdir()
        self.repository = self.directory / "repository"
        home = self.directory / "gnupg"
        home.mkdir(mode=0o700)
        self.gnupg = {**os.environ, "GNUPGHOME": str(home)}
        self.addCleanup(subprocess.run, ["gpgconf", "--kill", "all"], env=self.gnupg, check=True)

    def key(self, name: str, until: str = "never") -> str:
        """A new one, which has no passphrase."""
        address = f"{name}@culver.invalid"
        command = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", address, "ed25519", "sign", until]
        subprocess.run(command, env=self.gnupg, check=True, capture_output=True, timeout=120)
        return address

    def make(self, *words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, TOP / "cross/repo", "--packages", self.debs, "--into", self.repository, *words]
        return subprocess.run(command, env=self.gnupg, capture_output=True, text=True, timeout=300)

    def sign(self, key: str, *words: str) -> str:
        """The repository of all that lies in `debs`; what the script says."""
        made = self.make("--key", key, *words)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        return made.stdout

    def serve(self) -> str:
        """The repository, by a web server of this machine's own."""

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *words) -> None:
                pass

        handler = functools.partial(Quiet, directory=str(self.directory))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/repository"


class Making(Maker):
    """By the script alone, with packages that have nothing in them."""

    def empty(self, version: str, architecture: str, name: str = "culver") -> None:
        place = self.directory / "empty/DEBIAN"
        place.mkdir(parents=True, exist_ok=True)
        (place / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: nobody\nDescription: empty\n")
        output("dpkg-deb", "--build", place.parent, self.debs / f"{name}_{version}_{architecture}.deb")

    def refused(self, *words: str) -> str:
        made = self.make(*words)
        self.assertEqual(made.returncode, 1)
        self.assertFalse((self.repository / "dists").exists())
        return made.stderr

    def test_nothing_is_made_without_a_signature(self):
        self.empty("1.0~deb13", "arm64")
        self.assertIn("name a key", self.refused())
        self.assertIn("no secret keys", self.refused("--key", "stranger@culver.invalid"))

    def test_nothing_is_made_of_nothing(self):
        key = self.key("maker")
        self.assertIn("no package", self.refused("--key", key))
        self.empty("1.0~deb13", "arm64")
        self.assertIn("begins with none of", self.refused("--key", key, "--url", "maker.lan/culver"))

    def test_the_end_of_a_key_is_said(self):
        self.empty("1.0~deb13", "arm64")
        self.assertNotIn("the key ends on", self.sign(self.key("maker")))
        self.assertIn("the key ends on 2099-12-31", self.sign(self.key("mortal", until="20991231T120000")))

    def test_what_another_made_is_not_replaced(self):
        key = self.key("maker")
        self.empty("1.0~deb13", "arm64")
        self.repository.mkdir()
        (self.repository / "letters").write_text("mine")
        self.assertIn("will not be replaced", self.refused("--key", key))
        self.assertEqual((self.repository / "letters").read_text(), "mine")

    def test_each_release_has_its_own_packages(self):
        for version, architecture in [("1.0~deb12", "arm64"), ("1.0~deb12", "amd64"), ("1.0~deb13", "armhf"),
                                      ("1.0~deb14", "arm64"), ("1.0~ubuntu99", "amd64")]:
            self.empty(version, architecture)
        self.empty("1.0~deb12", "all", name="python3-culver")  # in the list of each architecture
        self.assertIn("culver_1.0~ubuntu99_amd64.deb is left out", self.sign(self.key("maker")))
        found = {}
        for index in self.repository.glob("dists/*/main/binary-*/Packages"):
            files = re.findall(r"^Filename: (.*)$", index.read_text(), re.MULTILINE)
            found[index.parts[-4], index.parent.name] = files
            for file in files:
                self.assertTrue((self.repository / file).is_file(), file)
        python = "pool/bookworm/python3-culver_1.0~deb12_all.deb"
        self.assertEqual(found, {
            ("bookworm", "binary-amd64"): ["pool/bookworm/culver_1.0~deb12_amd64.deb", python],
            ("bookworm", "binary-arm64"): ["pool/bookworm/culver_1.0~deb12_arm64.deb", python],
            ("forky", "binary-arm64"): ["pool/forky/culver_1.0~deb14_arm64.deb"],
            ("trixie", "binary-armhf"): ["pool/trixie/culver_1.0~deb13_armhf.deb"],
        })


class Installing(Maker, Installed):
    def prepare(self, release: str, architecture: str, systemd: bool = False) -> Chroot:
        system = self.system(release, architecture, systemd)
        self.forget(system)
        self.addCleanup(self.forget, system)
        system.write("etc/apt/apt.conf.d/99direct", 'Acquire::http::Proxy::127.0.0.1 "DIRECT";\n')
        return system

    def forget(self, system: Chroot) -> None:
        """What apt kept of an earlier repository: it would not be fetched again."""
        for kept in system.downloads.glob("culver_*.deb"):
            kept.unlink()

    def source(self, release: str) -> None:
        """What the maker gives to the owner of a board."""
        self.chroot.write(OURS.lstrip("/"), (self.repository / f"{release}.sources").read_text())

    def update(self):
        """The lists of our repository alone: those of Debian are in the system already."""
        return self.chroot.run(
            "apt-get", "update", f"-oDir::Etc::sourcelist={OURS}", "-oDir::Etc::sourceparts=-",
            "-oAPT::Get::List-Cleanup=false")

    def version(self) -> str | None:
        """Of the package that is installed."""
        found = self.chroot.run("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", "culver")
        return found.out.removeprefix("installed ") if found.out.startswith("installed ") else None


class Native(Installing):
    """This machine's own release, by http."""

    def set_up_here(self) -> None:
        self.now = package("native")
        self.release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)[1]
        self.architecture = re.search(r"_(\w+)\.deb", self.now.name)[1]
        self.number = re.search(r"_([^_]*)_", self.now.name)[1]
        self.url = self.serve()
        self.prepare(self.release, self.architecture, systemd=True)

    def test_it_is_installed_and_upgraded(self):
        self.set_up_here()
        key = self.key("maker")
        shutil.move(of_version("0.0.1", self.now, self.directory), self.debs)
        self.sign(key, "--url", self.url)
        self.source(self.release)
        done(self.update())
        done(self.chroot.install("culver"))
        self.assertEqual(self.version(), re.sub(r"^[^~]*", "0.0.1", self.number))

        shutil.copy(self.now, self.debs)
        self.sign(key, "--url", self.url)
        done(self.update())
        done(self.chroot.run("apt-get", "upgrade", "--yes"))
        self.assertEqual(self.version(), self.number)
        self.check_installed(self.now)

    def test_nothing_comes_in_that_the_key_has_not_signed(self):
        self.set_up_here()
        maker, thief = self.key("maker"), self.key("thief")
        shutil.copy(self.now, self.debs)
        self.sign(maker, "--url", self.url)
        self.source(self.release)

        self.sign(thief, "--url", self.url)
        self.assertNotEqual(self.update().code, 0)
        self.stays_out()

        self.sign(maker, "--url", self.url)
        place = self.repository / "dists" / self.release
        for signature in ["InRelease", "Release.gpg"]:
            (place / signature).unlink()
        self.assertNotEqual(self.update().code, 0)
        self.stays_out()

        self.sign(maker, "--url", self.url)
        indices = place / "main" / f"binary-{self.architecture}"
        (indices / "Packages.xz").unlink()
        text = (indices / "Packages").read_text()
        (indices / "Packages").write_text(text.replace("Section: net", "Section: web"))
        self.assertNotEqual(self.update().code, 0)
        self.stays_out()

        self.sign(maker, "--url", self.url)
        deb = self.repository / "pool" / self.release / self.now.name
        signed = deb.read_bytes()
        deb.write_bytes(signed[:-1] + bytes([signed[-1] ^ 1]))
        done(self.update())
        self.assertIn("Hash Sum mismatch", self.stays_out())

        deb.write_bytes(signed)
        done(self.chroot.install("culver"))
        self.assertEqual(self.version(), self.number)

    def stays_out(self) -> str:
        """Installing fails; what it says."""
        tried = self.chroot.run("apt-get", "install", "--yes", "--no-install-recommends", "culver")
        self.assertNotEqual(tried.code, 0)
        self.assertIsNone(self.version())
        return tried.out + tried.err


class Carried:
    """A board that has the directory itself, as from a card, and checks signatures with the tools of its release."""

    BOARD: str

    def test_it_is_installed_from_a_directory(self):
        shutil.copy(package(self.BOARD), self.debs)
        system = self.prepare(self.BOARD, "arm64")
        self.sign(self.key("maker"))
        shutil.copytree(self.repository, system.path("srv/culver"))
        self.source(self.BOARD)
        done(self.update())
        done(system.install("culver"))
        self.check_installed(package(self.BOARD))


if __name__ == "__main__":
    unittest.main()
