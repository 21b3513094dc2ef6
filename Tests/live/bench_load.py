"""Much to send: handed to a daemon as fast as it takes it, and waited for until every message has its receipt.

The client must not be what is measured. Its requests are written down before the clock starts, its connections end when
all is accepted, so that no daemon tells it of each delivery, and it waits for the last message alone before it asks how
many are left.
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
        self.last = len(receivers)

    def hand_to(self, board: Daemon) -> list[str]:
        """Returns when all is accepted, so on the board's disk, with the ID of each receiver's last message."""
        return self._hand_lists(board) if self.by_lists else self._hand_singly(board)

    def carry_from(self, board: Daemon, leaving: int = 0) -> None:
        """Returns when all is delivered."""
        wait_until_delivered(board, leaving, after=self.hand_to(board))

    def _hand_lists(self, board: Daemon) -> list[str]:
        """The next list is with the daemon before the one before is answered."""
        waiting: list[Control] = []
        last: list[str] = []
        try:
            for line in self.requests:
                client = board.control()
                waiting.append(client)
                client.socket.sendall(line)
                if len(waiting) > 1:
                    last = self._taken(waiting.pop(0), last)
            while waiting:
                last = self._taken(waiting.pop(0), last)
        finally:
            for client in waiting:
                client.close()
        return last

    def _taken(self, client: Control, before: list[str]) -> list[str]:
        with client:
            answer = client.read(PATIENCE)
            while answer is not None and "method" in answer:
                answer = client.read(PATIENCE)
        if answer is None or "error" in answer:
            raise RuntimeError(f"messages were not taken: {answer}")
        for message in answer["result"]["messages"]:
            if "error" in message:
                raise RuntimeError(f"a message was not taken: {message}")
        return [*before, *(message["id"] for message in answer["result"]["messages"])][-self.last :]

    def _hand_singly(self, board: Daemon) -> list[str]:
        sent = taken = 0
        last: list[bytes] = []
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
                    if b'"result"' in line:
                        taken += 1
                        last = [*last, line][-self.last :]
        return [json.loads(line)["result"]["id"] for line in last]


def request(number: int, params: dict) -> bytes:
    line = {"jsonrpc": "2.0", "id": number, "method": "message.send", "params": params}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def wait_until_delivered(
    board: Daemon, leaving: int = 0, patience: float = PATIENCE, after: list[str] = ()
) -> None:
    """Until no more than `leaving` messages of the board are without a verified receipt. Those that `after` names come
    first: what there is to be known of the others costs the daemon something."""
    give_up = time.monotonic() + patience
    with board.control() as client:
        for identifier in after:
            client.send_line(
                b'{"jsonrpc":"2.0","id":1,"method":"message.wait","params":{"id":"%s","timeout":%d}}'
                % (identifier.encode(), patience)
            )
            while (answer := client.read(patience + 1)) is not None and "id" not in answer:
                pass
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
        last = load.hand_to(sender)
        accepted = time.monotonic() - begun
        wait_until_delivered(sender, leaving, after=last)
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
