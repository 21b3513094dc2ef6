#!/usr/bin/env python3
"""What the daemon costs and how fast it is, printed beside the goals: `make bench` runs it on the release build.

    bench.py [size] [start] [memory] [wakeups] [speed] [bulk] [fans] [absent] [instructions]
                       only these parts; all of them without one
    bench.py --base DIRECTORY
                       the same beside the programs of an earlier build
    bench.py --short   so little of each that the figures mean nothing: for a test

Real daemons, a private broker, one machine: broker, boards and this program share its cores. Nothing fails here for
being slow; a goal that is missed says `below` or `above`.
"""

import argparse
import contextlib
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

import bench_instructions  # noqa: E402
import bench_processes as processes  # noqa: E402
import bench_rates  # noqa: E402
from bench_figures import show, show_ratio, show_words  # noqa: E402
from bench_load import private_key_operations  # noqa: E402
from bench_peers import MosquittoClients  # noqa: E402
from harness import TOP, Control, Daemon, Mosquitto, end, eventually, program, start  # noqa: E402


class Amounts:
    """How much of everything is done and waited for."""

    def __init__(self, is_short: bool):
        self.is_short = is_short
        self.settled = 0.2 if is_short else 10.0  # seconds after the connection until memory is read
        self.watched = 1.0 if is_short else 60.0  # seconds of counting wake-ups
        self.starts = 3 if is_short else 15
        self.warm_up, self.singles, self.many = (2, 3, 70) if is_short else (20, 300, 2000)
        self.lines = 200 if is_short else 3000  # of mosquitto's own clients
        self.rounds, self.rehearsed, self.bulk = (1, 20, 60) if is_short else (3, 500, 20_000)
        self.idle = 0.2 if is_short else 30.0  # seconds after a load until memory is read
        self.fan = 3 if is_short else 20
        self.absent = 10 if is_short else 2000
        self.counted_singles, self.counted_many = (1, 20) if is_short else (20, 640)  # below valgrind


class Bench:
    def __init__(self, directory: pathlib.Path, amounts: Amounts, base: pathlib.Path | None = None):
        """`base`: where the programs of the build before are."""
        self.directory, self.amounts, self.base = directory, amounts, base
        self.servers: list = []

    def close(self) -> None:
        for server in reversed(self.servers):
            server.stop()

    @contextlib.contextmanager
    def elsewhere(self, place: pathlib.Path):
        """The same with a directory of its own below `place`."""
        with tempfile.TemporaryDirectory(prefix="culver-bench-", dir=place) as directory:
            bench = Bench(pathlib.Path(directory), self.amounts, self.base)
            try:
                yield bench
            finally:
                bench.close()

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

    def board(self, name: str, url: str, lines: list[str] = (), kind: type[Daemon] = Daemon, **options) -> Daemon:
        """Not started. Logs what a board in the field logs."""
        board = kind(self.directory, name, url, broker_lines=list(lines), begin=False, **options)
        board.configuration.write_text(board.configuration.read_text().replace("log = debug", "log = info"))
        self.servers.append(board)
        return board

    def settled_board(self, name: str, url: str, lines: list[str] = (), **options) -> Daemon:
        """Connected, and started anew after its identity was made: as after a boot of the board."""
        board = self.board(name, url, lines, **options)
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
        show("binary, stripped", stripped.stat().st_size / 1e6, "MB", 8)
        if self.amounts.is_short:
            return  # a package is made of a release
        command = [sys.executable, str(TOP / "cross/package"), "native"]
        made = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        show("package", pathlib.Path(made).stat().st_size / 1e6, "MB", 5)

    def start(self) -> None:
        """From before fork to the answer to `hello`, while the broker accepts the connection and says nothing."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(64)
            board = self.board("starter", f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
            board.start()
            assert board.did
            board.stop()
            count = self.amounts.starts
            times = [1000 * seconds_to_ready(board) for _ in range(count)]
        show(f"start to ready, broker silent, median of {count}", statistics.median(times), "ms", 100)
        show(f"start to ready, slowest of {count}", max(times), "ms")

    def memory(self) -> None:
        broker = self.broker("memory")
        self.memory_of("plain", self.settled_board("plain", broker.url), 10)
        broker, lines = self.tls_broker("memory-tls")
        self.memory_of("TLS", self.settled_board("tls", broker.url.replace("mqtt:", "mqtts:"), lines), 12.5)

    def memory_of(self, name: str, board: Daemon, goal: float) -> None:
        """One daemon alone, so that PSS shares no page of the program with a second one."""
        time.sleep(self.amounts.settled)
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
        time.sleep(self.amounts.settled)
        before = [processes.switches(board.process.pid) for _, board in boards]
        time.sleep(self.amounts.watched)
        for (name, board), count in zip(boards, before):
            woken = processes.switches(board.process.pid) - count
            show(f"idle, {name}: wake-ups", woken * 60 / self.amounts.watched, "a minute", 12, below=True)
            board.stop()

    def speed(self) -> None:
        """From `message.send` to the verified receipt, between two boards that know each other: with state in memory
        (the work alone), on this disk, and with a broker as Debian configures it. Beside it, in the same run: what
        mbedTLS does of the same work, and mosquitto's own clients with the same payload."""
        if self.amounts.is_short:
            return self.speed_of("on disk, stock broker", [], self.directory)
        memory = pathlib.Path("/dev/shm")
        if memory.is_dir():
            self.speed_of("in memory", ["set_tcp_nodelay true"], memory)
        self.speed_of("on disk", ["set_tcp_nodelay true"], self.directory)
        self.speed_of("on disk, stock broker", [], self.directory)

    def speed_of(self, title: str, lines: list[str], place: pathlib.Path) -> None:
        with self.elsewhere(place) as bench:
            bench.exchanges(title, lines)

    def exchanges(self, title: str, lines: list[str]) -> None:
        broker = self.broker("broker", *lines)
        left, right = self.acquainted(broker, "now", None)
        print(f"-- {title}: durable messages, RSA-2048, to the verified receipt")
        show("    a sync of the disk, median", 1000 * seconds_to_sync(self.directory), "ms")
        before = raw_bound(self.amounts.is_short)
        signing = 1000 / before["alone"]
        operations = private_key_operations(right)
        single, waits = self.exchange("one by one", left, right, 1, self.amounts.singles, receiver_goal=0.35)
        show("    p50", 1000 * processes.quantile(waits, 0.50), "ms", signing + 1.5)
        show("    p99", 1000 * processes.quantile(waits, 0.99), "ms")
        show("    one raw signature", signing, "ms")
        if operations is not None:
            made = private_key_operations(right) - operations
            show("    private-key operations of the receiver", made / self.amounts.singles, "/message", 0)
        if self.base:
            self.single_before(broker)
        many, waits = self.exchange("64 at a time", left, right, 64, self.amounts.many)
        show("    p50", 1000 * processes.quantile(waits, 0.50), "ms")
        show("    p99", 1000 * processes.quantile(waits, 0.99), "ms")
        after = raw_bound(self.amounts.is_short)
        signs, verifies = (statistics.mean([before[name], after[name]]) for name in ("signs", "verifies"))
        show("    raw signatures, all cores", signs, "/s")
        show_ratio("    64 at a time / raw (sign + verify) of both ends", many * (2 / signs + 2 / verifies), 0.8)
        self.mosquitto_clients(broker, single, many)
        for server in (left, right, broker):
            server.stop()

    def acquainted(self, broker: Mosquitto, name: str, programs: pathlib.Path | None) -> tuple[Daemon, Daemon]:
        left, right = (
            self.settled_board(f"{name}-{side}", broker.url, programs=programs) for side in ("left", "right"))
        # Strangers have a budget of signatures per second; contacts do not.
        right.call("contact.add", did=left.did)
        self.exchange("warm-up", left, right, 1, self.amounts.warm_up)
        return left, right

    def single_before(self, broker: Mosquitto) -> None:
        left, right = self.acquainted(broker, "base", self.base)
        _, waits = self.exchange("the build before, one by one", left, right, 1, self.amounts.singles)
        show("    p50", 1000 * processes.quantile(waits, 0.50), "ms")
        left.stop()
        right.stop()

    def exchange(
        self, name: str, left: Daemon, right: Daemon, width: int, count: int, receiver_goal: float | None = None
    ) -> tuple[float, list[float]]:
        cpu = [processes.cpu(board.process.pid) for board in (left, right)]
        with left.control() as client:
            seconds, waits = deliver(client, right.did, width, count)
        if name != "warm-up":
            show(name, count / seconds, "messages/s")
            for board, side, spent, goal in zip((left, right), ("sender", "receiver"), cpu, (None, receiver_goal)):
                each = 1000 * (processes.cpu(board.process.pid) - spent) / count
                show(f"    CPU of the {side}", each, "ms/message", goal)
        return count / seconds, waits

    def mosquitto_clients(self, broker: Mosquitto, single: float, many: float) -> None:
        """With as many bytes as a sealed message has."""
        clients = MosquittoClients(broker)
        try:
            rates = [clients.windowed(1600, width, self.amounts.lines) for width in (1, 64)]
        finally:
            clients.close()
        show("mosquitto_pub to mosquitto_sub, one by one", rates[0], "messages/s")
        show("    64 at a time", rates[1], "messages/s")
        show_ratio("    ours / theirs, one by one", single / rates[0])
        show_ratio("    ours / theirs, 64 at a time", many / rates[1])

    def bulk(self) -> None:
        bench_rates.bulk(self)

    def fans(self) -> None:
        bench_rates.fans(self)

    def absent(self) -> None:
        bench_rates.absent(self)

    def instructions(self) -> None:
        bench_instructions.of_messages(self)


def raw_bound(is_short: bool) -> dict[str, float]:
    """What the machine does in a second of raw mbedTLS, now: all cores at once, and one signature alone."""
    command = [program("Bench"), "bound", *(["short"] if is_short else [])]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def seconds_to_sync(directory: pathlib.Path) -> float:
    """The median of what fdatasync takes after 8 KiB, which is what a message's turn writes."""
    times = []
    with open(directory / "sync", "wb", buffering=0) as file:
        for _ in range(50):
            file.write(b"x" * 8192)
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - begun)
    return statistics.median(times)


def is_connected(board: Daemon) -> bool:
    return all(broker["state"] == "connected" for broker in board.call("status")["brokers"])


def seconds_to_ready(board: Daemon) -> float:
    pathlib.Path(board.socket).unlink(missing_ok=True)
    with open(board.home / "log", "ab") as log:
        begun = time.monotonic()
        command = [program("culverd", board.programs), "--config", str(board.configuration)]
        board.process = start(command, stdout=log, stderr=log)
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
    parts = ["size", "start", "memory", "wakeups", "speed", "bulk", "fans", "absent", "instructions"]
    parser = argparse.ArgumentParser(description="What the daemon costs and how fast it is, beside the goals.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts) + "; all of them without one")
    parser.add_argument("--short", action="store_true", help="so little of each that the figures mean nothing: for a test")
    parser.add_argument("--base", type=pathlib.Path, help="the directory with the programs of an earlier build")
    options = parser.parse_args()
    for name in options.parts:
        if name not in parts:
            parser.error(f"{name} is none of {', '.join(parts)}")
    base = options.base
    if base and not (base / "culverd").exists():
        show_words("the build before", f"there is no {base}/culverd")
        base = None
    for name in parts:
        if options.parts and name not in options.parts:
            continue
        directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
        bench = Bench(directory, Amounts(options.short), base)
        try:
            getattr(bench, name)()
        finally:
            bench.close()
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
