# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests of TLS, made by the openssl program: an authority, and what it signs."""

import pathlib
import shutil
import subprocess

import pytest


def openssl(*arguments):
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not there: tools/setup.py test installs it")
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A certificate authority in `folder`; `file` is its own certificate."""

    def __init__(self, folder, name="authority"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file, self.key = folder, folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj",
                f"/CN={name}", "-keyout", self.key, "-out", self.file)

    def sign(self, name, host=None):
        """Makes NAME.pem and NAME.key, for a server where `host` names it; returns the two paths."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extension = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        kind = "IP" if (host or "").replace(".", "").isdigit() else "DNS"
        extension.write_text(f"subjectAltName={kind}:{host}\n" if host else "extendedKeyUsage=clientAuth\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key,
                "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-days", 2, "-extfile", extension,
                "-out", certificate)
        return certificate, key


def read(path):
    return pathlib.Path(path).read_bytes()
