"""What people see at a terminal, tried on real pseudo-terminals and in tmux: progress, tables, `watch` and `top`."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import unittest

from harness import TOP, Daemon, Story, eventually, program

BITS = "2048"


def run(*arguments: str, terminal: bool = True, term: str = "xterm") -> tuple[int, str, str]:
    """Status, standard output, and what was written to standard error: a terminal or a pipe."""
    environment = {**os.environ, "TERM": term}
    reading, writing = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [program("culver"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing,
        env=environment)
    os.close(writing)
    shown = b""
    with os.fdopen(reading, "rb", buffering=0) as file:
        try:
            while part := file.read(4096):
                shown += part
        except OSError:  # a terminal's way to say that nobody has it open any more
            pass
    out = process.stdout.read().decode()
    process.stdout.close()
    return process.wait(), out, shown.decode()


def left(shown: str) -> str:
    """What still stands on the terminal after all that was written, line by line."""
    lines = [""]
    for part in shown.replace("\r\n", "\n").replace("\r\x1b[K", "\0").replace("\n", "\0\n").split("\0"):
        if part.startswith("\n"):
            lines.append("")
            part = part[1:]
        else:
            lines[-1] = ""
        lines[-1] += part
    return "\n".join(lines)


class Progress(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.state = os.path.join(self.directory.name, "state")

    def test_a_terminal_shows_what_takes_long_and_forgets_it(self):
        status, out, shown = run("id", "new", "pump", "--bits", BITS, "--state", self.state)
        self.assertEqual(status, 0, shown)
        self.assertIn(f"making a {BITS}-bit RSA key …", shown)
        self.assertEqual(left(shown), "")
        self.assertTrue(out.startswith("pump@"))

    def test_words_after_it_stand_on_a_line_of_their_own(self):
        run("id", "new", "pump", "--key", "ecc", "--state", self.state)
        status, _, shown = run("id", "new", "pump", "--state", self.state)
        self.assertEqual(status, 73)
        self.assertIn("making a 2048-bit RSA key …", shown)
        self.assertTrue(left(shown).startswith("culver: "), shown)

    def test_nothing_is_shown_in_a_pipe_for_a_program_or_on_a_terminal_that_cannot_erase(self):
        for name, options, arguments in (
            ("piped", {"terminal": False}, ()), ("program", {}, ("--json",)), ("dumb", {"term": "dumb"}, ()),
        ):
            with self.subTest(name):
                status, out, shown = run("id", "new", name, "--key", "ecc", "--state", self.state, *arguments, **options)
                self.assertEqual((status, shown), (0, ""))
                self.assertIn(f"{name}@", out)


class Selftest(unittest.TestCase):
    """`culver selftest`, with neither daemon nor files."""

    def test_every_recorded_case_agrees(self):
        status, out, shown = run("selftest", terminal=False)
        self.assertEqual((status, shown), (0, ""))
        kinds = sorted(path.name for path in (TOP / "Tests/Vectors").iterdir())
        vectors = [line for line in out.splitlines() if line.startswith("vectors: ")]
        carried = (TOP / "Sources/CVectors/vectors.S").read_text()
        for kind, line in zip(kinds, vectors, strict=True):
            count = carried.count(f'VECTOR("{kind}/')
            self.assertGreater(count, 1)
            self.assertEqual(line, f"vectors: {count} agreed, 0 disagreed, 0 skipped ({kind})")
        self.assertIn("mbedTLS ", out.splitlines()[0])

    def test_a_program_gets_one_line(self):
        status, out, shown = run("--json", "selftest")
        self.assertEqual((status, shown), (0, ""))
        self.assertEqual(len(out.splitlines()), 1)
        result = json.loads(out)
        self.assertEqual(set(result["machine"].values()), {"ok"})
        self.assertEqual(sum(len(kind["disagreed"]) for kind in result["vectors"].values()), 0)


class Seen:
    """A verb at a terminal of so many columns, for standard output and standard error alike."""

    def __init__(self, board: Daemon, *arguments: str, columns: int = 200, **variables: str):
        self.terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm", **variables}
        self.process = subprocess.Popen(
            [program("culver"), "--socket", str(board.socket), *arguments], stdin=subprocess.DEVNULL, stdout=other,
            stderr=other, env=environment)
        os.close(other)
        self.text = ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        try:
            while part := os.read(self.terminal, 65536):
                self.text += part.decode()
        except OSError:  # nobody has it open any more
            pass

    def ended(self, number: int = 0) -> str:
        if number:
            self.process.send_signal(number)
        self.process.wait(30)
        self.reader.join()
        os.close(self.terminal)
        return self.text.replace("\r\n", "\n")


class Tables(Story):
    def setUp(self):
        super().setUp()
        mosquitto = self.broker()
        self.hub, self.porch = (self.daemon(name, mosquitto) for name in ("hub", "porch"))
        for board, other in ((self.hub, self.porch), (self.porch, self.hub)):
            self.succeeds(board.tool("contact", "add", other.did, "--name", other.name))
        self.id = self.succeeds(self.hub.tool("send", "porch", "it is warm", "--wait", "delivered")).out.strip()

    def test_names_where_an_id_has_no_room_and_colours_unless_they_are_not_wanted(self):
        wide = Seen(self.hub, "message", "list").ended()
        self.assertIn(f"porch ({self.porch.did})", wide)
        self.assertIn("\x1b[32mdelivered\x1b[0m", wide)
        narrow = Seen(self.hub, "message", "list", columns=70, NO_COLOR="1").ended().splitlines()
        self.assertRegex(narrow[0], r"^MESSAGE +STATE +CREATED +RECEIVER$|^MESSAGE +STATE +CREATED +RECEIVER +REASON$")
        self.assertRegex(narrow[1], rf"^{self.id} +delivered +(just now|[0-9]+[sm] ago) +porch$")
        self.assertEqual(len(narrow), 2)
        piped = self.hub.tool("message", "list").out
        self.assertRegex(piped, rf"^{self.id}  delivered  [0-9-]+ [0-9:]+  {self.porch.did} \(porch\)\n$")

    def test_the_inbox(self):
        lines = Seen(self.porch, "inbox", columns=70, NO_COLOR="1").ended().splitlines()
        self.assertRegex(lines[0], "SENT +SENDER +TRUST +MESSAGE")
        self.assertRegex(lines[1], r"^1 .* hub +sealed,contact +it is warm$")

    def test_a_name_that_is_nearly_right(self):
        wrong = self.fails(67, self.hub.tool("send", "porhc", "hello"))
        self.assertIn("hint: did you mean porch?", wrong.err)
        words = self.fails(64, self.hub.tool("send", "porch", "hello", "world"))
        self.assertIn("hint: a text of several words stands in quotes: culver send porch 'hello world'", words.err)

    def test_watch_shows_messages_and_what_it_waits_for(self):
        seen = Seen(self.porch, "watch")
        eventually(lambda: "waiting for messages and events" in seen.text, what="the first words")
        # It is subscribed some time after that.
        number = 0

        def told() -> bool:
            nonlocal number
            number += 1
            self.succeeds(self.hub.tool("send", "porch", f"number {number}", "--wait", "delivered"))
            return "number" in seen.text

        eventually(told, what="a message")
        self.succeeds(self.porch.tool("contact", "add", "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", "--name", "moki"))
        eventually(lambda: "moki" in seen.text, what="an event")
        seen.ended(signal.SIGINT)
        self.assertEqual(self.porch.call("inbox.consumers")["consumers"], [])


class Top(Story):
    def test_a_live_view(self):
        mosquitto = self.broker()
        hub, porch = (self.daemon(name, mosquitto) for name in ("hub", "porch"))
        self.succeeds(hub.tool("contact", "add", porch.did, "--name", "porch"))
        self.succeeds(hub.tool("send", "porch", "hello", "--wait", "delivered"))
        tmux = ["tmux", "-S", str(self.directory / "tmux"), "-f", "/dev/null"]

        def ask(*words: str) -> str:
            return subprocess.run([*tmux, *words], check=True, capture_output=True, text=True).stdout

        ask("new-session", "-d", "-x", "90", "-y", "20", "env", "PS1=ready> ", "sh")
        self.addCleanup(subprocess.run, [*tmux, "kill-server"], capture_output=True)

        def screen() -> str:
            return ask("capture-pane", "-p")

        ask("send-keys", f"{program('culver')} --socket {hub.socket} top --every 0.2s", "Enter")
        eventually(lambda: "PEER" in screen(), what="the view")
        self.assertRegex(screen(), r"outbox 0 waiting, 0 queued, 0 published")
        self.assertRegex(screen(), rf"(?m)^\S+ +connected +{mosquitto.url}")
        self.assertRegex(screen(), r"(?m)^porch .* 1 +1$")
        self.assertEqual(porch.stop(), 0)
        hub.tool("send", "porch", "are you there")
        eventually(lambda: "1 published" in screen(), what="the message that waits")
        # It lives on through a restart of its daemon.
        self.assertEqual(hub.stop(), 0)
        hub.start()
        self.succeeds(hub.tool("send", "porch", "and now"))
        eventually(lambda: "2 published" in screen(), what="the second message")
        ask("resize-window", "-x", "60", "-y", "12")
        eventually(lambda: "2 published" in screen() and len(screen().splitlines()) <= 12, what="the smaller view")
        ask("send-keys", "q")
        eventually(lambda: "PEER" not in screen() and "ready>" in screen(), what="the screen as it was before")
        ask("send-keys", "stty -a", "Enter")
        eventually(lambda: " icanon" in screen() and " echo " in screen(), what="a terminal that echoes")

    def test_it_wants_a_terminal(self):
        board = self.daemon("hub", None)
        self.assertIn("status --json", self.fails(64, board.tool("top")).err)


if __name__ == "__main__":
    unittest.main()
