# SPDX-License-Identifier: Apache-2.0
"""A certificate authority made for one test run, by openssl(1), and hashed passwords."""

import subprocess
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt


def bcrypt(password, cost=4):
    """$2b$ hash of libxcrypt; the lowest cost is the fastest."""
    return crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << cost))


def openssl(*words, stdin=None):
    done = subprocess.run(["openssl", *map(str, words)], input=stdin, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, f"openssl {words}: {done.stderr}"


class Authority:
    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.certificate = directory / f"{name}.pem"
        self._key = directory / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self._key, "-out", self.certificate, "-days", "30", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, usage, sans="DNS:localhost,IP:127.0.0.1", days=10):
        """(certificate, key), files in PEM; usage: serverAuth or clientAuth; days below zero:
        expired."""
        base = self.directory / f"{self.name}-{name}"
        certificate, key, request = (base.with_suffix(s) for s in (".pem", ".key", ".csr"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = f"subjectAltName={sans}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key,
                "-days", days, "-out", certificate, "-extfile", "/dev/stdin", stdin=extensions)
        return certificate, key
