"""Files between boards: inside a message, and in pieces beside it."""

import base64
import json
import os
import pathlib
import unittest

from harness import Refused, Story, eventually

HASTE = "[delivery]\nreceipt_timeout = 2s"


class Inline(Story):
    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto, sections=HASTE)
        self.right = self.daemon("right", self.mosquitto, sections=HASTE)

    def file(self, name: str, data: bytes) -> str:
        path = self.directory / name
        path.write_bytes(data)
        return str(path)

    def sent(self, path: str, *options: str) -> dict:
        self.succeeds(self.left.tool("send", self.right.did, "--file", path, "--wait", "delivered", *options))
        return self.right.call("file.list")["files"][-1]

    def test_a_small_file_comes_as_it_is(self):
        data = os.urandom(60_000)
        row = self.sent(self.file("soil.png", data), "Look at the leaves.")
        self.assertEqual((row["filename"], row["size"], row["state"], row["type"]), ("soil.png", 60_000, "whole", 18))
        content = self.right.inbox()[-1]["content"]
        self.assertEqual((content["text"], base64.b64decode(content["data"])), ("Look at the leaves.", data))
        place = self.directory / "in"
        place.mkdir()
        for name in ["soil.png", "soil (2).png", "soil (3).png"]:
            fetched = self.succeeds(self.right.tool("file", "fetch", row["id"], "--to", str(place)))
            self.assertEqual(fetched.out, f"{place}/{name}\n")
            self.assertEqual((place / name).read_bytes(), data)
        self.assertEqual(sorted(path.name for path in place.iterdir()), ["soil (2).png", "soil (3).png", "soil.png"])
        listed = self.succeeds(self.right.tool("file", "list")).out
        self.assertIn("58.6 KiB", listed)
        self.assertIn("soil.png", self.succeeds(self.right.tool("file", "show", row["id"])).out)
        self.fails(65, self.right.tool("file", "drop", row["id"]))

    def test_an_empty_file_and_a_picture_that_stands_for_another(self):
        self.assertEqual(self.sent(self.file("empty", b""))["size"], 0)
        small = self.file("small.jpg", b"small")
        self.sent(self.file("film.mp4", b"film"), "--thumbnail", small)
        content = self.right.inbox()[-1]["content"]
        self.assertEqual((content["type"], content["snapshot"]), (22, base64.b64encode(b"small").decode()))
        large = self.file("large.jpg", bytes(40_000))
        self.fails(64, self.left.tool("send", self.right.did, "--file", small, "--thumbnail", large))
        self.fails(65, self.left.tool("send", self.right.did, "--file", self.file("a.txt", b"a"), "--thumbnail", small))

    def test_a_name_leads_nowhere(self):
        with self.left.control() as control:
            offer = control.call("file.offer", to=self.right.did, name="../../etc/.passwd\n", size=4)
            accepted = control.call("file.put", file=offer["file"], offset=0, data=base64.b64encode(b"root").decode())
        self.left.reaches(accepted["id"], "delivered")
        # What a peer writes, whoever it is.
        content = {"type": 16, "filename": "/tmp/../x/..", "data": base64.b64encode(b"y").decode()}
        self.left.call("message.send", to=self.right.did, content=content)
        rows = eventually(lambda: len(self.right.call("file.list")["files"]) == 2 and self.right.call("file.list")["files"])
        self.assertEqual([row["filename"] for row in rows], ["passwd", "file"])

    def test_pieces_come_in_their_order_from_who_offered(self):
        with self.left.control() as control, self.left.control() as other:
            offer = control.call("file.offer", to=self.right.did, name="a", size=6)
            self.assertEqual(offer["offset"], 0)
            data = base64.b64encode(b"abc").decode()
            for connection, wrong in [
                (other, {"offset": 0}), (control, {"offset": 1}), (control, {"offset": 0, "data": "?"}),
                (control, {"offset": 0, "data": base64.b64encode(b"abcdefg").decode()}),
            ]:
                with self.assertRaises(Refused):
                    connection.call("file.put", **{"file": offer["file"], "data": data, **wrong})
            self.assertEqual(control.call("file.put", file=offer["file"], offset=0, data=data)["offset"], 3)
            accepted = control.call("file.put", file=offer["file"], offset=3, data=data)
        self.left.reaches(accepted["id"], "delivered")
        row = self.right.call("file.list")["files"][-1]
        self.assertEqual(base64.b64decode(self.right.call("file.get", id=row["id"], offset=2)["data"]), b"cabc")
        with self.left.control() as control:
            for number in range(33):
                try:
                    control.call("file.offer", to=self.right.did, name="a", size=6)
                except Refused as refused:
                    self.assertEqual((number, refused.reason), (32, "too-many-files"))


class Elsewhere(Story):
    """Files under a URL, brought there and back by programs of the owner's."""

    def script(self, name: str, text: str) -> pathlib.Path:
        path = self.directory / name
        path.write_text("#!/bin/sh\nset -eu\n" + text)
        path.chmod(0o755)
        return path

    def boards(self, upload: str, download: str):
        mosquitto = self.broker()
        bring = self.script("bring", f"exec 2>{self.directory}/complaints\n" + upload)
        fetch = self.script("fetch", f"exec 2>{self.directory}/complaints\n" + download)
        sections = HASTE + f"\n[files]\nupload = {bring}\ndownload = {fetch}"
        return self.daemon("left", mosquitto, sections=sections), self.daemon("right", mosquitto, sections=sections)

    def test_a_large_file_is_brought_and_fetched(self):
        place = self.directory / "web"
        place.mkdir()
        left, right = self.boards(
            f"ls /proc/self/fd > {place}/open\ncat > {place}/$CULVER_FILENAME\necho https://example.org/$CULVER_FILENAME",
            f'test $# = 1\ncat {place}/$(basename "$1")')
        path = self.directory / "film.mp4"
        path.write_bytes(os.urandom(200_001))
        # It is not known yet that the other one takes pieces.
        self.succeeds(left.tool("send", right.did, "--file", str(path), "--wait", "delivered"))
        content = right.inbox()[-1]["content"]
        self.assertEqual((content["URL"], content["type"]), ("https://example.org/film.mp4", 22))
        # Those of every program, and what ls opened itself.
        self.assertEqual((place / "open").read_text().split(), ["0", "1", "2", "3"])
        self.assertNotIn(path.read_bytes()[:64], (place / "film.mp4").read_bytes())
        row = right.call("file.list")["files"][-1]
        self.assertEqual((row["state"], row["url"]), ("elsewhere", content["URL"]))
        for _ in range(2):
            fetched = self.succeeds(right.tool("file", "fetch", row["id"], "--to", str(self.directory / "fetched")))
            self.assertEqual((self.directory / "fetched").read_bytes(), path.read_bytes(), fetched)
        self.assertEqual(list((left.state / "files").glob("*")), [])

    def test_programs_that_fail_are_named(self):
        left, right = self.boards("cat > /dev/null\necho nonsense", "exit 3")
        path = self.directory / "film.mp4"
        path.write_bytes(os.urandom(200_001))
        refused = self.fails(75, left.tool("send", right.did, "--file", str(path)))
        self.assertIn("it said no URL", refused.err)
        self.script("bring", "exit 4")
        self.assertIn("it ended with 4", self.fails(75, left.tool("send", right.did, "--file", str(path))).err)
        self.script("bring", "head -c 5000 /dev/zero")
        self.assertIn("it said too much", self.fails(75, left.tool("send", right.did, "--file", str(path))).err)
        self.assertEqual(left.call("message.list")["messages"], [])
        for url in ["http://example.org/x", "file:///etc/passwd", "--output=x", "https://example.org/ x"]:
            content = {"type": 16, "filename": "x", "URL": url}
            self.succeeds(left.tool(
                "send", right.did, "--content", "-", "--wait", "delivered", input=json.dumps(content)))
            row = right.call("file.list")["files"][-1]
            words = "it ended with 3" if url.startswith("http://") else "no URL of the web"
            self.assertIn(words, self.fails(75, right.tool("file", "fetch", row["id"])).err)
        self.script("fetch", "head -c 20000000 /dev/zero")
        row = right.call("file.list")["files"][0]
        self.assertIn("it said too much", self.fails(75, right.tool("file", "fetch", row["id"])).err)
        self.assertEqual(list((right.state / "files").glob("*")), [])


class Stock(Story):
    def test_stock_software_reads_a_small_file(self):
        mosquitto = self.broker()
        board = self.daemon("board", mosquitto, sections=HASTE)
        peer = self.peer("2.4", mosquitto)
        peer.learn(board.did)
        peer.send(board.did, "hello", attach=True)
        eventually(lambda: "hello" in board.texts(), what="the stock peer's message")
        path = self.directory / "soil.png"
        path.write_bytes(os.urandom(3000))
        self.succeeds(board.tool("send", peer.did, "--file", str(path), "Look."))
        # Receipts are messages there, too.
        content = {}
        while content.get("type") != 18:
            content = peer.event("message")["content"]
        self.assertEqual((content["type"], content["filename"], content["text"]), (18, "soil.png", "Look."))
        self.assertEqual(base64.b64decode(content["data"]), path.read_bytes())
        # What is too large for a message has no way there without a program.
        path.write_bytes(bytes(100_000))
        refused = self.fails(65, board.tool("send", peer.did, "--file", str(path)))
        self.assertIn("pieces", refused.err)


class Large(Story):
    """In pieces, which are lost and come again."""

    SECTIONS = HASTE + "\n[limits]\nfile = 256MiB\n[files]\nquota = 512MiB"

    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker(persistence=True)
        self.left = self.daemon("left", self.mosquitto, sections=self.SECTIONS)
        self.right = self.daemon("right", self.mosquitto, sections=self.SECTIONS)
        for one, other in [(self.left, self.right), (self.right, self.left)]:
            self.succeeds(one.tool("send", other.did, "hello", "--wait", "delivered"))

    def file(self, size: int) -> pathlib.Path:
        path = self.directory / "film.mp4"
        path.write_bytes(os.urandom(size))
        return path

    @staticmethod
    def kept(daemon) -> list[str]:
        return sorted(path.name for path in (daemon.state / "files").glob("*"))

    def going(self) -> dict:
        return self.left.call("file.list")["sending"][-1]

    def coming(self) -> dict:
        return self.right.call("file.list")["files"][-1]

    def comes(self, path: pathlib.Path) -> None:
        eventually(lambda: self.going()["state"] == "whole", what="the receiver's word")
        place = self.directory / "fetched"
        self.succeeds(self.right.tool("file", "fetch", self.coming()["id"], "--to", str(place)))
        self.assertEqual(place.read_bytes(), path.read_bytes())

    def test_a_large_file_comes_whole(self):
        path = self.file(3_000_001)
        sent = self.succeeds(self.left.tool("send", self.right.did, "--file", str(path)))
        self.comes(path)
        row = self.coming()
        self.assertEqual((row["state"], row["size"], row["have"], row["type"]), ("whole", 3_000_001, 3_000_001, 22))
        self.assertEqual(row["filename"], "film.mp4")
        self.assertEqual(self.left.call("file.show", id=sent.out.strip())["state"], "whole")
        # Nothing of it is left where it came from, and nothing when it is dropped.
        self.assertEqual([name for name in self.kept(self.left) if not name.endswith(".json")], [])
        self.succeeds(self.right.tool("file", "drop", row["id"]))
        eventually(lambda: self.kept(self.right) == [], what="the end of the bytes")
        self.assertEqual(self.coming()["state"], "gone")
        self.fails(66, self.right.tool("file", "fetch", row["id"]))

    def test_files_appear_in_the_directory_of_the_receiver(self):
        place = self.directory / "pictures"
        place.mkdir()
        (place / "film.mp4").write_bytes(b"mine")
        self.configure(self.right, f"[files]\ninbox = {place}")
        large, small = self.file(300_000), self.directory / "notes.txt"
        small.write_bytes(b"water the beans")
        for path in [large, small, small]:
            self.succeeds(self.left.tool("send", self.right.did, "--file", str(path), "--wait", "delivered"))
        names = {"film.mp4", "film (2).mp4", "notes.txt", "notes (2).txt"}
        eventually(lambda: {path.name for path in place.iterdir()} == names, what="the files")
        self.assertEqual((place / "film.mp4").read_bytes(), b"mine")
        self.assertEqual((place / "film (2).mp4").read_bytes(), large.read_bytes())
        self.assertEqual((place / "notes (2).txt").read_bytes(), small.read_bytes())
        eventually(lambda: self.kept(self.right) == [], what="the end of the other copy")
        row = next(row for row in self.right.call("file.list")["files"] if row["filename"] == "film.mp4")
        self.assertEqual((row["state"], row["path"]), ("delivered", str(place / "film (2).mp4")))
        # Nothing comes again with another start, nor when the directory is read-only for a while.
        self.right.stop()
        self.right.start()
        place.rename(self.directory / "away")
        self.succeeds(self.left.tool("send", self.right.did, "--file", str(small), "--wait", "delivered"))
        (self.directory / "away").rename(place)
        self.succeeds(self.left.tool("send", self.right.did, "--file", str(small), "--wait", "delivered"))
        names |= {"notes (3).txt", "notes (4).txt"}
        eventually(lambda: {path.name for path in place.iterdir()} == names, what="those that found no directory")

    def test_kill_9_of_everything_in_between(self):
        path = self.file(48 << 20)
        self.succeeds(self.left.tool("send", self.right.did, "--file", str(path)))
        kills = 0
        for victim in [self.right, self.left, self.mosquitto, self.right, self.left]:
            # So much of it more is on the receiver's disk, if it is not there already.
            wanted = self.come() + (3 << 20)
            eventually(lambda: self.come() >= wanted or self.coming()["state"] == "whole", what="more of the file")
            kills += self.coming()["state"] == "coming"
            victim.kill()
            victim.start()
        self.assertGreaterEqual(kills, 3, "the file was there before it could be disturbed")
        self.comes(path)
        events = self.left.call("event.list", kind="file")["events"]
        self.assertEqual([event["reason"] for event in events][-1], "file-whole")

    def test_what_is_too_large_is_refused_at_both_ends(self):
        path = self.file(300_000)
        self.configure(self.right, "[limits]\nfile = 100KiB")
        self.succeeds(self.left.tool("send", self.right.did, "--file", str(path)))
        eventually(lambda: self.going()["state"] == "refused", what="the receiver's refusal")
        self.assertEqual(self.going()["reason"], "too-large")
        self.assertEqual((self.coming()["state"], self.kept(self.right)), ("gone", []))
        self.configure(self.right, "[files]\nquota = 100KiB")
        self.succeeds(self.left.tool("send", self.right.did, "--file", str(path)))
        eventually(lambda: self.going().get("reason") == "quota", what="the receiver's other refusal")
        self.configure(self.left, "[limits]\nfile = 100KiB")
        self.fails(65, self.left.tool("send", self.right.did, "--file", str(path)))
        self.configure(self.left, "[files]\nquota = 100KiB")
        self.fails(75, self.left.tool("send", self.right.did, "--file", str(path)))

    def configure(self, daemon, sections: str) -> None:
        text = daemon.configuration.read_text().split(HASTE)[0]
        daemon.configuration.write_text(text + HASTE + "\n" + sections + "\n")
        daemon.stop()
        daemon.start()

    def come(self) -> int:
        rows = self.right.call("file.list")["files"]
        return rows[-1]["have"] if rows else 0


if __name__ == "__main__":
    unittest.main()
