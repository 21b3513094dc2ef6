"""A broker of another release in one command: `make test-broker BROKER=nats@trixie`."""

import subprocess
import sys
import unittest

import newer_brokers
from harness import TOP


class NewerBrokers(unittest.TestCase):
    def test_the_conversation_on_the_nats_of_trixie(self):
        command = [sys.executable, str(TOP / "Tests/live/broker.py"), "nats@trixie"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"nats@trixie: 2\.10\.\d+")
        self.assertIn("nats@trixie: ok    queue", done.stdout)

    def test_a_broker_that_nobody_knows_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "mosquito is none of mosquitto, nats"):
            newer_brokers.named("mosquito@sid")


if __name__ == "__main__":
    unittest.main()
