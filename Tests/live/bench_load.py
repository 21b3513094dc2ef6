"""Much to send: handed to a daemon as fast as it takes it, and waited for until every message has its receipt.

The client must not be what is measured. Its requests are written down before the clock starts, its connections end when
all is accepted, so that no daemon tells it of each delivery, and the end is asked for twenty times a second.
"""

import json
import re
import time

import bench_processes as processes
from harness import Control, Daemon

LIST = 1000  # messages in one request
WINDOW = 64  # single requests under way
PATIENCE = 300.0  # seconds until a load that does not end is given up


def takes_lists(board: Daemon) -> bool:
    """Whether `message.send` takes `messages`, so that many are one transaction."""
    return "messages" in board.call("hello")["features"]


class Load:
    """Texts of 200 bytes for one receiver or several, which take turns."""

    def __init__(self, receivers: list[str], count: int, by_lists: bool):
        self.count = count
        texts = [f"{number:>7} of {count}: the soil is dry ".ljust(200, ".") for number in range(1, count + 1)]
        messages = [{"to": receivers[number % len(receivers)], "text": text} for number, text in enumerate(texts)]
        if by_lists:
            self.requests = [
                request(number, {"messages": messages[number : number + LIST]}) for number in range(0, count, LIST)
            ]
        else:
            self.requests = [request(number, message) for number, message in enumerate(messages)]
        self.by_lists = by_lists

    def hand_to(self, board: Daemon) -> None:
        """Returns when all is accepted, so on the board's disk."""
        if self.by_lists:
            self._hand_lists(board)
        else:
            self._hand_singly(board)

    def _hand_lists(self, board: Daemon) -> None:
        """The next list is with the daemon before the one before is answered."""
        waiting: list[Control] = []
        try:
            for line in self.requests:
                client = board.control()
                waiting.append(client)
                client.socket.sendall(line)
                if len(waiting) > 1:
                    self._taken(waiting.pop(0))
            while waiting:
                self._taken(waiting.pop(0))
        finally:
            for client in waiting:
                client.close()

    def _taken(self, client: Control) -> None:
        with client:
            answer = client.read(PATIENCE)
            while answer is not None and "method" in answer:
                answer = client.read(PATIENCE)
        if answer is None or "error" in answer:
            raise RuntimeError(f"messages were not taken: {answer}")
        for message in answer["result"]["messages"]:
            if "error" in message:
                raise RuntimeError(f"a message was not taken: {message}")

    def _hand_singly(self, board: Daemon) -> None:
        sent = taken = 0
        rest = b""
        with board.control() as client:
            while taken < self.count:
                width = min(WINDOW - (sent - taken), self.count - sent)
                if width:
                    client.socket.sendall(b"".join(self.requests[sent : sent + width]))
                    sent += width
                piece = client.socket.recv(1 << 18)
                if not piece:
                    raise RuntimeError("the daemon hung up")
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if b'"error"' in line:
                        raise RuntimeError(f"a message was not taken: {line!r}")
                    taken += b'"result"' in line


def request(number: int, params: dict) -> bytes:
    line = {"jsonrpc": "2.0", "id": number, "method": "message.send", "params": params}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def wait_until_delivered(board: Daemon, leaving: int = 0, patience: float = PATIENCE) -> None:
    """Until no more than `leaving` messages of the board are without a verified receipt."""
    give_up = time.monotonic() + patience
    with board.control() as client:
        while (left := outstanding(client)) > leaving:
            if time.monotonic() > give_up:
                raise RuntimeError(f"{left} messages of {board.name} were not delivered within {patience:.0f} s")
            time.sleep(0.05)


def outstanding(client: Control | Daemon) -> int:
    outbox = client.call("status")["outbox"]
    return sum(outbox[state] for state in ("waiting", "queued", "published"))


def received(board: Daemon) -> int:
    return board.call("status")["inbox"]["count"]


def private_key_operations(board: Daemon) -> float | None:
    """None: this build does not count them."""
    found = re.findall(
        r"^culver_private_key_operations_total(?:{[^}]*})? ([0-9.e+]+)$", board.call("metrics")["text"], re.MULTILINE)
    return sum(map(float, found)) if found else None


class Carried:
    """What it took to bring a load from one board to the other."""

    def __init__(self, sender: Daemon, receiver: Daemon, load: Load, leaving: int = 0):
        boards = [sender, receiver]
        pids = [board.process.pid for board in boards]
        before, had = [private_key_operations(board) for board in boards], received(receiver)
        peaks = processes.DirtyPeak(pids)
        spent, begun = [processes.cpu(pid) for pid in pids], time.monotonic()
        load.hand_to(sender)
        accepted = time.monotonic() - begun
        wait_until_delivered(sender, leaving)
        self.seconds = time.monotonic() - begun
        self.accepted_rate, self.rate = load.count / accepted, load.count / self.seconds
        # Milliseconds a message, of sender and receiver.
        self.cpu = [1000 * (processes.cpu(pid) - past) / load.count for pid, past in zip(pids, spent)]
        highest = peaks.end()
        self.highest = [highest[pid] for pid in pids]
        self.after = [processes.dirty(pid) for pid in pids]
        self.private = [
            None if past is None else (private_key_operations(board) - past) / load.count
            for board, past in zip(boards, before)
        ]
        # A receipt is not believed alone.
        if (came := received(receiver) - had) != load.count:
            raise RuntimeError(f"{load.count} messages have a receipt, {came} are in the inbox")


def make_known(left: Daemon, right: Daemon) -> None:
    """Both are contacts of each other, and each has proof of what the other can do."""
    for one, other in ((left, right), (right, left)):
        one.call("contact.add", did=other.did)
    for one, other in ((left, right), (right, left)):
        one.call("message.send", to=other.did, text="good morning")
        wait_until_delivered(one)
