"""Brokers of every kind: with TLS, with passwords, behind a Unix socket, and wrong ones. The status says why.

From issue 2: a broker with the wrong certificate, one that refuses, one that closes in the handshake: the daemon says why
and keeps trying. The fake brokers of one protocol error each are among the Swift tests.
"""

import glob
import json
import pathlib
import re
import socket
import subprocess
import threading
import unittest

from harness import Mosquitto, Story, eventually, free_port, program

WRAPPER = glob.glob("/usr/lib/*/libnss_wrapper.so")


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


class Brokers(Story):
    def authority(self, name: str) -> tuple[str, str]:
        """A certificate authority: its certificate and key."""
        certificate, key = str(self.directory / f"{name}.crt"), str(self.directory / f"{name}.key")
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}",
            "-keyout", key, "-out", certificate,
        )
        return certificate, key

    def certificate(self, authority: tuple[str, str], name: str, alternative: str, days: int = 30) -> tuple[str, str]:
        """A certificate for a server or a client, signed by the authority."""
        certificate, key = str(self.directory / f"{name}.crt"), str(self.directory / f"{name}.key")
        request, extension = str(self.directory / f"{name}.csr"), self.directory / f"{name}.ext"
        extension.write_text(f"subjectAltName={alternative}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl(
            "x509", "-req", "-in", request, "-CA", authority[0], "-CAkey", authority[1], "-CAcreateserial",
            "-days", str(days), "-extfile", str(extension), "-out", certificate,
        )
        return certificate, key

    def tls_lines(self, certificate: tuple[str, str]) -> list[str]:
        return [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]

    def talks(self, *boards) -> None:
        left, right = boards
        self.succeeds(left.tool("send", right.did, "hello", "--wait", "delivered", timeout=120))
        self.assertEqual(right.texts(), ["hello"])

    def explains(self, board, *words: str) -> None:
        """The status names one of the words, and the daemon lives on."""
        pattern = re.compile("|".join(words), re.IGNORECASE)
        eventually(lambda: pattern.search(json.dumps(board.call("status"))), 60, f"one of {words} in the status")
        self.assertRegex(self.succeeds(board.tool("status")).out, pattern)
        self.assertTrue(board.alive)

    def test_tls_with_our_own_authority(self):
        authority = self.authority("authority")
        broker = self.broker(lines=self.tls_lines(self.certificate(authority, "server", "IP:127.0.0.1,DNS:localhost")))
        url = broker.url.replace("mqtt:", "mqtts:")
        lines = [f"ca_file = {authority[0]}"]
        self.talks(*(self.daemon(name, None, url=url, broker_lines=lines) for name in ("left", "right")))

    def test_tls_with_a_certificate_of_the_client(self):
        authority = self.authority("authority")
        lines = self.tls_lines(self.certificate(authority, "server", "IP:127.0.0.1"))
        broker = self.broker(lines=[*lines, f"cafile {authority[0]}", "require_certificate true"])
        url = broker.url.replace("mqtt:", "mqtts:")
        client = self.certificate(authority, "client", "DNS:client")
        ours = [f"ca_file = {authority[0]}", f"cert_file = {client[0]}", f"key_file = {client[1]}"]
        self.talks(*(self.daemon(name, None, url=url, broker_lines=ours) for name in ("left", "right")))

    def test_a_certificate_of_somebody_else(self):
        authority, stranger = self.authority("authority"), self.authority("stranger")
        broker = self.broker(lines=self.tls_lines(self.certificate(stranger, "server", "IP:127.0.0.1")))
        url = broker.url.replace("mqtt:", "mqtts:")
        board = self.daemon("board", None, url=url, broker_lines=[f"ca_file = {authority[0]}"])
        self.explains(board, "certificate", "TLS")

    def test_a_certificate_for_another_host(self):
        authority = self.authority("authority")
        broker = self.broker(lines=self.tls_lines(self.certificate(authority, "server", "DNS:elsewhere.example")))
        url = broker.url.replace("mqtt:", "mqtts:")
        board = self.daemon("board", None, url=url, broker_lines=[f"ca_file = {authority[0]}"])
        self.explains(board, "certificate", "TLS", "host")

    def test_a_user_and_a_password(self):
        password_file = self.directory / "passwords"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(password_file), "garden", "sesame"], check=True, capture_output=True
        )
        broker = self.broker(lines=["allow_anonymous false", f"password_file {password_file}"])
        right_one, wrong_one = self.directory / "password", self.directory / "no-password"
        for file, word in ((right_one, "sesame\n"), (wrong_one, "mustard\n")):
            file.write_text(word)
            file.chmod(0o600)
        good = ["username = garden", f"password_file = {right_one}"]
        self.talks(*(self.daemon(name, broker, broker_lines=good) for name in ("left", "right")))
        bad = self.daemon("bad", broker, broker_lines=["username = garden", f"password_file = {wrong_one}"])
        self.explains(bad, "not authori[sz]ed", "password", "credentials", "refused")
        nobody = self.daemon("nobody", broker)
        self.explains(nobody, "not authori[sz]ed", "password", "credentials", "refused")

    def test_files_that_cannot_be_used_are_told_by_everybody_and_read_again_at_each_connection(self):
        authority = self.authority("authority")
        broker = self.broker(lines=self.tls_lines(self.certificate(authority, "server", "IP:127.0.0.1")))
        url = broker.url.replace("mqtt:", "mqtts:")
        word, ca, key = (self.directory / name for name in ("word", "ca.pem", "board.key"))
        word.write_text("sesame\n")
        ca.write_bytes(pathlib.Path(authority[0]).read_bytes())
        certificate = self.certificate(authority, "board", "DNS:board")
        key.write_bytes(pathlib.Path(certificate[1]).read_bytes())
        good = {file: file.read_bytes() for file in (word, ca, key)}
        lines = [
            "username = board", f"password_file = {word}", f"ca_file = {ca}", f"cert_file = {certificate[0]}", f"key_file = {key}"]
        for number, (file, bad) in enumerate([(word, None), (word, b""), (ca, b""), (ca, None), (key, good[ca])]):
            with self.subTest(file=file.name, bad=bad):
                file.unlink()
                if bad is not None:
                    file.write_bytes(bad)
                board = self.daemon(f"board{number}", None, url=url, broker_lines=lines)
                eventually(lambda: str(file) in json.dumps(board.call("status")["brokers"]), what="the reason")
                check = subprocess.run(
                    [program("culverd"), "--check", "--config", str(board.configuration)], capture_output=True, text=True, timeout=30)
                self.assertEqual((check.returncode, str(file) in check.stderr), (78, True), check)
                doctor = board.tool("doctor", timeout=60).out.split("\n")
                place = next(place for place, line in enumerate(doctor) if line.startswith("fail  broker"))
                self.assertIn(str(file), doctor[place])
                self.assertNotIn("mqtt://", doctor[place + 1])
                # Nobody reloads anything.
                file.write_bytes(good[file])
                eventually(lambda: board.call("status")["brokers"][0]["state"] == "connected", what="the connection")
                check = subprocess.run(
                    [program("culverd"), "--check", "--config", str(board.configuration)], capture_output=True, text=True, timeout=30)
                self.assertEqual(check.returncode, 0, check)
                board.stop()

    @unittest.skipUnless(WRAPPER, "libnss-wrapper is not here")
    def test_a_name_with_an_address_that_swallows_packets(self):
        """Its first address does not answer; the second one is the broker's. TLS checks the name all the same."""
        authority = self.authority("authority")
        for name, scheme, host in (("plain", "mqtt", "broker.test"), ("secret", "mqtts", "broker.test"), ("wrong", "mqtts", "other.test")):
            with self.subTest(name):
                (self.directory / name).mkdir()
                keys = self.tls_lines(self.certificate(authority, name, "DNS:broker.test")) if scheme == "mqtts" else []
                broker = Mosquitto(self.directory / name, lines=keys)
                self.addCleanup(broker.stop)
                full = socket.socket(socket.AF_INET6)
                full.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                full.bind(("::1", broker.port))
                full.listen(0)  # and filled: what comes on top is dropped
                self.addCleanup(full.close)
                for _ in range(4):
                    one = socket.socket(socket.AF_INET6)
                    one.setblocking(False)
                    one.connect_ex(("::1", broker.port))
                    self.addCleanup(one.close)
                hosts = self.directory / name / "hosts"
                hosts.write_text(f"::1 {host}\n127.0.0.1 {host}\n")
                lines = [f"ca_file = {authority[0]}"] if scheme == "mqtts" else []
                board = self.daemon(f"board-{name}", None, url=f"{scheme}://{host}:{broker.port}", broker_lines=lines, begin=False)
                board.environment.update(LD_PRELOAD=WRAPPER[0], NSS_WRAPPER_HOSTS=str(hosts))
                board.start()
                eventually(lambda: f"an address of {host} does not answer" in board.log, what="a word about it")
                wanted = '"connected"' if name != "wrong" else f"not for {host}"
                eventually(lambda: wanted in json.dumps(board.call("status")["brokers"]), what=wanted)
                self.assertIn("does not answer", board.tool("log", "--kind", "broker").out)

    def test_a_broker_behind_a_unix_socket(self):
        path = self.directory / "broker.sock"
        self.broker(listener=f"listener 0 {path}")
        self.talks(*(self.daemon(name, None, url=f"unix://{path}") for name in ("left", "right")))

    def test_a_broker_that_is_not_there_and_then_is(self):
        port = free_port()
        board = self.daemon("board", None, url=f"mqtt://127.0.0.1:{port}")
        self.explains(board, "refused", "unreachable")
        self.assertIn(board.did, self.succeeds(board.tool("status")).out)

        broker = self.broker()
        broker.stop()
        broker.port = port
        broker.start()
        peer = self.daemon("peer", broker)
        self.talks(peer, board)

    def test_a_server_that_is_no_broker(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        stop = threading.Event()
        self.addCleanup(stop.set)

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        for name, url in (("plain", f"mqtt://127.0.0.1:{port}"), ("secret", f"mqtts://127.0.0.1:{port}")):
            board = self.daemon(name, None, url=url)
            before = board.rss
            self.explains(board, "protocol", "TLS", "ended", "no MQTT", "malformed")
            self.assertNotIn("success", json.dumps(board.call("status")))
            self.assertLess(board.rss - before, 48 << 20)

    def test_two_brokers_and_one_dies(self):
        first = self.broker()
        (self.directory / "second").mkdir()
        second = Mosquitto(self.directory / "second")
        self.addCleanup(second.stop)
        boards = [
            self.daemon(name, first, sections=f"[broker other]\nurl = {second.url}\n[delivery]\nreceipt_timeout = 2s")
            for name in ("left", "right")
        ]
        self.talks(*boards)
        first.kill()
        self.succeeds(boards[1].tool("send", boards[0].did, "still", "--wait", "delivered", timeout=120))
        self.assertEqual(boards[0].texts(), ["still"])
        self.assertEqual(boards[1].texts(), ["hello"])


if __name__ == "__main__":
    unittest.main()
