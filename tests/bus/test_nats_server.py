"""The broker's configuration and start."""

import asyncio
import datetime
import ipaddress
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kilonova.bus import nats_server
from kilonova.bus.bus import NatsBus
from kilonova.bus.credentials import Authority
from kilonova.bus.nats_server import Listen, Tls
from kilonova.errors import Unavailable


def certificate(folder: Path) -> Tls:
    """One for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return Tls(certificate=folder / "cert.pem", key=folder / "key.pem", authority=folder / "cert.pem")


@pytest.mark.wire
@pytest.mark.parametrize("sync_always", [False, True])
async def test_starts_with_tls_and_a_client_that_does_not_trust_it_stays_out(tmp_path: Path, sync_always: bool) -> None:
    authority = Authority.open(tmp_path / "authority.json")
    listen = Listen(tls=certificate(tmp_path), sync_always=sync_always)
    config = nats_server.write_config(tmp_path / "broker", authority, listen)
    url = f"tls://127.0.0.1:{nats_server.chosen_port(tmp_path / 'broker', listen)}"
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(nats_server.command(config), stdout=log, stderr=log)
    bus, distrustful = NatsBus(), NatsBus()
    try:
        await nats_server.wait_ready(url, authority.mint_control(), 20, trusting)
        await bus.connect(url, authority.mint_control(), "control", tls=trusting)
        await bus.ensure_streams()
        with pytest.raises(Unavailable):
            await distrustful.connect(url, authority.mint_control(), "control", timeout_s=1)
    finally:
        await bus.close()
        process.kill()
        await asyncio.to_thread(process.wait, 10)


async def test_a_broker_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    port = nats_server.chosen_port(tmp_path, Listen())
    creds = Authority.open(tmp_path / "authority.json").mint_control()
    with pytest.raises(Unavailable):
        await nats_server.wait_ready(f"nats://127.0.0.1:{port}", creds, 0.2)


def test_the_port_is_remembered_and_the_file_is_private(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "authority.json")
    first = nats_server.write_config(tmp_path / "broker", authority, Listen()).read_text()
    second = nats_server.write_config(tmp_path / "broker", authority, Listen())
    port = nats_server.chosen_port(tmp_path / "broker", Listen())
    assert f'listen: "127.0.0.1:{port}"' in first and f'listen: "127.0.0.1:{port}"' in second.read_text()
    assert nats_server.chosen_port(tmp_path / "broker", Listen(port=4222)) == 4222
    assert stat.S_IMODE(second.stat().st_mode) == 0o600


def test_the_packaged_broker_is_there_and_another_can_be_named(tmp_path: Path) -> None:
    said = subprocess.run([nats_server.packaged_binary(), "--version"], capture_output=True, text=True, timeout=20)
    assert said.stdout.startswith("nats-server: v2.")
    assert nats_server.command(tmp_path / "nats.conf", Path("/opt/nats-server"))[0] == "/opt/nats-server"
