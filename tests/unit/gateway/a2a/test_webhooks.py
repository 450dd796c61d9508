"""Configurations of push notifications in A2A's words and in ours."""

from typing import Any, cast

import pytest
from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import InvalidParamsError
from google.protobuf.json_format import MessageToDict, ParseDict

from adapters.push.channels import Webhook
from gateway.a2a.webhooks import read_webhook, write_webhook
from registry.model import TurnId

CONFIG = {
    "id": "hook-1",
    "taskId": "turn-1",
    "url": "https://hooks.example/a",
    "token": "t",
    "authentication": {"scheme": "Bearer", "credentials": "c"},
}


def test_a_configuration_comes_back_as_it_went_in() -> None:
    read = read_webhook(ParseDict(CONFIG, wire.TaskPushNotificationConfig()), "other")

    webhook = Webhook(turn=TurnId("turn-1"), **cast("dict[str, Any]", read))
    assert MessageToDict(write_webhook(webhook)) == CONFIG


def test_one_without_an_id_is_given_one() -> None:
    config = wire.TaskPushNotificationConfig(url="https://hooks.example/a")

    assert read_webhook(config, "turn-1") == {
        "id": "turn-1", "url": "https://hooks.example/a", "token": "", "scheme": "", "credentials": ""
    }  # fmt: skip


def test_one_without_a_url_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        read_webhook(wire.TaskPushNotificationConfig(), "turn-1")

    assert [fault["field"] for fault in cast("dict[str, Any]", caught.value.data)["errors"]] == ["url"]
