"""New policies come into force on SIGHUP, all or nothing, and without a restart."""

import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.odd_service import odd_manifest, odd_service
from tests.support.served import POLICIES, Served, published, served_gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Served]:
    with odd_service(tmp_path) as odd, served_gateway(tmp_path) as served:
        published(served, odd_manifest(tmp_path), odd.target)
        yield served


def status(gateway: Served) -> int:
    return gateway.call("odd_echo", {"text": "hi"}, token=gateway.token("tester")).status_code


def reload(gateway: Served, folder: Path, policies: str, *, until: str) -> None:
    """Write policies, send the signal, and wait until the log says what came of it."""
    (folder / "policies" / "tests.cedar").write_text(policies)
    gateway.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while until not in gateway.log():
        assert time.monotonic() < deadline, gateway.log()
        time.sleep(0.05)


def test_what_a_new_policy_takes_away_is_gone_at_once(gateway: Served, tmp_path: Path) -> None:
    assert status(gateway) == 200
    reload(gateway, tmp_path, '@id("nobody") forbid(principal, action, resource is Skill);', until="were reloaded")
    assert status(gateway) == 400


def test_a_mistake_leaves_the_old_policies_in_force_and_is_named(gateway: Served, tmp_path: Path) -> None:
    mistaken = POLICIES + '\n@id("typo") forbid(principal, action == Action::"invok", resource);\n'
    reload(gateway, tmp_path, mistaken, until="tests.cedar:")
    assert "were not reloaded" in gateway.log()
    assert status(gateway) == 200
