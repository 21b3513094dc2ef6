"""What is built for the boards, and where it lies."""

import pathlib
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
    return cross() / board / "sdks" / f"aarch64-{board}.artifactbundle/aarch64/sysroot"


def package(board: str) -> pathlib.Path:
    """The package that `make deb` made."""
    return pathlib.Path(output(sys.executable, TOP / "cross/package", board, "--name").strip())


def package_of_version(board: str, version: str) -> pathlib.Path:
    """The same programs in a package of another version."""
    return pathlib.Path(output(sys.executable, TOP / "cross/package", board, "--version", version).splitlines()[-1])
