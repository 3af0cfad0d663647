"""TLS to a vetted address: the name stays in SNI, certificate and Host while the address is ours to choose.

The sender runs in a process of its own, because OpenSSL reads which authorities to trust when it starts.
"""

from __future__ import annotations

import datetime
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "hooks.test"

_SENDER = """
import asyncio, json, socket, sys
from interlock.engine.settings import Settings
from interlock.workers.http_client import HttpClient

connected = []
sys.addaudithook(lambda event, args: connected.append(args[1]) if event == "socket.connect" else None)

def lookup(host, port, family):  # every name is this machine
    return socket.getaddrinfo("127.0.0.1", port, 0, socket.SOCK_STREAM)

async def main(url):
    settings = Settings(webhook_allow_cidrs="127.0.0.0/8", webhook_timeout_seconds=10)
    async with HttpClient(settings, lookup=lookup) as http:
        made = await http.post(url, {"webhook-id": "msg_1"}, b"{}")
    print(json.dumps({"status": made.status, "error": made.error, "connected": connected}))

asyncio.run(main(sys.argv[1]))
"""


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, directory: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Authority")])
        certificate = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(True, 0))
        self.file = directory / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, file: Path, *names: x509.GeneralName) -> Path:
        """A key and a certificate for ``names``, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
        certificate = self._sign(subject, key.public_key(), x509.SubjectAlternativeName(names))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        return file

    def _sign(self, subject: x509.Name, key: Any, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )


@dataclass
class TlsReceiver:
    """An HTTPS server. ``names``: what clients asked for in the handshake; ``hosts``: their Host headers."""

    port: int = 0
    names: list[str | None] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)


def serve(certificate: Path) -> Iterator[TlsReceiver]:
    seen = TlsReceiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.hosts.append(self.headers["host"])
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Silent."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_args: Any) -> None:
            """A client that does not like the certificate hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: seen.names.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    seen.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def receiver(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsReceiver]:
    file = tmp_path_factory.mktemp("receiver") / "receiver.pem"
    yield from serve(authority.issue(file, x509.DNSName(NAME)))


def send(url: str, trusted: Path | None) -> dict[str, Any]:
    """What became of one attempt by a process that trusts an authority, or only those of the machine."""
    environment = dict(os.environ)
    if trusted is not None:
        environment["SSL_CERT_FILE"] = str(trusted)
    done = subprocess.run(
        [sys.executable, "-c", _SENDER, url], env=environment, capture_output=True, timeout=60, check=True
    )
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def test_the_name_stands_in_sni_and_host_and_the_vetted_address_is_connected_to(
    authority: Authority, receiver: TlsReceiver
) -> None:
    made = send(f"https://{NAME}:{receiver.port}/hook", authority.file)
    assert (made["status"], made["error"]) == (204, None)
    assert made["connected"] == [["127.0.0.1", receiver.port]]
    assert receiver.names[-1] == NAME
    assert receiver.hosts[-1] == f"{NAME}:{receiver.port}"


@pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused_before_anything_is_sent(
    host: str, authority: Authority, receiver: TlsReceiver
) -> None:
    before = len(receiver.hosts)
    made = send(f"https://{host}:{receiver.port}/hook", authority.file)
    assert made["status"] is None
    assert "certificate is not valid" in made["error"]
    assert len(receiver.hosts) == before


def test_an_authority_that_the_machine_does_not_trust_is_refused(receiver: TlsReceiver) -> None:
    made = send(f"https://{NAME}:{receiver.port}/hook", None)
    assert made["status"] is None
    assert "certificate is not valid" in made["error"]
