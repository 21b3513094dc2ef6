"""`make bench` runs to its end: a short form of each of its parts. Nothing is judged but that."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from harness import HERE, program


class Benches(unittest.TestCase):
    def run_through(self, *command: str) -> str:
        environment = {**os.environ, "CULVER_BIN": str(pathlib.Path(program("culverd")).parent)}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])
        return done.stdout

    def test_ours_beside_the_raw_library(self):
        said = self.run_through(program("Bench"), "short")
        self.assertIn("pack / raw sign", said)
        self.assertIn("members / raw sign + encrypt for each", said)

    def short(self, script: str, *arguments: str) -> str:
        return self.run_through(sys.executable, str(HERE / script), "--short", *arguments)

    def beside(self, script: str, *parts: str) -> str:
        """Beside the same programs once more: the build before is another commit's."""
        return self.short(script, "--base", str(pathlib.Path(program("culverd")).parent), *parts)

    def assert_all(self, lines: list[str], said: str) -> None:
        for line in lines:
            self.assertIn(line, said)

    def test_the_daemon(self):
        said = self.beside("bench.py", "size", "start", "memory", "wakeups", "speed")
        parts = ["binary, stripped", "start to ready", "idle, TLS: PSS", "idle, TLS: wake-ups", "one raw signature"]
        self.assert_all([*parts, "ours / theirs, 64 at a time"], said)

    def test_under_load(self):
        said = self.beside("bench.py", "bulk")
        parts = ["singly, 64 under way", "now / before", "now / mosquitto", "CPU of the receiver, under load"]
        self.assert_all([*parts, "private-key operations of the receiver", "without work"], said)

    def test_many_boards(self):
        said = self.beside("bench.py", "fans", "absent")
        parts = ["3 to one", "one to 3", "smallest share", "one to one: now / the build before"]
        self.assert_all([*parts, "to B, while C takes nothing"], said)

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_instructions(self):
        said = self.short("bench.py", "instructions")
        self.assertIn("one raw signature", said)
        if "valgrind cannot run this build" not in said:
            self.assert_all(["single: sender", "single: receiver", "signatures a second are made"], said)

    def test_without_the_build_before(self):
        self.assertIn("there is no /nowhere", self.short("bench.py", "--base", "/nowhere", "start"))

    def test_many_messages(self):
        said = self.short("scale.py", "waiting", "sealed", "inbox")
        parts = ["200 waiting, after a start", "40 sealed, all delivered", "200 in the inbox, and 40 more"]
        self.assert_all(parts, said)

    def test_growth(self):
        said = self.beside("scale.py", "growth", "contacts")
        self.assert_all(["200 stored, singly: CPU of the sender, growth", "before: 200 stored"], said)
        self.assert_all(["3 contacts: status", "6 contacts: start to ready", "before: 6 contacts"], said)

    def test_help_is_printed_and_a_part_that_is_none_is_refused(self):
        for name in ("bench.py", "scale.py"):
            self.assertIn("--short", self.run_through(sys.executable, str(HERE / name), "--help"))
            done = subprocess.run([sys.executable, str(HERE / name), "nothing"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn("nothing is none of", done.stderr)


if __name__ == "__main__":
    unittest.main()
