"""Configuration: read once, every mistake named."""

from pathlib import Path

import pytest

from gateway.config import Config, load_config
from registry.model import BadRequest


def written(folder: Path, text: str) -> Path:
    path = folder / "interchange.toml"
    path.write_text(text)
    return path


def test_nothing_configured_gives_the_defaults() -> None:
    assert load_config(None, {}) == Config()


def test_a_file_sets_tables_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, 'policies = "rules"\n[listen]\nhttp = "127.0.0.1:1"\n'), {})
    assert config.policies == tmp_path / "rules"
    assert config.listen.http == "127.0.0.1:1"
    assert config.listen.grpc == Config().listen.grpc


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[limits]\ncalls_per_principal = 3\n")
    variables = {"INTERCHANGE_LIMITS_CALLS_PER_PRINCIPAL": "5", "INTERCHANGE_MCP_LEGACY_SESSIONS": "false"}
    config = load_config(path, variables)
    assert config.limits.calls_per_principal == 5
    assert config.mcp.legacy_sessions is False


def test_where_conversations_are_kept_may_come_from_the_environment_alone() -> None:
    url = "postgresql://interchange:secret@db.internal/interchange"
    config = load_config(None, {"INTERCHANGE_LOG_URL": url, "INTERCHANGE_LOG_RETENTION_DAYS": "30"})
    assert (config.log.url, config.log.retention_days, config.fabric.nats) == (url, 30.0, "")


def test_no_network_but_the_public_one_is_told_unless_that_is_configured(tmp_path: Path) -> None:
    assert load_config(None, {}).push.allowed_networks == ()
    config = load_config(written(tmp_path, '[push]\nallowed_networks = ["10.20.0.0/16"]\n'), {})
    assert config.push.allowed_networks == ("10.20.0.0/16",)


def test_lists_come_from_the_environment_with_commas() -> None:
    config = load_config(None, {"INTERCHANGE_REGISTRY_ALLOWED_TARGETS": "a:1, b:2"})
    assert config.registry.allowed_targets == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colour = 1", "unknown key 'colour'"),
        ("[limits]\nbody_bites = 1", "limits: unknown key 'body_bites'"),
        ("[limits]\nbody_bytes = 'many'", "body_bytes: expected int, found 'many'"),
        ("[limits]\nbody_bytes = true", "body_bytes: expected int, found True"),
        ("limits = 3", "limits: expected a table"),
        ("[registry]\nallowed_targets = [1]", "allowed_targets: expected a list of strings"),
        ("not toml", "interchange.toml"),
        ("[mcp]\npage = 0", "page: 0 is out of bounds; it is at least 1"),
        ("[telemetry]\nsample_ratio = 7", "sample_ratio: 7 is out of bounds; it is at least 0 and at most 1"),
        ("[limits]\ncalls_per_principal = -1", "calls_per_principal: -1 is out of bounds"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        load_config(written(tmp_path, text), {})
    assert complaint in caught.value.message


def test_a_variable_that_is_nearly_ours_is_named() -> None:
    with pytest.raises(BadRequest, match="unknown variable INTERCHANGE_LISTEN_HTPP"):
        load_config(None, {"INTERCHANGE_LISTEN_HTPP": "127.0.0.1:1"})


def test_variables_of_the_commands_are_not_configuration() -> None:
    assert load_config(None, {"INTERCHANGE_TOKEN": "t", "INTERCHANGE_GATEWAY": "127.0.0.1:1"}) == Config()


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="directory"):
        load_config(tmp_path, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"nowhere\.toml: there is no such"):
        load_config(tmp_path / "nowhere.toml", {})
