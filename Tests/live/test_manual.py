"""The manual says what the programs do: every verb, option, key, method and reason, and none that there is not."""

import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import unittest

from harness import TOP, program

MAN = TOP / "config/man"
PAGES = sorted(MAN.glob("culver*.[1-8]"))


def page(name: str) -> str:
    return (MAN / name).read_text()


def sources(*modules: str) -> str:
    files = (file for module in modules for file in sorted((TOP / "Sources" / module).rglob("*.swift")))
    return "\n".join(file.read_text() for file in files)


def section(text: str, title: str, macro: str = "Sh") -> str:
    """What stands below a title, up to the next one of its rank or above."""
    end = r"^\.Sh " if macro == "Sh" else r"^\.S[hs] "
    return re.split(end, re.split(rf"^\.{macro} {re.escape(title)}$", text, flags=re.MULTILINE)[1], flags=re.MULTILINE)[0]


class Form(unittest.TestCase):
    def test_there_are_four_pages(self):
        self.assertEqual([path.name for path in PAGES], ["culver-protocol.7", "culver.1", "culver.conf.5", "culverd.8"])

    def test_two_formatters_take_them_without_a_warning(self):
        for path in PAGES:
            for command in (["mandoc", "-Tlint", "-Wwarning", str(path)], ["man", "--warnings", "-l", str(path)]):
                with self.subTest(page=path.name, formatter=command[0]):
                    result = subprocess.run(
                        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
                    words = result.stdout if command[0] == "mandoc" else result.stderr
                    self.assertEqual((result.returncode, words), (0, ""))

    def test_examples_fit_on_a_terminal(self):
        for path in PAGES:
            for text in re.findall(r"^\.Bd .*\n((?:.*\n)+?)\.Ed", path.read_text(), re.MULTILINE):
                for line in text.replace("\\", "").splitlines():
                    self.assertLessEqual(len(line), 77, line)

    def test_they_refer_to_each_other_rightly(self):
        names = {path.name for path in PAGES}
        for path in PAGES:
            for name, number in re.findall(r"\.Xr (culver\S*) (\d)", path.read_text()):
                self.assertIn(f"{name}.{number}", names)


class Tool(unittest.TestCase):
    def test_the_verbs_are_those_of_the_tool(self):
        loader = importlib.machinery.SourceFileLoader("verbs", str(MAN / "verbs"))
        verbs = importlib.util.module_from_spec(importlib.util.spec_from_loader("verbs", loader))
        loader.exec_module(verbs)
        self.assertEqual(page("culver.1"), verbs.renewed(page("culver.1"), program("culver")), "`make man` mends it")
        self.assertIn(".Ss message wait", page("culver.1"))

    def test_the_exit_statuses_are_those_of_the_source(self):
        wanted = {"0", "1", "2", *re.findall(r"case \w+ = (\d+)", (TOP / "Sources/Control/RPCError.swift").read_text())}
        self.assertEqual(set(re.findall(r"^\.It (\d+)$", section(page("culver.1"), "EXIT STATUS"), re.MULTILINE)), wanted)

    def test_every_variable_of_its_environment_is_named(self):
        for name in re.findall(r'environment\("(\w+)"\)|getenv\("(\w+)"\)', sources("culver")):
            self.assertIn("".join(name), section(page("culver.1"), "ENVIRONMENT"))


class Daemon(unittest.TestCase):
    def test_the_options_are_those_of_its_help(self):
        said = subprocess.run([program("culverd"), "--help"], check=True, capture_output=True, text=True).stdout
        options = set(re.findall(r"^  --(\w+)", said, re.MULTILINE))
        self.assertEqual(set(re.findall(r"^\.It .*?Fl -(\w+)", page("culverd.8"), re.MULTILINE)), options)

    def test_the_signals_are_those_of_the_source(self):
        taken = set(re.findall(r"\bon\((SIG\w+)\)", sources("culverd")))
        listed = section(page("culverd.8"), "Signals", "Ss")
        named = set(re.findall(r"SIG\w+", " ".join(re.findall(r"^\.It Dv .*", listed, re.MULTILINE))))
        self.assertEqual(named, taken)

    def test_the_configuration_has_every_key_with_its_default(self):
        keys = re.compile(r"^#?(\w+) =(.*)$|^#?\[(\w+).*\]$", re.MULTILINE)
        wanted, place = {}, ""
        for key, value, begun in keys.findall((TOP / "config/culver.conf").read_text()):
            place = begun or place
            if key:
                wanted[place, key] = value.strip()
        found = {}
        for title in re.findall(r"^\.Ss \[(.*)\]$", page("culver.conf.5"), re.MULTILINE):
            items = re.findall(r"^\.It Ic (\w+)(?: =(.*))?$", section(page("culver.conf.5"), f"[{title}]", "Ss"), re.MULTILINE)
            for key, value in items:
                # A section that is not there unless written has no defaults, only examples.
                name = title.split()[0]
                found[name, key] = wanted.get((name, key)) if title.endswith(" NAME") else value.strip()
        self.assertEqual(found, wanted)


class Protocol(unittest.TestCase):
    def test_the_methods_have_their_roles_and_parameters(self):
        method = re.compile(r'\.(?:plain|direct|later)\(\s*"([\w.]+)",\s*\.(\w+)(?:,\s*\[([^\]]*)\])?')
        wanted = {
            name: (role, re.findall(r'"(\w+)"', parameters))
            for name, role, parameters in method.findall(sources("culverd/Methods"))}
        self.assertGreater(len(wanted), 20)
        item = re.compile(r"^\.It Ic ([\w.]+) Pq (\w+)\n(?:\.Ar (.*)\n)?", re.MULTILINE)
        found = {
            name: (role, parameters.split(" , ") if parameters else [])
            for name, role, parameters in item.findall(section(page("culver-protocol.7"), "METHODS"))}
        self.assertEqual(found, wanted)

    def test_the_reasons_are_those_of_the_sources(self):
        listed = section(page("culver-protocol.7"), "FAILURES")
        found = set(re.findall(r"^\.It Sy ([\w-]+)$", listed, re.MULTILINE))
        self.assertEqual(found, reasons())

    def test_the_kinds_of_events_and_the_stages_of_refusals_are_those_of_the_source(self):
        kinds = re.search(r"enum Kind[^{]*\{\s*case ([^}]*)\}", sources("Records")).group(1)
        listed = re.search(r"kinds of events are\n((?:.*\n)+?)\.Ss", page("culver-protocol.7")).group(1)
        self.assertEqual(re.findall(r"(?!Li\b|and\b)\b[a-z]+\b", listed), re.findall(r"\w+", kinds))
        stages = re.search(r"enum Stage[^{]*\{\s*case ([^}]*)\}", sources("DIMP")).group(1)
        words = " , ".join(re.findall(r"\w+", stages))
        self.assertIn(f"\n.Sy {words} .\n", page("culver-protocol.7"))


WORD = r'"([a-z0-9]+(?:-[a-z0-9]+)*)(?=[":])'
KINDS = "usage|badData|noInput|unknownName|noDaemon|exists|io|inputOutput|notNow|undelivered|notPermitted|configuration|ended"
# Look like reasons, and are none.
OTHERS = {"as-is", "stopped", "self-signed", "visa-keys", "clock-sync", "by-name", "x-role", "id-or-file", "no-delay", "r-xp"}


def reasons() -> set[str]:
    """Every stable word: what stands where a reason does, and any literal that is hyphenated words."""
    text = sources("culver", "culverd", "Agent", "Control", "Diagnostics", "Operations", "Store", "Transport", "Records")
    text = text.replace((TOP / "Sources/culverd/Metrics/MetricsReport.swift").read_text(), "")  # those are labels
    patterns = (
        rf"\breason: {WORD}", rf"\breason = {WORD}", rf"(?:reason:|isFull) [^\n]*\? {WORD}", rf"(?:reason:|isFull)[^\n]* : {WORD}",
        rf"\.(?:{KINDS}),\s*{WORD}", rf"\bend\([^\n\"]*{WORD}", r'"([a-z0-9]+(?:-[a-z0-9]+)+)(?=[":])')
    # What was done to a group is the reason of its event.
    acts = re.search(r"enum Act\b[^{]*\{(.*?)\}", (TOP / "Sources/DIMP/Group/GroupRecord.swift").read_text(), re.DOTALL).group(1)
    acts = {word for line in re.findall(r"case ([\w, ]+)", acts) for word in line.split(", ")}
    return ({word for pattern in patterns for word in re.findall(pattern, text)} | acts) - OTHERS


if __name__ == "__main__":
    unittest.main()
