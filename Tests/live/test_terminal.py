"""What people see at a terminal, tried on a real pseudo-terminal: progress while something takes long."""

import json
import os
import pty
import subprocess
import tempfile
import unittest

from harness import TOP, program

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


if __name__ == "__main__":
    unittest.main()
