"""Webhook secrets at rest."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
import redis

from interlock.engine.keys import Keys
from interlock.engine.secrets import SecretKey, SecretKeyInvalid, SecretKeyWrong, claim_key, load_key
from interlock.engine.settings import Settings

PLAIN = b"canary-secret-bytes-0123456789ab"


def new_key() -> SecretKey:
    return SecretKey.from_bytes(os.urandom(32))


def test_what_is_encrypted_comes_back_and_does_not_stand_in_the_ciphertext() -> None:
    key = new_key()
    cipher = key.encrypt(PLAIN, "wh_1")
    assert key.decrypt(cipher, "wh_1") == PLAIN
    assert b"canary" not in base64.urlsafe_b64decode(cipher.rpartition(".")[2])
    assert cipher != key.encrypt(PLAIN, "wh_1"), "a nonce must never be used twice"


def test_a_ciphertext_moved_to_another_webhook_is_refused() -> None:
    key = new_key()
    with pytest.raises(SecretKeyWrong, match="wh_2"):
        key.decrypt(key.encrypt(PLAIN, "wh_1"), "wh_2")


def test_another_key_is_refused_by_name() -> None:
    with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
        new_key().decrypt(new_key().encrypt(PLAIN, "wh_1"), "wh_1")


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = Settings(secret_key_file=tmp_path / "state" / "secret.key")
    first = load_key(settings)
    assert load_key(settings).id == first.id
    assert stat.S_IMODE(settings.secret_key_file.stat().st_mode) == 0o600
    assert list(settings.secret_key_file.parent.iterdir()) == [settings.secret_key_file], "a draft was left"


def test_the_default_file_is_below_the_state_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Settings().secret_key_file == tmp_path / "interlock" / "secret.key"


def test_the_setting_goes_before_the_file(tmp_path: Path) -> None:
    text = base64.urlsafe_b64encode(bytes(32)).decode()
    settings = Settings(secret_key=text, secret_key_file=tmp_path / "secret.key")
    assert load_key(settings).id == SecretKey.from_bytes(bytes(32)).id
    assert not settings.secret_key_file.exists()


@pytest.mark.parametrize("text", ["short", "*" * 44, base64.urlsafe_b64encode(bytes(31)).decode()])
def test_a_bad_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SecretKeyInvalid, match="INTERLOCK_SECRET_KEY") as caught:
        load_key(Settings(secret_key=text))
    assert text not in str(caught.value)


def test_a_file_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretKeyInvalid, match="INTERLOCK_SECRET_KEY_FILE"):
        load_key(Settings(secret_key_file=tmp_path / "file" / "secret.key"))


def test_the_first_key_is_the_deployments_and_another_one_is_refused(fake_client: redis.Redis) -> None:
    key = new_key()
    claim_key(fake_client, Keys(), key)
    claim_key(fake_client, Keys(), key)
    with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
        claim_key(fake_client, Keys(), new_key())


def test_no_repr_shows_a_key() -> None:
    settings = Settings(secret_key="canary-key")
    assert "canary" not in repr(settings)
    assert "AESGCM" not in repr(new_key())
