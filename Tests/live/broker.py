#!/usr/bin/env python3
"""The conversation of test_real_brokers.py on a broker that is named, of another release too.

    Tests/live/broker.py nats@sid [mosquitto@forky …]        `make test-broker BROKER=nats@sid`

It prints the version and what the doctor says of it; what was sent must arrive once, as on every other broker. Which
lines of the doctor's are warnings is not known beforehand, so none is a failure unless its result is `fail`.
"""

import re
import sys
import unittest

import newer_brokers
from harness import Story
from test_real_brokers import Conversation


def conversation(name: str) -> type[unittest.TestCase]:
    kind = newer_brokers.named(name)

    class Named(Conversation, Story):
        def made(self):
            print(f"{name}: {kind.version()}", flush=True)
            return kind(self.directory)

        def the_doctor_is_right(self) -> None:
            link = self.left.call("status")["brokers"][0]
            print(f"{name}: MQTT {link['version']}")
            checks = self.left.tool("doctor", "--json", timeout=150).json["checks"]
            for check in checks:
                if check["name"] in self.lines:
                    print(f"{name}: {check['result']:5} {check['name']:10} {check['text']}", flush=True)
            self.assertEqual([check for check in checks if check["name"] in self.lines and check["result"] == "fail"], [])

    Named.__qualname__ = Named.__name__ = re.sub(r"\W", "_", name)
    return Named


def main() -> int:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(conversation(name)) for name in sys.argv[1:])
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
