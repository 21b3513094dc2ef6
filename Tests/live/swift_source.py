"""Swift files taken apart as far as the rules of this house need it: comments, types, members, functions.

No compiler: braces, strings and comments are told apart, and everything else is found by its words. That is enough for
files that the formatter has laid out.
"""

import pathlib
import re

TYPES = "struct|class|enum|protocol|actor"
DECLARATION = re.compile(rf"\b({TYPES}|typealias|extension)\s+([A-Z]\w*(?:\.[A-Z]\w*)*)")
FUNCTION = re.compile(r"\b(?:func\s+(?P<name>[\w`]+|[^\s\w(]+)|(?P<init>init)[?!]?)\s*(?:<[^(]*>)?\s*\(")
STORED = re.compile(r"(?<![\w.`])(let|var)\s+(\w+)")


class Declaration:
    """A type where it is declared or extended. `outer`: the types around it, joined by dots."""

    def __init__(self, kind: str, name: str, outer: str, source: "Source", start: int):
        self.kind, self.name, self.outer, self.source, self.line = kind, name, outer, source, source.line(start)

    @property
    def path(self) -> str:
        return f"{self.outer}.{self.name}" if self.outer else self.name

    def __repr__(self) -> str:
        return f"{self.source.path}:{self.line} {self.kind} {self.path}"


class Function:
    """A function or an initialiser, the type around it, and its parameters as they are written. A local one is inside of
    another's body."""

    def __init__(self, name: str, owner: str, is_local: bool, parameters: list[str], source: "Source", start: int):
        self.name, self.owner, self.is_local, self.parameters = name, owner, is_local, parameters
        self.source, self.line = source, source.line(start)

    @property
    def unlabelled(self) -> list[str]:
        """The arguments after the first without a label."""
        return [parameter for parameter in self.parameters[1:] if re.match(r"(?:@\w+\s+)*_\s", parameter)]

    def __repr__(self) -> str:
        return f"{self.source.path}:{self.line} {self.owner}.{self.name}"


class Source:
    """One file. `code` is its text with comments and strings blanked, so that places and lines stay what they are."""

    def __init__(self, path: pathlib.Path | str, text: str):
        self.path, self.text = path, text
        self.lines = text.splitlines()
        self.code, self.comments = split(text)
        self.declarations: list[Declaration] = []
        self.functions: list[Function] = []
        self.stored: list[tuple[str, str]] = []  # the type and the name of each stored property of an instance
        self._walk()

    def line(self, place: int) -> int:
        return self.text.count("\n", 0, place) + 1

    def _walk(self) -> None:
        """Follows the braces and keeps the types around each place."""
        frames: list[str | None] = []  # a type's path, or nothing for a body
        events = [(match.start(), "type", match) for match in DECLARATION.finditer(self.code)]
        events += [(match.start(), "function", match) for match in FUNCTION.finditer(self.code)]
        events += [(match.start(), "property", match) for match in STORED.finditer(self.code)]
        events += [(match.start(), match.group(), match) for match in re.finditer(r"[{}]", self.code)]
        pending = None
        for start, what, match in sorted(events, key=lambda event: event[0]):
            outer = next((frame for frame in reversed(frames) if frame), "")
            if what == "{":
                frames.append(pending)
                pending = None
            elif what == "}":
                if frames:
                    frames.pop()
            elif what == "type":
                kind, name = match.groups()
                if kind != "typealias" or not is_same_name(self.code, match):
                    self.declarations.append(Declaration(kind, name, outer, self, start))
                if kind != "typealias":
                    pending = f"{outer}.{name}" if outer else name
            elif what == "function":
                parameters = listed(self.code, match.end() - 1)
                is_local = bool(frames) and frames[-1] is None
                # `self.init(…)` and `.init(…)` are calls.
                if match["init"] and (is_local or self.code[start - 1:start] == "." or not is_declared(self.code, match.end() - 1)):
                    continue
                self.functions.append(Function(match["name"] or "init", outer, is_local, parameters, self, start))
            elif frames and frames[-1] and is_stored(self.code, match):
                self.stored.append((frames[-1], match[2]))


def is_declared(code: str, opening: int) -> bool:
    """What follows the parameters is a body or the end of a requirement, not more of an expression."""
    rest = code[closing(code, opening) + 1:]
    return re.match(r"\s*(?:throws(?:\([^)]*\))?|async|rethrows|where[^{]*|\s)*(?:\{|\n|$)", rest) is not None


def is_same_name(code: str, match: re.Match) -> bool:
    """`typealias Turn = Agent.Turn<…>` gives the one meaning a shorter spelling."""
    target = re.match(r"\s*(?:<[^=]*>)?\s*=\s*([\w.]+)", code[match.end():])
    return target is not None and target[1].split(".")[-1] == match[2]


def is_stored(code: str, match: re.Match) -> bool:
    """Not a static one, and not one whose value is computed. Observers belong to a stored one."""
    before = code[code.rfind("\n", 0, match.start()) + 1:match.start()]
    if re.search(r"\b(?:static|class)\b", before):
        return False
    if match[1] == "let":
        return True
    place, depth, seen = match.end(), 0, False
    while place < len(code):
        sign = code[place]
        if sign in "([<":
            depth += 1
        elif sign in ")]" or (sign == ">" and code[place - 1] != "-"):
            depth -= 1
        elif depth <= 0 and sign == "{":
            return re.match(r"\s*(?:willSet|didSet)\b", code[place + 1:]) is not None
        elif depth <= 0 and (sign in "=}" or (sign == "\n" and seen)):
            return True
        seen = seen or (depth <= 0 and not sign.isspace() and sign != ":")
        place += 1
    return True


def closing(code: str, opening: int) -> int:
    """Where the bracket that opens here is closed."""
    depth = 0
    for place in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[place], 0)
        if depth == 0:
            return place
    return len(code)


def listed(code: str, opening: int) -> list[str]:
    """The pieces between the commas of a list in brackets."""
    pieces, depth, begun = [], 0, opening + 1
    end = closing(code, opening)
    for place in range(opening + 1, end):
        sign = code[place]
        if sign in "([{<":
            depth += 1
        elif sign in ")]}" or (sign == ">" and code[place - 1] != "-"):
            depth -= 1
        elif sign == "," and depth == 0:
            pieces.append(code[begun:place].strip())
            begun = place + 1
    return [*pieces, code[begun:end].strip()] if code[begun:end].strip() else pieces


def split(text: str) -> tuple[str, list[tuple[int, str]]]:
    """The code without comments and strings, and the comments: the number of each of their lines, and its words."""
    code, comments, place, line = list(text), [], 0, 1

    def blank(begin: int, end: int) -> None:
        for index in range(begin, end):
            if code[index] != "\n":
                code[index] = " "

    for match in iter(lambda: re.compile(r'//|/\*|#*"').search(text, place), None):
        begin = match.start()
        line += text.count("\n", place, begin)
        if match.group() == "//":
            end = text.find("\n", begin)
            end = len(text) if end < 0 else end
            comments.append((line, text[begin:end].lstrip("/").strip()))
        elif match.group() == "/*":
            end = comment_end(text, begin)
            for number, words in enumerate(text[begin + 2:end - 2].splitlines()):
                comments.append((line + number, words.strip().lstrip("*").strip()))
        else:
            end = string_end(text, begin)
        blank(begin, end)
        line += text.count("\n", begin, end)
        place = end
    return "".join(code), comments


def comment_end(text: str, begin: int) -> int:
    """Comments nest."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, begin):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def string_end(text: str, begin: int) -> int:
    """Behind a string that may have several lines, be raw, and hold expressions with strings of their own."""
    hashes = re.compile(r"#*").match(text, begin).group()
    quote = '"""' if text.startswith('"""', begin + len(hashes)) else '"'
    # `""` is an empty string.
    place = begin + len(hashes) + len(quote)
    while place < len(text):
        if text.startswith(quote + hashes, place):
            return place + len(quote) + len(hashes)
        if text.startswith("\\" + hashes, place):
            place += 1 + len(hashes)
            if text.startswith("(", place):
                place = expression_end(text, place)
            else:
                place += 1
        elif text[place] == "\n" and quote == '"':
            return place
        else:
            place += 1
    return len(text)


def expression_end(text: str, opening: int) -> int:
    depth, place = 0, opening
    while place < len(text):
        if text[place] == '"':
            place = string_end(text, place)
            continue
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        place += 1
        if depth == 0:
            return place
    return place


def read(folder: pathlib.Path) -> list[Source]:
    """All Swift files below a folder, by names relative to what it lies in."""
    return [Source(path.relative_to(folder.parent), path.read_text()) for path in sorted(folder.rglob("*.swift"))]


def duplicates(sources: list[Source]) -> dict[str, list[Declaration]]:
    """The names under which more than one type is declared, and where."""
    found: dict[str, list[Declaration]] = {}
    for source in sources:
        for declaration in source.declarations:
            if declaration.kind != "extension":
                found.setdefault(declaration.name, []).append(declaration)
    return {name: places for name, places in sorted(found.items()) if len(places) > 1}


def short(sources: list[Source], limit: int = 20) -> list[Source]:
    """Files under so many lines that have a neighbour in their folder."""
    folders = [source.path.parent for source in sources]
    return [source for source in sources if len(source.lines) < limit and folders.count(source.path.parent) > 1]


WIDE = re.compile(r"<<\s*(?P<shift>\d+)\b|\b(?P<number>0x[\da-fA-F_]+|\d[\d_]*)\b(?![.\d]|e\d)")
NARROWED = re.compile(r"\bInt\((?!clamping:|exactly:|truncatingIfNeeded:)[^()]*\b(?:st_size|tv_sec|integer|int64\w*|bytes64|free|total|size(?!\.)|offset|uses)\b")
COUNTERS = re.compile(r"\bstruct (?:\w*Counts|Traffic)\b[^{]*\{(?P<body>.*?)^\}", re.DOTALL | re.MULTILINE)
NARROW_COUNTER = re.compile(r"\bvar \w+(?: = \d+$|: Int\b|: \[[^\]]*\bInt\])", re.MULTILINE)


def wide(source: Source) -> list[tuple[int, str]]:
    """Numbers of more than 31 bits in a statement that names no type of 64: on 32-bit ARM `Int` does not hold them. And
    what is made an `Int` of that has 64 bits: a size, a time, a number of JSON or SQLite. And counters of what happened
    since the start: nothing bounds them."""
    found = []
    for match in WIDE.finditer(source.code):
        is_wide = int(match["shift"]) > 30 if match["shift"] else int(match["number"], 0 if "0x" in match["number"] else 10) >= 1 << 31
        if not is_wide:
            continue
        begin = max((word.start() for word in re.finditer(r"\b(?:let|var|func|case|return|guard|if)\b", source.code[:match.start()])), default=0)
        end = source.code.find("\n", match.end())
        statement = source.code[begin:end if end > 0 else len(source.code)]
        if not re.search(r"Int64|Double|Float", statement):
            found.append((source.line(match.start()), match.group()))
    found += [(source.line(match.start()), match.group()) for match in NARROWED.finditer(source.code)]
    for counters in COUNTERS.finditer(source.code):
        found += [(source.line(match.start() + counters.start("body")), match.group()) for match in NARROW_COUNTER.finditer(counters["body"])]
    return sorted(found)


def unlabelled(sources: list[Source]) -> list[Function]:
    """Functions with an argument after the first that has no label."""
    return [function for source in sources for function in source.functions if function.unlabelled]
