#!/usr/bin/env python3
"""What the daemon costs and how fast it is, printed beside the goals: `make bench` runs it on the release build.

    bench.py [size] [start] [memory] [wakeups] [speed]     only these parts; all of them without one
    bench.py --short                                       so little of each that the figures mean nothing: for a test

Real daemons, a private broker, one machine: broker, both boards and this program share its cores. Nothing fails here
for being slow; a goal that is missed says `below` or `above`.
"""

import argparse
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
from harness import TOP, Control, Daemon, Mosquitto, end, eventually, program, start  # noqa: E402

MIB = 1 << 20


def show(name: str, value: float, unit: str, goal: float | None = None, below: bool = False) -> None:
    """One line; the goal is a bound from above, with `below` one that must not be reached either."""
    line = f"{name:<46}{value:>10.2f} {unit:<12}"
    if goal is not None:
        good = value < goal if below else value <= goal
        line += f" goal {'<' if below else '<='} {goal:<8g} {'ok' if good else 'above'}"
    print(line.rstrip(), flush=True)


def show_ratio(name: str, ratio: float, goal: float | None = None) -> None:
    """A goal is a bound from below."""
    verdict = "" if goal is None else f" goal >= {goal:<8g} {'ok' if ratio >= goal else 'below'}"
    print(f"{name:<46}{ratio:>10.3f} {verdict}".rstrip(), flush=True)


class Amounts:
    """How much of everything is done and waited for."""

    def __init__(self, is_short: bool):
        self.is_short = is_short
        self.settled = 0.2 if is_short else 10.0  # seconds after the connection until memory is read
        self.watched = 1.0 if is_short else 60.0  # seconds of counting wake-ups
        self.starts = 3 if is_short else 15
        self.warm_up, self.singles, self.many = (2, 3, 70) if is_short else (20, 300, 3000)
        self.lines = 200 if is_short else 3000  # of mosquitto's own clients


class Bench:
    def __init__(self, directory: pathlib.Path, amounts: Amounts):
        self.directory, self.amounts = directory, amounts
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
        with tempfile.TemporaryDirectory(prefix="culver-speed-", dir=place) as directory:
            bench = Bench(pathlib.Path(directory), self.amounts)
            try:
                bench.exchanges(title, lines)
            finally:
                bench.close()

    def exchanges(self, title: str, lines: list[str]) -> None:
        broker = self.broker("broker", *lines)
        left = self.settled_board("left", broker.url)
        right = self.settled_board("right", broker.url)
        # Strangers have a budget of signatures per second; contacts do not.
        right.call("contact.add", did=left.did)
        self.exchange("warm-up", left, right, 1, self.amounts.warm_up)
        print(f"-- {title}: durable messages, RSA-2048, to the verified receipt")
        show("    a sync of the disk, median", 1000 * seconds_to_sync(self.directory), "ms")
        before = raw_bound(self.amounts.is_short)
        single, waits = self.exchange("one by one", left, right, 1, self.amounts.singles)
        median = 1000 * processes.quantile(waits, 0.50)
        signing = 1000 / before["alone"]
        show("    p50", median, "ms", 2 * signing + 2)
        show("    p99", 1000 * processes.quantile(waits, 0.99), "ms")
        show("    two raw signatures", 2 * signing, "ms")
        many, waits = self.exchange("64 at a time", left, right, 64, self.amounts.many)
        show("    p50", 1000 * processes.quantile(waits, 0.50), "ms")
        show("    p99", 1000 * processes.quantile(waits, 0.99), "ms")
        after = raw_bound(self.amounts.is_short)
        signs, verifies = (statistics.mean([before[name], after[name]]) for name in ("signs", "verifies"))
        show("    raw signatures, all cores", signs, "/s")
        show_ratio("    64 at a time / raw (sign + verify) of both ends", many * (2 / signs + 2 / verifies), 0.8)
        show_ratio("    the same, if receipts cost nothing", many * (1 / signs + 1 / verifies))
        self.mosquitto_clients(broker, single, many)
        for server in (left, right, broker):
            server.stop()

    def exchange(
        self, name: str, left: Daemon, right: Daemon, width: int, count: int
    ) -> tuple[float, list[float]]:
        cpu = [processes.cpu(board.process.pid) for board in (left, right)]
        with left.control() as client:
            seconds, waits = deliver(client, right.did, width, count)
        if name != "warm-up":
            show(name, count / seconds, "messages/s")
            for board, side, spent in zip((left, right), ("sender", "receiver"), cpu):
                show(f"    CPU of the {side}", 1000 * (processes.cpu(board.process.pid) - spent) / count, "ms/message")
        return count / seconds, waits

    def mosquitto_clients(self, broker: Mosquitto, single: float, many: float) -> None:
        """mosquitto_pub and mosquitto_sub, QoS 1, with as many bytes as a sealed message has; nothing is signed,
        nothing is on disk, nobody answers."""
        address = ["-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", "bench"]
        line = b"x" * 1600 + b"\n"
        with subprocess.Popen(["mosquitto_sub", *address], stdout=subprocess.PIPE) as reader:
            with subprocess.Popen(["mosquitto_pub", *address, "-l"], stdin=subprocess.PIPE) as writer:
                try:
                    time.sleep(1)
                    rates = [exchange_lines(writer, reader, line, width, self.amounts.lines) for width in (1, 64)]
                finally:
                    writer.kill()
                    reader.kill()
        show("mosquitto_pub to mosquitto_sub, one by one", rates[0], "messages/s")
        show("    64 at a time", rates[1], "messages/s")
        show_ratio("    ours / theirs, one by one", single / rates[0])
        show_ratio("    ours / theirs, 64 at a time", many / rates[1])


def exchange_lines(writer: subprocess.Popen, reader: subprocess.Popen, line: bytes, width: int, count: int) -> float:
    """Lines a second, `width` of them on their way."""
    begun = time.monotonic()
    for number in range(count + width - 1):
        if number < count:
            writer.stdin.write(line)
            writer.stdin.flush()
        if number >= width - 1 and len(reader.stdout.readline()) != len(line):
            raise RuntimeError("mosquitto_sub lost a message")
    return count / (time.monotonic() - begun)


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
    parser = argparse.ArgumentParser(description="What the daemon costs and how fast it is, beside the goals.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts) + "; all of them without one")
    parser.add_argument("--short", action="store_true", help="so little of each that the figures mean nothing: for a test")
    options = parser.parse_args()
    for name in options.parts:
        if name not in parts:
            parser.error(f"{name} is none of {', '.join(parts)}")
    for name in parts:
        if options.parts and name not in options.parts:
            continue
        directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
        bench = Bench(directory, Amounts(options.short))
        try:
            getattr(bench, name)()
        finally:
            bench.close()
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
