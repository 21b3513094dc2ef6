"""What a shell offers at the tabulator, asked of real shells on a real daemon."""

import os
import pathlib
import pty
import re
import signal
import subprocess
import tempfile

from harness import Story, eventually, program

PUMP = "12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"


class Completion(Story):
    def setUp(self):
        super().setUp()
        self.board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        self.succeeds(self.board.tool("contact", "add", f"porch@{PUMP}", "--name", "porch"))
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.scripts = {}
        for shell in ("bash", "zsh", "fish"):
            path = pathlib.Path(directory.name, f"culver.{shell}")
            path.write_text(self.succeeds(self.board.tool("--generate-completion-script", shell)).out)
            self.scripts[shell] = path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ, "PATH": f"{pathlib.Path(program('culver')).parent}:{os.environ['PATH']}", "TERM": "xterm",
            "CULVER_SOCKET": self.board.socket, "HOME": str(self.scripts["bash"].parent)}

    def ask(self, *command: str) -> list[str]:
        result = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=self.environment)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.splitlines()

    def bash(self, *words: str) -> list[str]:
        """The last word is the one that is being written."""
        script = f"""
            source {self.scripts["bash"]}
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
            COMP_POINT=${{#COMP_LINE}}
            _culver culver "${{@: -1}}" "${{@: -2:1}}"
            printf '%s\\n' "${{COMPREPLY[@]}}"
            """
        words = self.ask("bash", "--norc", "-c", script, "bash", "culver", *words)
        return [word.strip() for word in words if word]

    def fish(self, line: str) -> list[str]:
        words = self.ask("fish", "--no-config", "-c", f'source {self.scripts["fish"]}; complete -C "culver {line}"')
        return [word.split("\t")[0] for word in words]

    def test_bash_offers_verbs_options_and_values(self):
        self.assertIn("selftest", self.bash("s"))
        self.assertEqual(self.bash("contact", "una"), [])
        self.assertEqual(self.bash("contact", "unb"), ["unblock"])
        self.assertIn("--expiry", self.bash("send", "porch", "hello", "--e"))
        self.assertEqual(self.bash("message", "list", "--state", "de"), ["delivered"])
        self.assertEqual(self.bash("watch", "--kind", "pres"), ["presence"])
        self.assertEqual(self.bash("id", "new", "x", "--type", "st"), ["station"])

    def test_bash_offers_the_names_that_the_daemon_knows(self):
        self.assertEqual(self.bash("send", "por"), ["porch"])
        self.assertEqual(set(self.bash("send", "")) & {"porch", "board"}, {"porch", "board"})
        self.assertEqual(self.bash("send", "porch", "hello", "--from", "b"), ["board"])
        self.assertEqual(self.bash("contact", "show", "po"), ["porch"])
        sent = self.succeeds(self.board.tool("send", "porch", "hello")).out.strip()
        self.assertEqual(self.bash("message", "wait", sent[:3]), [sent])
        self.board.stop()
        self.assertEqual(self.bash("send", "por"), [])

    def test_a_contact_is_no_directory_to_who_sits_at_bash(self):
        where = self.scripts["bash"].parent
        (where / "porch").mkdir()
        (where / "pots").mkdir()
        shown = self.typing(
            ["bash", "--norc", "--noprofile", "-i"],
            [f"PS1='READY '; cd {where}; source {self.scripts['bash']}\n".encode(), b"culver send por\t'hello'", b"\x03",
             b"culver backup pot\t"],
            [rb"READY $", rb"culver send porch ?'hello'|porch/'hello'", rb"READY $", rb"culver backup pots/?"])
        self.assertNotIn(b"porch/", shown)
        self.assertIn(b"pots/", shown)

    def typing(self, command: list[str], keys: list[bytes], answers: list[bytes]) -> bytes:
        """Types at a terminal, and after each waits for what it shows."""
        environment = self.environment
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(command[0], command, environment)
        self.addCleanup(os.close, terminal)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        os.set_blocking(terminal, False)
        everything = bytearray()
        for pressed, answer in zip(keys, answers, strict=True):
            shown = bytearray()

            def shows() -> re.Match | None:
                try:
                    shown.extend(os.read(terminal, 65536))
                except BlockingIOError:
                    pass
                return re.search(answer, shown)

            os.write(terminal, pressed)
            eventually(shows, what=f"{answer!r} in {shown!r}")
            everything += shown
        return bytes(everything)

    def test_fish_offers_verbs_and_values(self):
        self.assertIn("selftest", self.fish("s"))
        self.assertEqual(self.fish("message list --state de"), ["delivered"])

    def test_fish_offers_names_to_who_sits_at_it(self):
        # It knows where the cursor is only at a terminal.
        command = ["fish", "--no-config", "--init-command", f"source {self.scripts['fish']}"]
        environment = self.environment
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("fish", command, environment)
        self.addCleanup(os.close, terminal)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        os.set_blocking(terminal, False)
        shown = bytearray()

        def shows(words: bytes) -> re.Match | None:
            try:
                shown.extend(os.read(terminal, 65536))
            except BlockingIOError:
                pass
            return re.search(words, shown)

        eventually(lambda: shows(rb"[>#] "), what="a prompt")
        os.write(terminal, b"culver send por\t")
        eventually(lambda: shows(b"porch"), what="the name")

    def test_zsh_understands_its_script(self):
        self.assertEqual(self.ask("zsh", "-f", "-n", str(self.scripts["zsh"])), [])
        self.assertTrue(self.scripts["zsh"].read_text().startswith("#compdef culver"))
