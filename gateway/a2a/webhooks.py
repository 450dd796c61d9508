"""Webhooks between A2A's words and ours: the configurations of push notifications. Pure."""

from a2a.types import a2a_pb2 as wire

from adapters.push.channels import Webhook
from gateway.a2a.asking import invalid
from registry.model import JsonObject


def read_webhook(config: wire.TaskPushNotificationConfig, id_: str, *, where: str = "") -> JsonObject:
    """Where somebody wants to be told of a task; `id_` is for one that was given none. Whether it may be told is seen
    later.

    Raises:
        A2AError: it says no URL.
    """
    if not config.url:
        raise invalid({f"{where}.url".removeprefix("."): "is missing"})
    return {
        "id": config.id or id_,
        "url": config.url,
        "token": config.token,
        "scheme": config.authentication.scheme,
        "credentials": config.authentication.credentials,
    }


def write_webhook(webhook: Webhook) -> wire.TaskPushNotificationConfig:
    """A webhook of a task, as its owner may see it."""
    config = wire.TaskPushNotificationConfig(id=webhook.id, task_id=webhook.turn, url=webhook.url, token=webhook.token)
    if webhook.scheme:
        config.authentication.scheme = webhook.scheme
        config.authentication.credentials = webhook.credentials
    return config
