"""Pipes: a stream of bytes between programs of two boards, in both directions, through everything that ends but them.

From culver(1) and culver-protocol(7).
"""

import base64
import contextlib
import hashlib
import os
import pathlib
import signal
import subprocess
import time
import unittest

from harness import Refused, Story, end, eventually, program, start

UNDELIVERED = 76
WINDOW = 32


class Pipe:
    """A `culver pipe`, with a file or a program at each end."""

    def __init__(self, board, to: str, *options: str, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CULVER", "XDG"))}
        environment["HOME"] = environment["XDG_RUNTIME_DIR"] = str(board.home)
        self.process = start(
            [program("culver"), "--socket", board.socket, "pipe", to, *options],
            stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment)

    def ended(self, patience: float = 60) -> tuple[int, str]:
        """Status and words."""
        status = self.process.wait(patience)
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        with self.process.stderr as words:
            return status, words.read().decode()

    def kill(self, sign: int = signal.SIGKILL) -> None:
        end(self.process, sign)

    def say(self, text: bytes) -> None:
        self.process.stdin.write(text)
        self.process.stdin.flush()


class Pipes(Story):
    """A gate and a porch that know each other."""

    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker(persistence=True)
        self.gate = self.daemon("gate", self.mosquitto, sections="[delivery]\nreceipt_timeout = 2s")
        self.porch = self.daemon("porch", self.mosquitto, sections="[delivery]\nreceipt_timeout = 2s")
        self.gate.call("contact.add", did=self.porch.did, name="porch")
        self.porch.call("contact.add", did=self.gate.did, name="gate")

    def file(self, name: str, size: int) -> pathlib.Path:
        path = self.directory / name
        path.write_bytes(os.urandom(size))
        return path

    def living(self, board) -> int:
        """Pieces of pipes that lie in the outbox of a board and have not arrived."""
        return sum(
            page["state"] in ("waiting", "queued", "published")
            for page in board.call("message.list", limit=1000)["messages"])

    def test_twenty_megabytes_through_kills_of_everything(self):
        photos = self.directory / "photos"
        photos.mkdir()
        for number in range(10):
            (photos / str(number)).write_bytes(os.urandom(2 << 20))
        back = self.file("back", 5 << 20)
        unpacked = self.directory / "unpacked"
        unpacked.mkdir()
        with open(self.directory / "came-back", "wb") as came_back, open(back, "rb") as sent_back:
            tar = start(["tar", "c", "-C", str(photos), "."], stdout=subprocess.PIPE)
            writer = Pipe(self.gate, "porch", stdin=tar.stdout, stdout=came_back)
            tar.stdout.close()
            reader = Pipe(self.porch, "gate", stdin=sent_back)
            untar = start(["tar", "x", "-C", str(unpacked)], stdin=reader.process.stdout)
            reader.process.stdout.close()

            def arrived() -> int:
                return sum(path.stat().st_size for path in unpacked.iterdir())

            for megabytes, what in ((3, self.porch), (7, self.mosquitto), (11, self.gate), (15, self.porch)):
                eventually(lambda: arrived() >= megabytes << 20 or writer.process.poll() is not None, what=f"{megabytes} MB")
                self.assertIsNone(writer.process.poll(), "it was over before anything was killed")
                what.kill()
                what.start()
            self.assertEqual(writer.ended(120), (0, ""))
            self.assertEqual(reader.ended(), (0, ""))
            self.assertEqual(untar.wait(60), 0)
            end(tar)
        for path in photos.iterdir():
            self.assertEqual(self.sum(unpacked / path.name), self.sum(path))
        self.assertEqual(self.sum(self.directory / "came-back"), self.sum(back))
        self.assertEqual((self.gate.inbox(), self.porch.inbox()), ([], []))
        eventually(lambda: self.living(self.gate) + self.living(self.porch) == 0, what="the last receipts")

    @staticmethod
    def sum(path: pathlib.Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def test_a_slow_reader_holds_up_the_writer(self):
        sent = self.file("sent", 4 << 20)
        with open(sent, "rb") as stdin:
            writer = Pipe(self.gate, "porch", stdin=stdin)
        # Nobody has opened the other end.
        eventually(lambda: self.living(self.gate) == 0 and len(self.gate.call("message.list", limit=1000)["messages"]) >= WINDOW,
                   what="a full window")
        time.sleep(1)
        self.assertEqual(len(self.gate.call("message.list", limit=1000)["messages"]), WINDOW)
        self.assertIsNone(writer.process.poll())
        reader = Pipe(self.porch, "gate")
        # Nor does anybody read what it prints.
        first = reader.process.stdout.read(100_000)
        time.sleep(1)
        written = len(self.gate.call("message.list", limit=1000)["messages"])
        self.assertLess(written, 2 * WINDOW + 8)
        rest = reader.process.stdout.read()
        reader.process.stdout.close()
        self.assertEqual(hashlib.sha256(first + rest).hexdigest(), self.sum(sent))
        self.assertEqual((writer.ended(), reader.ended()), ((0, ""), (0, "")))
        writer.process.stdout.close()

    def test_talk_and_names_and_the_end_of_one_direction(self):
        left = Pipe(self.gate, "porch", "--name", "talk", stdin=subprocess.PIPE)
        right = Pipe(self.porch, "gate", "--name", "talk", stdin=subprocess.PIPE)
        other = Pipe(self.gate, "porch", stdin=subprocess.PIPE)
        other.process.stdin.write(b"another")
        other.process.stdin.close()
        for number in range(3):
            for writer, reader in ((left, right), (right, left)):
                line = f"line {number}\n".encode()
                writer.say(line)
                self.assertEqual(reader.process.stdout.readline(), line)
        left.process.stdin.close()
        # The end of one direction comes through while the other goes on.
        self.assertIsNone(left.process.poll())
        right.process.stdin.write(b"last")
        right.process.stdin.close()
        self.assertEqual(left.process.stdout.read(), b"last")
        self.assertEqual(right.process.stdout.read(), b"")
        self.assertEqual((left.ended(), right.ended()), ((0, ""), (0, "")))
        self.assertIsNone(other.process.poll())
        with open(self.directory / "other", "wb") as stdout:
            self.assertEqual(Pipe(self.porch, "gate", stdout=stdout).ended(), (0, ""))
        self.assertEqual((self.directory / "other").read_bytes(), b"another")
        self.assertEqual(other.ended(), (0, ""))
        # Over: the next of this name is another.
        again = Pipe(self.gate, "porch", "--name", "talk")
        with open(self.directory / "again", "wb") as stdout:
            self.assertEqual(Pipe(self.porch, "gate", "--name", "talk", stdout=stdout).ended(), (0, ""))
        self.assertEqual(again.ended(), (0, ""))
        for pipe in (left, right, other, again):
            pipe.process.stdout.close()

    def test_ends_that_are_none(self):
        words = "culver: the pipe ended: "
        # Ctrl-C, and an end of service.
        for sign in (signal.SIGINT, signal.SIGTERM):
            left = Pipe(self.gate, "porch", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            left.say(b"half")
            right = Pipe(self.porch, "gate")
            self.assertEqual(right.process.stdout.read(4), b"half")
            left.kill(sign)
            self.assertEqual(left.ended()[0], -sign)
            self.assertEqual(right.ended(), (UNDELIVERED, f"{words}cancelled\n"))
            right.process.stdout.close()
        # A reader that goes away.
        left = Pipe(self.gate, "porch", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        right = Pipe(self.porch, "gate")
        left.say(b"one")
        self.assertEqual(right.process.stdout.read(3), b"one")
        right.process.stdout.close()
        left.say(b"two")
        self.assertEqual(right.ended()[0], -signal.SIGPIPE)
        self.assertEqual(left.ended(), (UNDELIVERED, f"{words}closed\n"))
        # A message of it that its owner cancels would be a hole.
        self.porch.kill()
        left = Pipe(self.gate, "porch", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        left.say(b"three")
        alive = ("waiting", "queued", "published")
        piece = eventually(lambda: [row for row in self.gate.call("message.list", limit=1000)["messages"] if row["state"] in alive],
                           what="the piece")[-1]
        self.gate.call("message.cancel", id=piece["id"])
        self.assertEqual(left.ended(), (UNDELIVERED, f"{words}undelivered\n"))
        self.porch.start()

    def test_a_tool_that_was_killed_and_begins_again(self):
        left = Pipe(self.gate, "porch", stdin=subprocess.PIPE)
        right = Pipe(self.porch, "gate", stdin=subprocess.PIPE)
        left.say(b"one\n")
        self.assertEqual(right.process.stdout.readline(), b"one\n")
        # Only one program has it at a time.
        second = Pipe(self.gate, "porch", stdout=subprocess.DEVNULL)
        status, words = second.ended()
        self.assertEqual(status, 73, words)
        left.kill()
        right.kill()
        for pipe in (left, right):
            for stream in (pipe.process.stdin, pipe.process.stdout, pipe.process.stderr):
                stream.close()
        left = Pipe(self.gate, "porch", stdin=subprocess.PIPE)
        left.process.stdin.write(b"two\n")
        left.process.stdin.close()
        with open(self.directory / "rest", "wb") as stdout:
            self.assertEqual(Pipe(self.porch, "gate", stdout=stdout).ended(), (0, ""))
        self.assertEqual(left.ended(), (0, ""))
        left.process.stdout.close()
        # What was printed and not acknowledged may come once more, and nothing is missing.
        self.assertIn((self.directory / "rest").read_bytes(), (b"two\n", b"one\ntwo\n"))

    def test_strangers_and_programs_of_the_socket(self):
        stranger = self.daemon("stranger", self.mosquitto)
        stranger.call("contact.add", did=self.porch.did, name="porch")
        # Strangers are heard here, and have no pipes all the same.
        with stranger.control() as program_of_stranger:
            pipe = program_of_stranger.call("pipe.open", to="porch")["pipe"]
            program_of_stranger.call("pipe.write", pipe=pipe, n=0, data="YQ==")
            # Nothing of a stranger's that is no message is receipted.
            refused = eventually(
                lambda: [row for row in self.porch.call("event.list", limit=100)["events"] if row["kind"] == "refused"],
                what="the refusal")
        self.assertEqual({row["reason"] for row in refused}, {"trust"}, refused)

        with self.gate.control() as writer, self.porch.control() as reader:
            opened = writer.call("pipe.open", to="porch", name="socket")
            pipe = opened["pipe"]
            self.assertEqual((opened["next"], opened["taken"], opened["window"], opened["size"]), (0, 0, WINDOW, 48 << 10))
            for number in range(WINDOW):
                writer.call("pipe.write", pipe=pipe, n=number, data=base64.b64encode(bytes([number])).decode())
            self.assertTrue(writer.call("pipe.write", pipe=pipe, n=3, data="Aw==")["repeat"])
            for reason, params in (
                ("pipe-full", {"n": WINDOW}), ("out-of-order", {"n": WINDOW + 1}), ("ref-reused", {"n": 3}),
                ("bad-parameter", {"n": -1}), ("missing-parameter", {}), ("unknown-pipe", {"n": 3, "pipe": "x-1"}),
                ("bad-parameter", {"n": 3, "data": "?"}),
                ("too-large", {"n": 3, "data": base64.b64encode(bytes(opened["size"] + 1)).decode()}),
            ):
                with self.assertRaises(Refused) as error:
                    writer.call("pipe.write", **{"pipe": pipe, "data": "eHg=", **params})
                self.assertEqual(error.exception.reason, reason)
            with self.assertRaises(Refused) as error:
                self.gate.call("pipe.write", pipe=pipe, n=3, data="Aw==")
            self.assertEqual(error.exception.reason, "unknown-pipe")
            own = reader.call("pipe.open", to="gate", name="socket")["pipe"]
            pieces = [reader.notified("pipe.data", pipe=own) for _ in range(WINDOW)]
            self.assertEqual([base64.b64decode(piece["data"])[0] for piece in pieces], list(range(WINDOW)))
            with self.assertRaises(Refused) as error:
                reader.call("pipe.ack", pipe=own, n=WINDOW)
            self.assertEqual(error.exception.reason, "bad-parameter")
            reader.call("pipe.ack", pipe=own, n=WINDOW - 1)
            self.assertEqual(writer.notified("pipe.taken", pipe=pipe)["n"], WINDOW)
            writer.call("pipe.close", pipe=pipe, n=WINDOW)
            self.assertEqual(reader.notified("pipe.end", pipe=own)["n"], WINDOW)
            reader.call("pipe.ack", pipe=own, n=WINDOW)
            reader.call("pipe.close", pipe=own, n=0)
            writer.notified("pipe.end", pipe=pipe)
            writer.call("pipe.ack", pipe=pipe, n=0)
            for program_of_board, name in ((writer, pipe), (reader, own)):
                self.assertEqual(program_of_board.notified("pipe.closed"), {"pipe": name})
        with self.assertRaises(Refused) as error:
            self.gate.call("message.send", to="porch", content={"type": 204, "app": "culver", "mod": "pipe", "act": "data"})
        self.assertEqual(error.exception.reason, "reserved-content")


if __name__ == "__main__":
    unittest.main()
