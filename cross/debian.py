"""Debian's packages without root: an apt of our own, what it downloads unpacked, and programs of another release that
run here."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "culver/cross"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def say(text: str) -> None:
    print(f"cross: {text}", file=sys.stderr, flush=True)


def run(*command: object, **options) -> str:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"cross: {' '.join(str(word) for word in command)} failed with {done.returncode}")
    return done.stdout


def mirror() -> str:
    """The mirror that this machine's own sources name."""
    places = [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]
    for place in places:
        if not place.is_file():
            continue
        for line in place.read_text(errors="replace").splitlines():
            found = re.match(r"(?:URIs:|deb(?: \[[^\]]*\])?)\s+(https?://\S*/debian/?)(?:\s|$)", line)
            if found:
                return found[1].rstrip("/")
    raise SystemExit("cross: no source in /etc/apt names a mirror of Debian")


class Apt:
    """An apt of our own for one release and architecture: the system's is not touched, nothing is installed."""

    def __init__(self, release: str, architecture: str):
        self.root = CACHE / "apt" / f"{release}-{architecture}"
        self.archives = self.root / "cache/archives"
        for name in ["state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "log"]:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        source = f"[signed-by={KEYRING}] {mirror()} {release} main"
        (self.root / "etc/sources.list").write_text(f"deb {source}\n")
        (self.root / "etc/sources.list.source").write_text(f"deb {source}\ndeb-src {source}\n")
        settings = {
            "Dir": self.root, "Dir::State": self.root / "state", "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache", "Dir::Etc": self.root / "etc",
            "Dir::Etc::sourcelist": self.root / "etc/sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Log": self.root / "log", "APT::Architecture": architecture, "APT::Sandbox::User": "root",
            # The lists of a release that is still being made expire within a week, those of the others never do: a mirror
            # that is renewed less often serves here too. What they say is signed either way.
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Languages": "none", "Dpkg::Use-Pty": "0", "APT::Get::Assume-Yes": "1",
        }
        lines = [f'{name} "{value}";' for name, value in settings.items()]
        self.config = self.root / "apt.conf"
        self.config.write_text("\n".join([*lines, f'APT::Architectures {{ "{architecture}"; }};', ""]))
        self("update", "-qq")

    def __call__(self, *arguments: str, **options) -> str:
        return run("apt-get", *arguments, env={**os.environ, "APT_CONFIG": str(self.config)}, **options)

    def download(self, *packages: str) -> list[pathlib.Path]:
        """These packages alone."""
        place = self.archives
        for package in packages:
            name = package.split("=")[0]
            if not list(place.glob(f"{name}_*.deb")):
                self("download", "-qq", package, cwd=place)
        return [newest(place.glob(f"{package.split('=')[0]}_*.deb")) for package in packages]

    def closure(self, *packages: str) -> list[pathlib.Path]:
        """These packages and everything that they depend on."""
        self("install", "-qq", "--download-only", "--no-install-recommends", *packages)
        lines = self("install", "-s", "--no-install-recommends", *packages).splitlines()
        wanted = [re.match(r"Inst (\S+) \((\S+)", line) for line in lines]
        names = [f"{found[1].split(':')[0]}_{urllib.parse.quote(found[2], safe='+~.-')}" for found in wanted if found]
        return [newest(self.archives.glob(f"{glob_safe(name)}_*.deb")) for name in names]

    def source(self, package: str, version: str) -> pathlib.Path:
        """Where the files of a source package lie, not unpacked."""
        place = self.root / "cache/source"
        place.mkdir(exist_ok=True)
        if not list(place.glob(f"{package}_{version}.dsc")):
            with_sources = ["-o", f"Dir::Etc::sourcelist={self.root}/etc/sources.list.source"]
            self(*with_sources, "update", "-qq")
            self(*with_sources, "source", "-qq", "--download-only", f"{package}={version}", cwd=place)
        return place


def glob_safe(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text.replace("%3A", "%3a"))


def newest(paths) -> pathlib.Path:
    found = sorted(paths, key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit("cross: a package was not downloaded")
    return found[-1]


def check(path: pathlib.Path, known: str) -> pathlib.Path:
    """A file with this hash: another build of a compiler is another compiler."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != known:
        path.unlink()
        raise SystemExit(f"cross: {path.name} is not the one that this script knows (sha256 {found})")
    return path


def unpack(deb: pathlib.Path, place: pathlib.Path, *paths: str) -> None:
    """All of a package, or what is below these paths."""
    place.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as reader:
        patterns = ["--wildcards", *(f"./{path}" for path in paths)] if paths else []
        found = subprocess.run(
            ["tar", "-x", "--no-same-owner", "-C", place, *patterns], stdin=reader.stdout, stderr=subprocess.DEVNULL)
    if found.returncode != 0 and not paths:
        raise SystemExit(f"cross: {deb.name} cannot be unpacked")


def make_runnable(place: pathlib.Path, programs: list[pathlib.Path]) -> None:
    """These programs, and the libraries of Swift's beside them, find the loader and the libraries below `place/run`: so
    they run on an older release."""
    libraries = place / "run/usr/lib/x86_64-linux-gnu"
    swift = place / "usr/libexec/swift/lib/swift"
    loader = libraries / "ld-linux-x86-64.so.2"
    path = f"{libraries}:{swift}/linux:{swift}/host:{swift}/host/compiler:{swift.parent}"
    patchelf = [loader, "--library-path", libraries, place / "run/usr/bin/patchelf"]
    for program in programs:
        run(*patchelf, "--set-interpreter", loader, "--force-rpath", "--set-rpath", path, program)
    for library in [*swift.rglob("*.so"), *swift.parent.glob("*.so")]:
        run(*patchelf, "--force-rpath", "--set-rpath", path, library)


def merge(system: pathlib.Path) -> None:
    """/lib into /usr/lib, as an installed system has it."""
    old = system / "lib"
    if old.is_symlink():
        return
    if old.exists():
        shutil.copytree(old, system / "usr/lib", symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(old)
    old.symlink_to("usr/lib")


def relink(system: pathlib.Path) -> None:
    """Links that begin at / begin at the board's /."""
    for path in system.rglob("*"):
        if path.is_symlink() and os.readlink(path).startswith("/"):
            target = os.path.relpath(system / os.readlink(path).lstrip("/"), path.parent)
            path.unlink()
            path.symlink_to(target)
