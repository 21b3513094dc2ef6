#!/usr/bin/env python3
"""What the daemon costs and how fast it is, printed beside the goals: `make bench` runs it on the release build.

    bench.py [size] [start] [memory] [wakeups] [speed]     only these parts; all of them without arguments

Real daemons, a private broker, one machine: broker, both boards and this program share its cores. Nothing fails here
for being slow; a goal that is missed says `below` or `above`.
"""

import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
os.environ.setdefault("CULVER_BIN", str(TOP / ".build/release"))

import bench_processes as processes  # noqa: E402
from harness import Control, Daemon, Mosquitto, end, eventually, program, start  # noqa: E402

MIB = 1 << 20
SETTLED = 10.0  # seconds after the connection until memory is read
WATCHED = 60.0  # seconds of counting wake-ups


def show(name: str, value: float, unit: str, goal: float | None = None, below: bool = False) -> None:
    """One line; the goal is a bound from above, with `below` one that must not be reached either."""
    line = f"{name:<46}{value:>10.2f} {unit:<12}"
    if goal is not None:
        good = value < goal if below else value <= goal
        line += f" goal {'<' if below else '<='} {goal:<8g} {'ok' if good else 'above'}"
    print(line.rstrip(), flush=True)


class Bench:
    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.servers: list = []

    def close(self) -> None:
        for server in reversed(self.servers):
            server.stop()

    # Servers

    def broker(self, name: str, *lines: str) -> Mosquitto:
        place = self.directory / name
        place.mkdir()
        broker = Mosquitto(place, lines=["max_inflight_messages 0", *lines])
        self.servers.append(broker)
        return broker

    def tls_broker(self, name: str) -> tuple[Mosquitto, list[str]]:
        """A broker with a certificate of our own authority, and the lines of a board's configuration for it."""
        place = self.directory / f"{name}-keys"
        place.mkdir()
        make_certificates(place)
        broker = self.broker(name, f"certfile {place}/server.crt", f"keyfile {place}/server.key")
        return broker, [f"ca_file = {place}/authority.crt"]

    def board(self, name: str, url: str, lines: list[str] = ()) -> Daemon:
        """Not started. Logs what a board in the field logs."""
        board = Daemon(self.directory, name, url, broker_lines=list(lines), begin=False)
        board.configuration.write_text(board.configuration.read_text().replace("log = debug", "log = info"))
        self.servers.append(board)
        return board

    def settled_board(self, name: str, url: str, lines: list[str] = ()) -> Daemon:
        """Connected, and started anew after its identity was made: as after a boot of the board."""
        board = self.board(name, url, lines)
        board.start()
        assert board.did
        board.stop()
        board.start()
        eventually(lambda: is_connected(board), what="the connection")
        return board

    # Parts

    def size(self) -> None:
        stripped = self.directory / "culverd"
        subprocess.run(["strip", "-o", str(stripped), program("culverd")], check=True)
        show("binary, stripped", stripped.stat().st_size / MIB, "MiB", 8)

    def start(self) -> None:
        """From before fork to the answer to `hello`, while the broker accepts the connection and says nothing."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(64)
            board = self.board("starter", f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
            board.start()
            assert board.did
            board.stop()
            times = [1000 * seconds_to_ready(board) for _ in range(15)]
        show("start to ready, broker silent, median of 15", statistics.median(times), "ms", 100)
        show("start to ready, slowest of 15", max(times), "ms")

    def memory(self) -> None:
        broker = self.broker("memory")
        self.memory_of("plain", self.settled_board("plain", broker.url), 10)
        broker, lines = self.tls_broker("memory-tls")
        self.memory_of("TLS", self.settled_board("tls", broker.url.replace("mqtt:", "mqtts:"), lines), 12.5)

    def memory_of(self, name: str, board: Daemon, goal: float) -> None:
        """One daemon alone, so that PSS shares no page of the program with a second one."""
        time.sleep(SETTLED)
        os.sync()  # a program that was just linked and is not on disk yet would count as dirty
        rollup = processes.rollup(board.process.pid)
        show(f"idle, {name}: RSS", rollup["Rss"] / 1024, "MiB")
        show(f"idle, {name}: PSS", rollup["Pss"] / 1024, "MiB", goal)
        show(f"idle, {name}: private dirty", rollup["Private_Dirty"] / 1024, "MiB", 4)
        show(f"idle, {name}: threads", processes.threads(board.process.pid), "")
        board.stop()

    def wakeups(self) -> None:
        broker = self.broker("wakeups")
        secure, lines = self.tls_broker("wakeups-tls")
        boards = [
            ("plain", self.settled_board("awake", broker.url)),
            ("TLS", self.settled_board("awake-tls", secure.url.replace("mqtt:", "mqtts:"), lines)),
        ]
        time.sleep(SETTLED)
        before = [processes.switches(board.process.pid) for _, board in boards]
        time.sleep(WATCHED)
        for (name, board), count in zip(boards, before):
            woken = processes.switches(board.process.pid) - count
            show(f"idle, {name}: wake-ups", woken * 5 / WATCHED, "in 5 s", 1, below=True)
            board.stop()

    def speed(self) -> None:
        """From `message.send` to the verified receipt, between two boards that know each other."""
        for title, lines in (("set_tcp_nodelay", ["set_tcp_nodelay true"]), ("stock broker", [])):
            name = title.replace(" ", "-")
            broker = self.broker(name, *lines)
            left = self.settled_board(f"{name[:5]}-l", broker.url)
            right = self.settled_board(f"{name[:5]}-r", broker.url)
            # Strangers have a budget of signatures per second; contacts do not.
            right.call("contact.add", did=left.did)
            self.exchange("warm-up", left, right, 1, 20, quiet=True)
            self.exchange(f"{title}, one by one", left, right, 1, 200)
            self.exchange(f"{title}, 32 at a time", left, right, 32, 2000)
            for server in (left, right, broker):
                server.stop()

    def exchange(self, name: str, left: Daemon, right: Daemon, width: int, count: int, quiet: bool = False) -> None:
        cpu = [processes.cpu(board.process.pid) for board in (left, right)]
        with left.control() as client:
            seconds, waits = deliver(client, right.did, width, count)
        if quiet:
            return
        show(name, count / seconds, "messages/s")
        show("    p50", 1000 * processes.quantile(waits, 0.50), "ms")
        show("    p99", 1000 * processes.quantile(waits, 0.99), "ms")
        for board, side, spent in zip((left, right), ("sender", "receiver"), cpu):
            show(f"    CPU of the {side}", 1000 * (processes.cpu(board.process.pid) - spent) / count, "ms/message")


def is_connected(board: Daemon) -> bool:
    return all(broker["state"] == "connected" for broker in board.call("status")["brokers"])


def seconds_to_ready(board: Daemon) -> float:
    pathlib.Path(board.socket).unlink(missing_ok=True)
    with open(board.home / "log", "ab") as log:
        begun = time.monotonic()
        board.process = start([program("culverd"), "--config", str(board.configuration)], stdout=log, stderr=log)
    while True:
        try:
            with Control(board.socket) as client:
                client.call("hello")
            break
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > begun + 30:
                raise
            time.sleep(0.0005)
    taken = time.monotonic() - begun
    end(board.process)
    return taken


def deliver(client: Control, to: str, width: int, count: int) -> tuple[float, list[float]]:
    """Keeps `width` messages on their way until `count` are delivered. The whole time, and each message's."""
    begun: dict[int, float] = {}
    numbers: dict[str, int] = {}
    early: set[str] = set()
    waits: list[float] = []
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        begun[sent] = time.monotonic()
        params = {"to": to, "text": f"message {sent} of {count}: the soil is dry"}
        client.send_line(json.dumps({"jsonrpc": "2.0", "id": sent, "method": "message.send", "params": params}).encode())

    start_of_all = time.monotonic()
    for _ in range(min(width, count)):
        send()
    while len(waits) < count:
        line = client.read()
        if line is None or "error" in line:
            raise RuntimeError(f"a message was not taken: {line}")
        params = line.get("params", {})
        done = None
        if "result" in line:
            numbers[line["result"]["id"]] = line["id"]
            if line["result"]["id"] in early:
                done = line["result"]["id"]
        elif params.get("state") in ("expired", "failed", "cancelled"):
            raise RuntimeError(f"a message was not delivered: {params}")
        elif params.get("state") == "delivered":
            if params["id"] in numbers:
                done = params["id"]
            else:
                early.add(params["id"])
        if done is not None:
            waits.append(time.monotonic() - begun[numbers[done]])
            if sent < count:
                send()
    return time.monotonic() - start_of_all, waits


def make_certificates(place: pathlib.Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=place, timeout=60)

    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=authority",
        "-keyout", "authority.key", "-out", "authority.crt",
    )
    (place / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "authority.crt", "-CAkey", "authority.key", "-CAcreateserial",
        "-days", "30", "-extfile", "server.ext", "-out", "server.crt",
    )


def main() -> None:
    parts = ["size", "start", "memory", "wakeups", "speed"]
    chosen = sys.argv[1:] or parts
    for name in chosen:
        if name not in parts:
            raise SystemExit(f"bench: {name} is none of {', '.join(parts)}")
    for name in parts:
        if name not in chosen:
            continue
        directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
        bench = Bench(directory)
        try:
            getattr(bench, name)()
        finally:
            bench.close()
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
