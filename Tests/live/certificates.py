"""An authority of one's own, by openssl."""

import pathlib
import subprocess


class Authority:
    def __init__(self, directory: pathlib.Path, name: str = "ca"):
        self.directory = directory
        self.certificate, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate,
        )

    def signs(self, name: str, alternative: str) -> tuple[pathlib.Path, pathlib.Path]:
        """A certificate with this common name, and its key."""
        certificate, key, request = (self.directory / f"{name}.{end}" for end in ("crt", "key", "csr"))
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={alternative}", "-keyout", key, "-out", request,
        )
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
            "-days", "30", "-copy_extensions", "copy", "-out", certificate,
        )
        return certificate, key

    def _openssl(self, *arguments) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
