"""Machines with a network of their own on this one, to cut off and to bring back.

A program that calls `run_apart` runs in namespaces of its own from then on. It needs root, or a kernel that lets an
ordinary user make them. Whatever it starts in there (processes, namespaces, bridges, mounts) is gone when it ends,
however it ends.

                 boards 10.77.0.0/24
     this program ──┬── machine 1 ──┐
                    ├── machine 2 ──┤ nodes 10.77.1.0/24
                    └── machine 3 ──┘
"""

import os
import pathlib
import subprocess
import sys

import harness
from harness import eventually, start

MARK = "CULVER_TEST_APART"
SIDES = {"boards": "10.77.0", "nodes": "10.77.1"}


def apart(*command: str) -> list[str]:
    """The command in network, mount and process namespaces of its own, as root of them. All in there ends with it."""
    mine = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *mine, "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child=KILL", *command]


def may_be_apart() -> bool:
    return subprocess.run(apart("true"), capture_output=True).returncode == 0


def run_apart() -> None:
    """Goes on only in namespaces; outside, this program becomes one that runs itself in there."""
    if os.environ.get(MARK) != "yes":
        os.environ[MARK] = "yes"
        os.execvp("unshare", apart(sys.executable, *sys.argv))
    ip("link set lo up")


def ip(*lines: str, inside: list[str] = ()) -> None:
    done = subprocess.run([*inside, "ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, timeout=30)
    if done.returncode != 0:
        raise AssertionError(f"ip failed: {done.stderr}")


class Network:
    """Two switches. This program is on the boards' one."""

    def __init__(self, directory: pathlib.Path, count: int, name: str):
        """Machines `machine1` … are called so in the nodes' network; `name` has all their addresses in the boards'."""
        ip(*(f"link add {side} type bridge" for side in SIDES), *(f"link set {side} up" for side in SIDES),
           f"addr add {SIDES['boards']}.254/24 dev boards")
        hosts = [f"{SIDES['nodes']}.{number} machine{number}" for number in range(1, count + 1)]
        hosts += [f"{SIDES['boards']}.{number} {name}" for number in range(1, count + 1)]
        (directory / "hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))
        subprocess.run(["mount", "--bind", directory / "hosts", "/etc/hosts"], check=True)
        self.machines = [Machine(number) for number in range(1, count + 1)]

    def stop(self) -> None:
        for machine in self.machines:
            machine.stop()
        ip(*(f"link del {side}" for side in SIDES))
        subprocess.run(["umount", "/etc/hosts"], check=True)


class Machine:
    """A network namespace with a cable to each switch. A process holds it."""

    def __init__(self, number: int):
        self.number, self.name = number, f"machine{number}"
        self.address = f"{SIDES['boards']}.{number}"
        self.holder = start(["unshare", "--net", "sleep", "infinity"])
        place, ours = f"/proc/{self.holder.pid}/ns/net", os.readlink("/proc/self/ns/net")
        eventually(lambda: os.readlink(place) != ours, 10, "a network namespace")
        self.inside = ["nsenter", f"--net={place}"]
        for side, net in SIDES.items():
            ip(f"link add {side}{number} type veth peer name {side} netns {self.holder.pid}",
               f"link set {side}{number} master {side} up")
            ip("link set lo up", f"addr add {net}.{number}/24 dev {side}", f"link set {side} up", inside=self.inside)

    def cut(self, *sides: str) -> None:
        """Pulls cables: nobody is told, packets vanish."""
        ip(*(f"link set {side}{self.number} down" for side in sides))

    def mend(self) -> None:
        ip(*(f"link set {side}{self.number} up" for side in SIDES))

    def stop(self) -> None:
        ip(*(f"link del {side}{self.number}" for side in SIDES))
        harness.end(self.holder)
