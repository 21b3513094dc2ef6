"""What is built for the boards, and where it lies."""

import pathlib
import re
import subprocess
import sys

from harness import TOP


def output(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def cross() -> pathlib.Path:
    """Where cross/setup keeps its things."""
    return pathlib.Path(output(sys.executable, TOP / "cross/setup", "--where").strip())


def sysroot(board: str) -> pathlib.Path:
    return pathlib.Path(output(sys.executable, TOP / "cross/setup", "--sysroot", board).strip())


def package(board: str, name: str = "culver") -> pathlib.Path:
    """The package of this name that `make deb` made."""
    return pathlib.Path(output(sys.executable, TOP / "cross/package", board, "--name", name).strip())


def of_version(version: str, deb: pathlib.Path, place: pathlib.Path) -> pathlib.Path:
    """The same package as one of another version, below `place`."""
    content = place / f"content-{version}"
    output("dpkg-deb", "--raw-extract", deb, content)
    control = content / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: [^~]*", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    made = place / re.sub(r"_[^~]*", f"_{version}", deb.name, count=1)
    output("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", content, made)
    return made
