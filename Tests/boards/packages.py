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


def package(board: str, *options: str) -> pathlib.Path:
    """The package of a board's programs, which are built; made again, which takes half a minute."""
    return pathlib.Path(output(sys.executable, TOP / "cross/package", board, *options).splitlines()[-1])
