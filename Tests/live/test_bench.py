"""`make bench` runs to its end: a short form of each of its parts. Nothing is judged but that."""

import os
import pathlib
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

    def test_the_daemon(self):
        said = self.run_through(sys.executable, str(HERE / "bench.py"), "--short")
        for part in ("binary, stripped", "start to ready", "idle, TLS: PSS", "idle, TLS: wake-ups", "ours / theirs, 64 at a time"):
            self.assertIn(part, said)

    def test_many_messages(self):
        said = self.run_through(sys.executable, str(HERE / "scale.py"), "--short")
        for part in ("200 waiting, after a start", "40 sealed, all delivered", "200 in the inbox, and 40 more"):
            self.assertIn(part, said)

    def test_help_is_printed_and_a_part_that_is_none_is_refused(self):
        for name in ("bench.py", "scale.py"):
            self.assertIn("--short", self.run_through(sys.executable, str(HERE / name), "--help"))
            done = subprocess.run([sys.executable, str(HERE / name), "nothing"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn("nothing is none of", done.stderr)


if __name__ == "__main__":
    unittest.main()
