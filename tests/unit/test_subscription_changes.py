"""A webhook that is changed: what becomes different, what stays, what is on record, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import redis

from interlock.engine import redelivery, subscription_changes, subscriptions, webhook_health
from interlock.engine.addresses import UrlRefused
from interlock.engine.breaker import Health
from interlock.engine.keys import Keys
from interlock.engine.secrets import load_key
from interlock.engine.settings import Settings
from interlock.engine.subscription import MAX_CHANGES, Subscription
from interlock.engine.subscription_changes import Update
from interlock.engine.subscriptions import SubscriptionInvalid, SubscriptionNotFound

URL = "https://example.com/hook"
OTHER = "https://example.org/hook"
KEYS = Keys(partitions=2)


class Hooks:
    """The webhooks of a deployment of the test's own."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self.client, self.settings = client, settings

    def add(self, **options: object) -> Subscription:
        return subscriptions.add(self.client, KEYS, self.settings, URL, **options)[0]  # type: ignore[arg-type]

    def update(self, one: Subscription, seen: Subscription | None = None, **wish: object) -> Subscription:
        wanted = Update(**wish)  # type: ignore[arg-type]
        return subscription_changes.update(self.client, KEYS, self.settings, one.id, wanted, seen=seen)

    def stored(self, one: Subscription) -> Subscription:
        return subscriptions.get(self.client, KEYS, one.id)


@pytest.fixture
def hooks(fake_client: redis.Redis, tmp_path: Path) -> Hooks:
    return Hooks(fake_client, Settings(secret_key_file=tmp_path / "secret.key"))


def test_everything_but_id_and_secret_can_be_changed_and_is_on_record(hooks: Hooks) -> None:
    made = hooks.add(events=["ticket.*"], headers=["X-Team: desk"])
    changed = hooks.update(
        made,
        url=OTHER,
        description="moved",
        events=["thread.*"],
        machines=["thread"],
        states=["open"],
        where="key == 'T'",
        headers=["Authorization: Bearer canary-1"],
        rate="10/second",
        ordered=True,
        profile="sunshine",
    )
    assert changed == hooks.stored(made)
    assert (changed.url, changed.description, changed.profile) == (OTHER, "moved", "sunshine")
    assert (changed.events, changed.machines, changed.states) == (("thread.*",), ("thread",), ("open",))
    assert (changed.where, changed.rate, changed.ordered) == ("key == 'T'", "10/second", True)
    assert changed.extra_headers(load_key(hooks.settings)) == {
        "X-Team": "desk",
        "Authorization": "Bearer canary-1",
    }
    assert (changed.id, changed.secrets, changed.created_at, changed.enabled_at) == (
        made.id,
        made.secrets,
        made.created_at,
        made.enabled_at,
    )
    shown = changed.shown()
    assert shown["updated_at"] == shown["changes"][0]["at"] >= made.created_at
    assert "url" in shown["changes"][0]["fields"] and "headers" in shown["changes"][0]["fields"]
    assert "canary-1" not in str(shown)
    assert made.shown()["updated_at"] is None


def test_what_is_not_named_stays(hooks: Hooks) -> None:
    made = hooks.add(events=["ticket.*"], where="key == 'T'", rate="1/second", headers=["X-Team: desk"])
    changed = hooks.update(made, description="the desk")
    assert replace(changed, description="", changes=()) == made
    assert changed.changes[0].fields == ("description",)


def test_an_empty_text_takes_away(hooks: Hooks) -> None:
    made = hooks.add(
        events=["ticket.*"],
        machines=["ticket"],
        states=["open"],
        where="key == 'T'",
        rate="1/second",
        headers=["X-Team: desk", "X-Other: one"],
    )
    one_less = hooks.update(made, headers=["x-team:"])
    assert [each.name for each in one_less.headers] == ["X-Other"]
    bare = hooks.update(made, events=[""], machines=[""], states=[""], where="", rate="", headers=[""])
    assert (bare.events, bare.machines, bare.states) == (("*",), (), ())
    assert (bare.where, bare.rate, bare.headers) == (None, None, ())


def test_a_header_is_set_by_its_name_whatever_its_letters(hooks: Hooks) -> None:
    made = hooks.add(headers=["X-Team: desk"])
    changed = hooks.update(made, headers=["x-team: other"])
    assert changed.extra_headers(load_key(hooks.settings)) == {"x-team": "other"}


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"url": "http://127.0.0.1/"}, UrlRefused),
        ({"url": "https://169.254.169.254/latest"}, UrlRefused),
        ({"url": ""}, UrlRefused),
        ({"events": ["ticket.*.x"]}, SubscriptionInvalid),
        ({"where": "context.x ="}, SubscriptionInvalid),
        ({"headers": ["Host: x"]}, SubscriptionInvalid),
        ({"headers": [f"X-{number}: x" for number in range(20)]}, SubscriptionInvalid),
        ({"rate": "fast"}, SubscriptionInvalid),
        ({"profile": "svix"}, SubscriptionInvalid),
        ({"description": "x" * 501}, SubscriptionInvalid),
        ({"description": "\udcff"}, SubscriptionInvalid),
        ({"description": "two\nlines"}, SubscriptionInvalid),
    ],
)
def test_what_cannot_be_changes_nothing(
    wish: dict[str, object], error: type[Exception], hooks: Hooks
) -> None:
    made = hooks.add(headers=["X-Team: desk"])
    with pytest.raises(error):
        hooks.update(made, **({"description": "new"} | wish))
    assert hooks.stored(made) == made


def test_a_key_pair_goes_with_the_standard_profile_only(hooks: Hooks) -> None:
    made = hooks.add(signature="ed25519")
    with pytest.raises(SubscriptionInvalid, match="ed25519"):
        hooks.update(made, profile="sunshine")


def test_a_receivers_own_text_signs_in_no_standard_profile_until_it_is_rotated(hooks: Hooks) -> None:
    made = hooks.add(profile="sunshine", secret="since-2019!")
    with pytest.raises(SubscriptionInvalid, match="rotate"):
        hooks.update(made, profile="standard")
    assert hooks.update(made, profile="plain").profile == "plain"
    subscription_changes.rotate(hooks.client, KEYS, hooks.settings, made.id, 0)
    assert hooks.update(made, profile="standard").profile == "standard"


def test_an_endpoint_that_answered_for_another_secret_is_not_taken(hooks: Hooks) -> None:
    made = hooks.add(profile="engage")
    subscription_changes.rotate(hooks.client, KEYS, hooks.settings, made.id, 60, secret="receivers-own")
    with pytest.raises(SubscriptionInvalid, match="somebody else"):
        hooks.update(made, seen=made, url=OTHER)
    with pytest.raises(SubscriptionInvalid, match="somebody else"):
        subscription_changes.rotate(hooks.client, KEYS, hooks.settings, made.id, 60, seen=made)
    assert hooks.stored(made).url == URL


def test_another_url_begins_with_a_closed_breaker(hooks: Hooks) -> None:
    made = hooks.add()

    def failed(_: Health) -> Health:
        return Health(failures=9, since_ms=1)

    webhook_health.change(hooks.client, KEYS, made.id, failed)
    hooks.update(made, description="still failing")
    assert hooks.client.exists(KEYS.webhook_health(made.id))
    hooks.update(made, url=OTHER)
    assert not hooks.client.exists(KEYS.webhook_health(made.id))


def test_only_the_last_changes_are_remembered(hooks: Hooks) -> None:
    made = hooks.add()
    for number in range(MAX_CHANGES + 3):
        last = hooks.update(made, description=str(number))
    assert len(last.changes) == MAX_CHANGES
    assert last.updated_at == last.changes[-1].at


def test_a_webhook_from_before_there_were_changes_is_read(hooks: Hooks) -> None:
    made = hooks.add()
    raw = made.to_bytes().replace(b',"changes":[]', b"")
    assert b"changes" not in raw
    assert Subscription.from_bytes(raw, made.id) == made


@pytest.mark.parametrize("webhook_id", ["wh_none", "", "\udcff"])
def test_one_that_is_not_there_is_named(webhook_id: str, hooks: Hooks) -> None:
    made = hooks.add()
    with pytest.raises(SubscriptionNotFound):
        hooks.update(replace(made, id=webhook_id), description="x")
    with pytest.raises(SubscriptionNotFound):
        subscriptions.get(hooks.client, KEYS, webhook_id)
    with pytest.raises(SubscriptionNotFound):
        subscriptions.remove(hooks.client, KEYS, webhook_id)
    with pytest.raises(redelivery.DeliveryNotFound):
        redelivery.resend_one(hooks.client, KEYS, made, webhook_id)
