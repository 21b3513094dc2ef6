"""The rules of the house that a program can check: references, names of types, short files, labels.

From issue 10: "no comment refers to a document that is not in the repository; no type name is declared twice in the
package with different meanings (a list of the allowed ones)". Each rule is tried on a small made-up tree, too: a rule that
finds nothing anywhere would say nothing. `Tests/house` prints the figures.
"""

import ast
import io
import pathlib
import re
import subprocess
import tempfile
import tokenize
import unittest

import swift_source
from harness import program
from swift_source import Declaration, Source

TOP = pathlib.Path(__file__).resolve().parent.parent.parent

# Words that say something only together with the type around them. Each place must be inside of another type.
NESTED = {
    "Entry": "one row of the table around it",
    "Failure": "how the work of the type around it fails",
    "Finding": "what the work of the type around it has found",
    "Item": "one thing in the list around it",
    "Kind": "which kind of the type around it",
    "Level": "how serious the thing around it is",
    "Outcome": "what came of the work of the type around it",
    "Purpose": "what the thing around it is for",
    "Reason": "why the thing around it happened",
    "State": "where the thing around it stands",
    "Step": "what is to follow, as the type around it says",
}

# Names that two places have for one thing.
ALLOWED: dict[str, str] = {}

# Files under 20 lines that stand alone for a reason.
SHORT = {
    "main.swift": "a program begins in the file of this name",
    "Release.swift": "packages take their version and date from this file",
}


# References


def comments(path: pathlib.Path) -> list[tuple[int, str]]:
    """The comments of a file by line, and the docstrings of a Python one."""
    text = path.read_text(errors="replace")
    if path.suffix == ".swift":
        return swift_source.split(text)[1]
    if path.suffix in (".c", ".h", ".S", ".modulemap"):
        # A quote of one character would begin a string.
        return swift_source.split(re.sub(r"'(?:\\.|[^'\\\n])'", "' '", text))[1]
    if path.suffix == ".py" or re.match(r"#!.*\bpython", text):
        return python_comments(re.sub(r"\A#!.*", "", text))
    if re.match(r"\.\\\"|\.Dd ", text):
        return [(number, line[3:].strip()) for number, line in enumerate(text.splitlines(), 1) if line.startswith('.\\"')]
    if path.suffix in (".json", ".md"):
        return []
    found = []
    for number, line in enumerate(re.sub(r"\A#!.*", "", text).splitlines(), 1):
        if match := re.search(r"(?:^|\s)[#;]+\s*(.*)", line):
            found.append((number, match[1]))
    return found


def python_comments(text: str) -> list[tuple[int, str]]:
    found = [
        (token.start[0], token.string.lstrip("#").strip())
        for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            begin = node.body[0].lineno
            found += [(begin + number, line.strip()) for number, line in enumerate(ast.get_docstring(node, clean=False).splitlines())]
    return sorted(found)


def paragraphs(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Lines that follow each other as one text: a reference may be broken where the line ends."""
    joined: list[tuple[int, str]] = []
    last = -1
    for number, words in lines:
        if joined and number == last + 1:
            joined[-1] = (joined[-1][0], f"{joined[-1][1]} {words}")
        else:
            joined.append((number, words))
        last = number
    return joined


NUMBER = r"\d+(?:\.\d+)*"
PAGE = re.compile(rf"(?P<name>[\w./-]*[\w-]\.md)\b(?P<numbers>\s+{NUMBER}(?:(?:,| to| and| or)\s+{NUMBER}\b(?!\s*[a-z]))*)?")
MANUAL = re.compile(r"\b(culver[\w.-]*\(\d\))")
OUTSIDE = re.compile(r"\bdesign(?:'s|,)?\s+(?:section\b|\d)|\bthe design's\b|\bshared/", re.IGNORECASE)
FOLDERS = ("", "docs", "docs/inside", "cross")


def pages(top: pathlib.Path, name: str, beside: pathlib.Path) -> list[pathlib.Path]:
    places = [beside.parent / name, *[top / folder / name for folder in FOLDERS]]
    return [place for place in dict.fromkeys(places) if place.is_file()]


def headings(page: pathlib.Path) -> set[str]:
    """The numbers of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(rf"^#+ ({NUMBER})\.?\s", text, re.MULTILINE))


def dead_references(top: pathlib.Path) -> list[str]:
    """What comments refer to and this repository does not have."""
    found = []
    files = [path for folder in ("Sources", "Tests", "config", "cross", "clients") for path in sorted((top / folder).rglob("*"))]
    manuals = {f"{path.stem}({path.suffix[1:]})" for path in (top / "config/man").glob("*.[1-8]")}
    for path in [*files, top / "Makefile"]:
        if not path.is_file() or path.is_symlink() or "__pycache__" in path.parts or "Vectors" in path.parts:
            continue
        for line, words in paragraphs(comments(path)):
            where = f"{path.relative_to(top)}:{line}"
            for match in PAGE.finditer(words):
                there = pages(top, match["name"], path)
                if not there:
                    found.append(f"{where}: there is no {match['name']}")
                    continue
                for number in re.findall(NUMBER, match["numbers"] or ""):
                    if not any(number in headings(page) for page in there):
                        found.append(f"{where}: {match['name']} has no section {number}")
            found += [f"{where}: there is no {name}" for name in MANUAL.findall(words) if name not in manuals]
            found += [f"{where}: refers to a page outside: {match.group()}" for match in OUTSIDE.finditer(words)]
    return found


def anchors(page: pathlib.Path) -> set[str]:
    """What a link into a page may name, as the usual viewers make it of the headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(top: pathlib.Path) -> list[str]:
    """Links of the pages that lead to no file, or to no heading of it."""
    found = []
    for page in [top / "README.md", *sorted((top / "docs").rglob("*.md")), *sorted((top / "cross").glob("*.md")), *sorted((top / "clients").rglob("*.md"))]:
        for name, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text() if page.is_file() else ""):
            target = page.parent / name if name else page
            if not target.exists():
                found.append(f"{page.relative_to(top)}: there is no {name}")
            elif anchor and anchor not in anchors(target):
                found.append(f"{page.relative_to(top)}: {target.name} has no heading #{anchor}")
    return found


def dead_places(top: pathlib.Path) -> list[str]:
    """Files and folders of the sources that the pages about the inside name, and functions that they name behind a file:
    `Agent/Job.swift`: `done`. What is to be made first stands behind the word "new"."""
    found = []
    for page in sorted((top / "docs/inside").glob("*.md")):
        words = re.sub(r"\s+", " ", page.read_text())
        for name, functions in re.findall(r"(?<!new )`([\w+./-]+(?:\.swift|/))`((?:(?:: |, | and )`[\w()]+`)*)", words):
            place = next((top / folder / name for folder in ("Sources", "") if (top / folder / name).exists()), None)
            if place is None:
                found.append(f"{page.name}: there is no {name}")
            elif place.is_file():
                text = place.read_text()
                found += [
                    f"{page.name}: {name} has no {function}" for function in re.findall(r"`(\w+)", functions)
                    if not re.search(rf"\b(?:func|case|var|let|struct|class|enum|protocol)\b[^\n]*\b{function}\b", text) and function != "init"]
    return found


# Names, files, labels


def ambiguous(sources: list[Source], allowed: dict[str, str]) -> dict[str, list[Declaration]]:
    """The names with several meanings."""
    return {
        name: places for name, places in swift_source.duplicates(sources).items()
        if name not in allowed and not (name in NESTED and all(place.outer for place in places))
        and not all(is_verb(place) for place in places)}


def is_verb(declaration: Declaration) -> bool:
    """`culver contact list`: a verb of the tool is named for its word, and nested in its group."""
    return declaration.outer != "" and pathlib.PurePath(declaration.source.path).parts[:3] == ("Sources", "culver", "Verbs")


def lonely(sources: list[Source]) -> list[str]:
    return [f"{source.path} has {len(source.lines)} lines" for source in swift_source.short(sources) if source.path.name not in SHORT]


def roleless(sources: list[Source], module: str) -> list[str]:
    found = [function for function in swift_source.unlabelled(sources) if pathlib.PurePath(function.source.path).parts[1] == module]
    return [f"{function}: {', '.join(function.unlabelled)}" for function in found]


class House(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.sources = swift_source.read(TOP / "Sources")

    def assertNone(self, found: list[str], rule: str):
        if found:
            self.fail("\n".join([f"{len(found)} against the rule: {rule}", *found]))

    def test_comments_refer_to_pages_of_this_repository_alone(self):
        self.assertNone(dead_references(TOP), "a reference leads to a page, and a numbered heading, in this repository")

    def test_links_of_the_pages_lead_somewhere(self):
        self.assertNone(dead_links(TOP), "a link leads to a file, and a heading, in this repository")

    def test_the_pages_about_the_inside_name_what_is_there(self):
        self.assertNone(dead_places(TOP), "a stage of a road names its file and function as they are")

    def test_a_name_of_a_type_has_one_meaning(self):
        found = ambiguous(self.sources, ALLOWED)
        self.assertNone([f"{name}: {', '.join(map(str, places))}" for name, places in found.items()], "one name, one meaning")

    def test_the_list_of_allowed_names_has_none_too_many(self):
        self.assertEqual(set(ALLOWED) - set(swift_source.duplicates(self.sources)), set())

    def test_a_short_file_belongs_to_its_neighbour(self):
        self.assertNone(lonely(self.sources), "a file under 20 lines belongs to a neighbour")

    def test_what_may_have_64_bits_is_no_int(self):
        found = [f"{source.path}:{line} {text}" for source in self.sources for line, text in swift_source.wide(source)]
        self.assertNone(found, "on 32-bit ARM an Int has 32 bits: sizes, times and counts from outside are Int64")

    def test_the_daemon_has_no_regular_expressions_of_swift(self):
        """One `contains` of a string with more than a character would link an eighth of the program for it."""
        symbols = subprocess.run(["nm", "-u", program("culverd")], check=True, capture_output=True, text=True).stdout
        self.assertIn("$sSS", symbols)  # Swift's own strings are looked up there
        found = [line for line in symbols.split() if "_StringProcessing" in line or "_RegexParser" in line]
        self.assertNone(found, "culverd uses nothing of the module _StringProcessing")

    def test_every_argument_but_the_first_has_a_label_in_the_agent(self):
        self.assertGreater(sum(1 for source in self.sources for _ in source.functions), 1000)
        self.assertNone(roleless(self.sources, "Agent"), "every argument but the first has a label")


class Rules(unittest.TestCase):
    """The rules find what they are about, and nothing else."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)
        self.write("docs/inside/wire.md", "# Wire\n\n## 2. IDs\n\n### 2.1 The text\n\n```\n## 9. no heading\n```\n")
        self.write("config/man/culver.1", '.\\" Copyright\n.Dd today\n')
        self.write("Makefile", "all:  ## builds; see README.md\n")
        self.write("README.md", "# It\n\nSee [the wire](docs/inside/wire.md#21-the-text).\n")

    def write(self, name: str, text: str) -> None:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def sources(self, **files: str) -> list[Source]:
        """`Agent_Name="text"` is Sources/Agent/Name.swift."""
        return [Source(pathlib.PurePath("Sources", *name.split("_")).with_suffix(".swift"), text) for name, text in files.items()]

    def test_good_references_are_left_alone(self):
        self.write("Sources/DIMP/ID.swift", (
            "/// An ID (wire.md 2.1), see docs/inside/wire.md and culver(1). By design a value.\n"
            'let page = "style.md 7" // wire.md\n/// As wire.md 2 and 2.1 say, and proc(5), and *.md.\n'))
        self.write("Tests/live/test_it.py", '"""wire.md 2."""\nPAGE = "notes.md"  # wire.md\n')
        self.assertEqual(dead_references(self.top), [])

    def test_dead_references_are_found_in_every_language(self):
        self.write("Sources/DIMP/ID.swift", '/// An ID (wire.md\n/// 2.7).\nlet url = "https://x/y"\nlet a = 1 /* notes.md */\n')
        self.write("Sources/CX/shim.h", "char c = '\"'; /* culver(7) */\n")
        self.write("Tests/live/test_it.py", 'def it():\n    """As protocol.md 3 has it."""\n    # wire.md 2 to 9\n')
        self.write("Tests/tool", "#!/usr/bin/python3\n# README.md 1\n")
        self.write("config/culver.conf", "[agent]\nlog = info ; shared/design.md\n")
        self.write("cross/setup", "#!/bin/sh\necho 'no.md' # Design section 5\n")
        found = dead_references(self.top)
        self.assertEqual(
            [line.split(": ", 1) for line in found],
            [["Sources/CX/shim.h:1", "there is no culver(7)"],
             ["Sources/DIMP/ID.swift:1", "wire.md has no section 2.7"],
             ["Sources/DIMP/ID.swift:4", "there is no notes.md"],
             ["Tests/live/test_it.py:2", "there is no protocol.md"],
             ["Tests/live/test_it.py:2", "wire.md has no section 9"],
             ["Tests/tool:2", "README.md has no section 1"],
             ["config/culver.conf:2", "there is no shared/design.md"],
             ["config/culver.conf:2", "refers to a page outside: shared/"],
             ["cross/setup:2", "refers to a page outside: Design section"]])

    def test_dead_links_are_found(self):
        self.assertEqual(dead_links(self.top), [])
        self.write("docs/page.md", "[a](inside/wire.md#2-ids) [b](inside/gone.md) [c](inside/wire.md#3-keys) [d](https://x/y.md)\n")
        self.assertEqual(dead_links(self.top), ["docs/page.md: there is no inside/gone.md", "docs/page.md: wire.md has no heading #3-keys"])

    def test_dead_places_are_found(self):
        self.write("Sources/Agent/Job.swift", "struct Job {\n    func done() {}\n    case seal(Int)\n}\n")
        self.write("docs/inside/roads.md", (
            "1. `Agent/Job.swift`: `done`, `seal` and `Job`, then `Agent/`; new `Agent/Groups/`, new\n   `Agent/New.swift`\n"
            "2. `Agent/Gone.swift`: `done`\n3. `Agent/Job.swift`: `done`, `undone`\n4. `Sources/Agent/`, `Agent/Old/`\n"))
        self.assertEqual(dead_places(self.top), [
            "roads.md: there is no Agent/Gone.swift", "roads.md: Agent/Job.swift has no undone", "roads.md: there is no Agent/Old/"])

    def test_a_name_with_two_meanings_is_found(self):
        sources = self.sources(
            Agent_A="struct Topic { enum Kind { case a } }\nextension Topic { struct Level {} }\n// struct Note {}\n",
            Store_B='final class Topic { private enum Kind {} }\nlet text = "struct Note {"\nstruct Note {}\nstruct Level {}\n',
            culver_C="struct Note {}\ntypealias Thing = Agent.Thing<Int>\n", Agent_D="struct Thing<A> {}\n")
        sources += [Source(f"Sources/culver/Verbs/{name}.swift", f"struct {name} {{\n    struct Show {{}}\n}}\n") for name in ("Cards", "Keys")]
        self.assertEqual(list(ambiguous(sources, {})), ["Level", "Note", "Topic"])
        self.assertEqual(list(ambiguous(sources, {"Topic": "for a reason"})), ["Level", "Note"])
        self.assertEqual(ambiguous(sources, {})["Level"][0].path, "Topic.Level")

    def test_a_verb_is_one_only_in_its_group(self):
        sources = self.sources(Store_A="struct Show {}\n") + [Source("Sources/culver/Verbs/Keys.swift", "struct Keys { struct Show {} }\n")]
        self.assertEqual(list(ambiguous(sources, {})), ["Show"])

    def test_a_short_file_with_a_neighbour_is_found(self):
        long = "\n".join("// line" for _ in range(20))
        sources = self.sources(Agent_A="let a = 1\n", Agent_B=long, Store_C="let c = 1\n", culver_main="let m = 1\n", culver_D=long)
        self.assertEqual(lonely(sources), ["Sources/Agent/A.swift has 1 lines"])

    def test_an_argument_without_a_label_is_found(self):
        sources = self.sources(Agent_A=(
            "struct A {\n"
            "    func good(_ first: Int, second: (Int, _ x: Int) -> Void, at now: Moment) { call(a, b) }\n"
            "    func bad<T: P>(_ first: [Int: T], _ second: Int = 1) {}\n"
            "    init(_ text: String, _ kind: Kind) { self.init(a, b) }\n"
            "    func outer() { func inner(a: Int, _ b: Int) {} }\n"
            "    static func == (left: A, right: A) -> Bool { true }\n"
            "}\n"))
        self.assertEqual(
            roleless(sources, "Agent"),
            ["Sources/Agent/A.swift:3 A.bad: _ second: Int = 1", "Sources/Agent/A.swift:4 A.init: _ kind: Kind",
             "Sources/Agent/A.swift:5 A.inner: _ b: Int"])
        self.assertEqual(roleless(sources, "Store"), [])

    def test_a_number_of_more_than_31_bits_is_found(self):
        source, = self.sources(Store_A=(
            "let a = 1 << 40\nlet b: Int64 = 1 << 40\nlet c = 2_147_483_648\nlet d = 2_147_483_647 // 1 << 33\n"
            "let e: [UInt64] = [\n    0xFFFF_FFFF_0, 1,\n]\nlet f = 1 << 30\nlet g = 1e300 + 4_294_967_296.0\n"
            "let h = Int(found.st_size)\nlet i = Int(clamping: json.integer)\nlet j = Int(row.integer(0))\n"))
        self.assertEqual([line for line, _ in swift_source.wide(source)], [1, 3, 10, 12])

    def test_a_counter_without_bound_is_found(self):
        source, = self.sources(Agent_A=(
            "struct Counts: Equatable {\n    var a = 0\n    var b: Int64 = 0\n    var c: [Stage: Int] = [:]\n    var d: Int?\n"
            "    var e: [Stage: Int64] = [:]\n    var f = 0.0\n}\nstruct Box {\n    var count = 0\n}\nstruct Traffic {\n    var g = 0\n}\n"))
        self.assertEqual([line for line, _ in swift_source.wide(source)], [2, 4, 5, 13])

    def test_strings_and_comments_are_told_from_code(self):
        code, found = swift_source.split('let a = "x \\(f("}", 1)) // no" // yes\n/* b /* c */ d */ e\nlet r = #"\\"#; let m = """\n{"\n"""\nf')
        self.assertEqual([words for _, words in found], ["yes", "b /* c */ d"])
        self.assertEqual(re.sub(r"\s+", " ", code), "let a = e let r = ; let m = f")

    def test_stored_properties_and_functions_of_a_type_are_counted(self):
        source, = self.sources(Agent_A=(
            "struct A {\n    let a: Int\n    var b = 1\n    var c: Int { 2 }\n    var d: Int = 3 { didSet { var x = 1 } }\n"
            "    static let e = 4\n    var f: (@MainActor (Int) -> Void)?\n    var g:\n        (Int, Int)?\n    lazy var h = max(1, 2)\n"
            "    func i() { let j = 5 }\n    struct B { var k: Int }\n    var l: Int {\n        get { 6 }\n    }\n    init() {}\n}\n"))
        self.assertEqual([name for owner, name in source.stored if owner == "A"], list("abdfgh"))
        self.assertEqual([function.name for function in source.functions if function.owner == "A"], ["i", "init"])


if __name__ == "__main__":
    unittest.main()
