"""How a request names a webhook, and what of it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Path
from pydantic import BeforeValidator, Field

from interlock.engine import subscriptions
from interlock.engine.addresses import UrlRefused
from interlock.engine.shared_secrets import SharedSecretInvalid
from interlock.engine.signing import SecretInvalid
from interlock.engine.subscription import Subscription, SubscriptionUnreadable
from interlock.gateway.answers import decoded
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.problems import Problem

WebhookId = Annotated[str, Path(max_length=128), BeforeValidator(decoded)]
Texts = Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=100)]


def webhook_of(deployment: ServedDeployment, webhook_id: str) -> Subscription:
    """The webhook of this id. Raises Problem."""
    with refusals_told():
        return subscriptions.get(deployment.store.client, deployment.store.keys, webhook_id)


@contextmanager
def refusals_told() -> Iterator[None]:
    """What the engine refuses, as problems."""
    try:
        yield
    except subscriptions.SubscriptionNotFound as error:
        raise Problem(404, "not_found", f"There is no webhook {error.webhook_id!r}.") from None
    except UrlRefused as error:
        raise Problem(422, "url_refused", f"{error}.") from None
    except (subscriptions.SubscriptionInvalid, SecretInvalid, SharedSecretInvalid) as error:
        raise Problem(422, "invalid_webhook", f"{error}.") from None
    except (SubscriptionUnreadable, subscriptions.WebhooksUnreadable) as error:
        raise Problem(500, "foreign_data", f"{error}.") from None
