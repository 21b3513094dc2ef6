"""docs/dimp.md says what there is: every content and command of the sources, and tests that exist.

From issue 14: "a table of every content, command and extension: read, written, acted on, by which software, tested
where".
"""

import re
import unittest

from harness import TOP, VECTORS

PAGE = (TOP / "docs/dimp.md").read_text()
CODE = re.compile(r"`([^`]+)`")


def rows() -> list[list[str]]:
    """The cells of every row of every table, heads and rules aside."""
    lines = PAGE.splitlines()
    rules = {number for number, line in enumerate(lines) if re.fullmatch(r"\|(-+\|)+", line)}
    heads = {number - 1 for number in rules}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for number, line in enumerate(lines) if line.startswith("|") and number not in rules | heads
    ]


def fault(test: str) -> str | None:
    """Why there is no such test."""
    if "/" in test:
        return None if list(VECTORS.glob(f"{test}.json" if "*" not in test else test)) else "no such vector"
    suite, _, name = test.partition(".")
    if name == "py":
        return None if (TOP / "Tests/live" / test).exists() else "no such file"
    files = list((TOP / "Tests").glob(f"*Tests/**/{suite}.swift"))
    if not files:
        return "no such suite"
    return None if not name or re.search(rf"\bfunc {name}\(", files[0].read_text()) else "no such test"


class Page(unittest.TestCase):
    def test_each_row_says_where_it_is_tested_and_that_is_there(self):
        self.assertGreater(len(rows()), 40)
        for row in rows():
            tests = CODE.findall(row[-1])
            self.assertTrue(tests, row)
            self.assertEqual({test: fault(test) for test in tests if fault(test)}, {}, row)

    def test_every_content_is_there(self):
        source = (TOP / "Sources/DIMP/Content/ContentType.swift").read_text()
        named = {int(word) for row in rows() for word in re.findall(r"\b\d+\b", row[0]) if len(row) == 7}
        self.assertEqual(named, set(map(int, re.findall(r"case \w+ = (\d+)", source))))

    def test_every_command_is_there(self):
        source = (TOP / "Sources/DIMP/Content/Command.swift").read_text()
        read = re.search(r"switch name \{(.*?)\n        default", source, re.DOTALL).group(1)
        wanted = {word for case in re.findall(r"case (\"[^:]*):", read) for word in re.findall(r'"(\w+)"', case)}
        self.assertGreater(len(wanted), 10)
        self.assertEqual(wanted - set(CODE.findall(PAGE)), set())

    def test_what_is_not_there_is_found(self):
        for test in ("NoSuchTests", "CommandTests.noSuchTest", "content/e99-nothing", "test_nothing.py", "nothing/*"):
            self.assertIsNotNone(fault(test), test)


if __name__ == "__main__":
    unittest.main()
