"""The library product DIMP, as a program outside of this package uses it.

A sample package builds against it and does what the seed's README does, word for word.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import TOP

SAMPLE = TOP / "docs/examples/library"


class Library(unittest.TestCase):
    def test_the_sample_builds_and_says_hello(self):
        with tempfile.TemporaryDirectory() as directory:
            sample = pathlib.Path(directory) / "library"
            shutil.copytree(SAMPLE, sample, ignore=shutil.ignore_patterns(".build"))
            package = (sample / "Package.swift").read_text()
            self.assertIn('path: "../../.."', package)
            (sample / "Package.swift").write_text(package.replace("../../..", str(TOP)))
            # Nothing comes from the network: what the tool depends on is in the build directory.
            mirrors = [
                {"original": "https://github.com/apple/swift-argument-parser", "mirror": repository.as_uri()}
                for repository in (TOP / ".build/repositories").glob("swift-argument-parser-*")
            ]
            configuration = sample / ".swiftpm/configuration"
            configuration.mkdir(parents=True)
            (configuration / "mirrors.json").write_text(json.dumps({"object": mirrors[:1], "version": 1}))
            done = subprocess.run(
                ["swift", "run", "--package-path", sample, "--scratch-path", TOP / ".build/library", "hello"],
                capture_output=True, text=True, timeout=1500,
                env={**os.environ, "GIT_ALLOW_PROTOCOL": "file"},
            )
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        self.assertRegex(done.stdout, r"(?m)^moki@\w+: Hello world!$")
        self.assertIn("refused at receiver", done.stdout)

    def test_only_some_of_it_is_public(self):
        text = "".join(source.read_text() for source in (TOP / "Sources/DIMP").rglob("*.swift"))
        names = set(re.findall(r"(?m)^ *public (?:struct|enum|protocol|class|typealias) (\w+)", text))
        self.assertEqual(names, {
            "Address", "Barrack", "Content", "Document", "Failure", "ID", "Identity", "InstantMessage", "Meta",
            "Rejection", "ReliableMessage", "Stage", "Transceiver", "Visa",
        })


if __name__ == "__main__":
    unittest.main()
