#!/usr/bin/env python3
"""Half an hour of ordinary life, made hard: two boards write to each other, and each minute their broker dies.

    Tests/live/soak.py [--minutes 30] [--rate 20]      `make soak MINUTES=…`

RATE numbered messages a second in all, half of them each way. The broker gets `kill -9` each minute, has nothing on
disk and starts empty. A consumer on each board reads and acknowledges. Printed are: the backlog minute by minute; the
lag from `message.send` to the word `delivered`; how much the daemons' memory grows an hour, by least squares, after
the first minutes; and how many messages were lost or doubled, which ends it with 1.
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
os.environ.setdefault("CULVER_BIN", str(TOP / ".build/release"))

import bench_processes as processes  # noqa: E402
from bench import is_connected  # noqa: E402
from harness import Control, Daemon, Mosquitto, eventually  # noqa: E402

SETTLING = 300.0  # seconds after the last message until all must be delivered
EVERY = 60.0  # seconds between two deaths of the broker
LIMITS = "[limits]\noutbox_messages = 1000000\ninbox_messages = 1000000\ninbox_size = 16GiB\n"


class Writer(threading.Thread):
    """Sends numbers at an even pace, and hears how they end."""

    def __init__(self, board: Daemon, to: str, rate: float):
        super().__init__(daemon=True)
        self.board, self.to, self.rate = board, to, rate
        self.is_ending = False
        self.fault: Exception | None = None
        self.begun: dict[int, float] = {}
        self.numbers: dict[str, int] = {}  # of what was accepted
        self.early: set[str] = set()
        self.lags: dict[int, float] = {}

    @property
    def backlog(self) -> int:
        return len(self.numbers) - len(self.lags)

    def run(self) -> None:
        try:
            with self.board.control() as client:
                self.write(client)
        except Exception as error:
            self.fault = error

    def write(self, client: Control) -> None:
        number, start = 0, time.monotonic()
        while not self.is_ending or len(self.numbers) < number or self.backlog:
            if self.is_ending and time.monotonic() > self.is_ending + SETTLING:
                return
            due = start + (number + 1) / self.rate
            if not self.is_ending and time.monotonic() >= due:
                number += 1
                self.begun[number] = time.monotonic()
                client.send_line(
                    b'{"jsonrpc":"2.0","id":%d,"method":"message.send","params":{"to":"%s","text":"%d"}}'
                    % (number, self.to.encode(), number)
                )
                continue
            try:
                self.hear(client.read(max(0.001, 0.5 if self.is_ending else due - time.monotonic())))
            except TimeoutError:
                pass

    def hear(self, line: dict | None) -> None:
        if line is None or "error" in line:
            raise RuntimeError(f"a message was not taken: {line}")
        if "result" in line:
            identifier = line["result"]["id"]
            self.numbers[identifier] = line["id"]
            if identifier in self.early:
                self.done(identifier)
        elif line["params"]["state"] == "delivered":
            identifier = line["params"]["id"]
            self.done(identifier) if identifier in self.numbers else self.early.add(identifier)
        elif line["params"]["state"] in ("failed", "expired", "cancelled"):
            raise RuntimeError(f"a message ended undelivered: {line['params']}")

    def done(self, identifier: str) -> None:
        number = self.numbers[identifier]
        self.lags.setdefault(number, time.monotonic() - self.begun[number])


class Reader(threading.Thread):
    """A durable consumer that acknowledges each message."""

    def __init__(self, board: Daemon):
        super().__init__(daemon=True)
        self.board = board
        self.is_ending = False
        self.fault: Exception | None = None
        self.seen: dict[int, int] = {}  # number → seq
        self.doubled = 0

    def run(self) -> None:
        try:
            with self.board.control() as client:
                client.call("inbox.subscribe", consumer="soak")
                while not self.is_ending:
                    try:
                        line = client.notifications.pop(0) if client.notifications else client.read(0.5)
                    except TimeoutError:
                        continue
                    if line is None or "error" in line:
                        raise RuntimeError(f"the consumer was refused: {line}")
                    if line.get("method") == "inbox.message":
                        self.take(line["params"], client)
        except Exception as error:
            self.fault = error

    def take(self, row: dict, client: Control) -> None:
        number, seq = int(row["content"]["text"]), row["seq"]
        if number in self.seen:
            self.doubled += 1
        self.seen[number] = seq
        client.send_line(
            b'{"jsonrpc":"2.0","id":0,"method":"inbox.ack","params":{"consumer":"soak","seq":%d}}' % seq
        )


class Memory(threading.Thread):
    """RSS of the boards every two seconds, in KiB."""

    def __init__(self, boards: list[Daemon]):
        super().__init__(daemon=True)
        self.boards = boards
        self.is_ending = False
        self.samples: list[list[tuple[float, float]]] = [[] for _ in boards]

    def run(self) -> None:
        while not self.is_ending:
            for board, samples in zip(self.boards, self.samples):
                samples.append((time.monotonic(), board.rss / 1024))
            time.sleep(2)


def slope(samples: list[tuple[float, float]], since: float) -> float:
    """KiB an hour, by least squares."""
    kept = [(at, size) for at, size in samples if at >= since]
    middle = sum(at for at, _ in kept) / len(kept), sum(size for _, size in kept) / len(kept)
    above = sum((at - middle[0]) * (size - middle[1]) for at, size in kept)
    below = sum((at - middle[0]) ** 2 for at, _ in kept)
    return 3600 * above / below if below else 0.0


def soak(directory: pathlib.Path, minutes: float, rate: float) -> bool:
    broker = Mosquitto(directory)
    boards = [Daemon(directory, name, broker.url, sections=LIMITS, begin=False) for name in ("left", "right")]
    for board in boards:
        board.configuration.write_text(board.configuration.read_text().replace("log = debug", "log = info"))
        board.start()
    for board, other in zip(boards, reversed(boards)):
        board.call("contact.add", did=other.did)
        eventually(lambda: is_connected(board), what="the connection")
    writers = [Writer(board, other.did, rate / 2) for board, other in zip(boards, reversed(boards))]
    readers = [Reader(board) for board in reversed(boards)]  # the one at the same place reads what a writer writes
    memory = Memory(boards)
    spent = [processes.cpu(board.process.pid) for board in boards]
    begun = time.monotonic()
    for thread in [*readers, *writers, memory]:
        thread.start()
    kills = 0
    print("minute  accepted  delivered  backlog before the kill  RSS left, right (KiB)", flush=True)
    while time.monotonic() < begun + 60 * minutes:
        time.sleep(max(0.0, min(begun + (kills + 1) * EVERY, begun + 60 * minutes) - time.monotonic()))
        show(kills + 1, writers, boards)
        if any(thread.fault for thread in [*writers, *readers]):
            break
        if time.monotonic() < begun + 60 * minutes:
            broker.kill()
            broker.start()
            kills += 1
    for writer in writers:
        writer.is_ending = time.monotonic()
    for writer in writers:
        writer.join()
    memory.is_ending = True
    settled = time.monotonic() + 10
    while time.monotonic() < settled and any(len(r.seen) < len(w.numbers) for r, w in zip(readers, writers)):
        time.sleep(0.05)
    for reader in readers:
        reader.is_ending = True
        reader.join()
    good = report(writers, readers, kills)
    warm = begun + min(300.0, 60 * minutes / 4)
    for board, samples, before in zip(boards, memory.samples, spent):
        cpu = (processes.cpu(board.process.pid) - before) / (time.monotonic() - begun)
        print(f"{board.name}: RSS {slope(samples, warm):+.0f} KiB an hour, now {board.rss / 1024:.0f} KiB, CPU {100 * cpu:.1f} %")
    for server in [*boards, broker]:
        server.stop()
    return good


def show(minute: int, writers: list[Writer], boards: list[Daemon]) -> None:
    accepted, delivered = sum(len(w.numbers) for w in writers), sum(len(w.lags) for w in writers)
    sizes = ", ".join(f"{board.rss // 1024}" for board in boards)
    print(f"{minute:6}  {accepted:8}  {delivered:9}  {accepted - delivered:23}  {sizes}", flush=True)


def report(writers: list[Writer], readers: list[Reader], kills: int) -> bool:
    lags = sorted(lag for writer in writers for lag in writer.lags.values())
    lost = doubled = 0
    for writer, reader in zip(writers, readers):
        # What the consumer was handed, and what stands in the inbox.
        found = [int(text) for text in reader.board.texts()]
        once = set(found)
        doubled += reader.doubled + len(found) - len(once)
        lost += sum(
            number not in reader.seen or number not in once or number not in writer.lags
            for number in writer.numbers.values()
        )
    accepted = sum(len(writer.numbers) for writer in writers)
    if lags:
        print(
            f"lag: median {1000 * processes.quantile(lags, 0.5):.1f} ms, p99 {processes.quantile(lags, 0.99):.2f} s, "
            f"max {lags[-1]:.2f} s"
        )
    for thread in [*writers, *readers]:
        if thread.fault:
            print(f"fault: {thread.board.name}: {thread.fault!r}")
    print(f"accepted {accepted}, delivered {len(lags)}, lost {lost}, doubled {doubled}, the broker killed {kills} times")
    return accepted > 0 and lost == doubled == 0 and not any(thread.fault for thread in [*writers, *readers])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=20)
    options = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
    try:
        good = soak(directory, options.minutes, options.rate)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
