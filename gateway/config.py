"""Everything that can be set, read once at the start: a tree of frozen dataclasses.

A key comes from `interchange.toml`, or from the environment as `INTERCHANGE_<TABLE>_<KEY>` (which wins). An unknown
key is an error that names it. A part of the gateway receives its own branch and never the tree. Relative paths are
relative to the file's folder.
"""

import dataclasses
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from registry.model import BadRequest


def _at_least(least: float, default: float, *, most: float = float("inf")) -> Any:
    """A number and its bounds."""
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the doors are, as `host:port`; port 0 takes a free one."""

    http: str = "127.0.0.1:8420"
    grpc: str = "127.0.0.1:8421"


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Whose tokens are accepted. Without an issuer, an embedded development issuer serves loopback only."""

    issuer: str = ""
    audience: str = ""  # default: public_url
    groups_claim: str = "groups"
    scope_claim: str = "scope"

    @property
    def embedded(self) -> bool:
        """Whether the development issuer is in force."""
        return not self.issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRules:
    """`allowed_targets`: globs of `host:port` that a binding may name and `discover` may connect to."""

    allowed_targets: tuple[str, ...] = ("127.0.0.1:*", "localhost:*", "[::1]:*")


@dataclass(frozen=True, slots=True, kw_only=True)
class McpRules:
    """The MCP face. `legacy_sessions` keeps sessions of older revisions in memory: off behind a balancer that is not
    sticky. `page` is the number of tools in one answer of tools/list, `ttl_ms` how long a client may keep it."""

    legacy_sessions: bool = True
    page: int = _at_least(1, 200, most=10_000)
    ttl_ms: int = _at_least(0, 30_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aRules:
    """The A2A face. `default_agent`: whose card is at the root of the host, for clients that know only that; empty:
    nobody's. `grpc_address`: the `host:port` by which clients reach the gRPC door, for cards; empty: where it listens,
    if that is loopback, and otherwise on no card."""

    default_agent: str = ""
    grpc_address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A LangGraph graph that is hosted inside the gateway as the agent its table is named for.

    `graph` is `module:attribute` or `file.py:attribute`, a file beside this one. What the graph may do is what the
    policies let the agent do.
    """

    graph: str = field(metadata={"beside": True})
    domain: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may ask of us. Sizes in bytes, times in seconds."""

    body_bytes: int = _at_least(1024, 4 * 1024 * 1024)
    body_seconds: float = _at_least(0.1, 10.0)
    header_seconds: float = _at_least(0.1, 10.0)
    call_seconds: float = _at_least(1, 300.0)
    result_bytes: int = _at_least(1024, 4 * 1024 * 1024)
    calls_per_principal: int = _at_least(1, 64)
    subscriptions_per_principal: int = _at_least(1, 1000)
    sessions_per_principal: int = _at_least(1, 100)
    calls_per_target: int = _at_least(1, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Browsers. `allowed_hosts` and `allowed_origins` come on top of those of `public_url`."""

    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Where spans go: `otlp_endpoint` is an OTLP/HTTP base URL; empty means nowhere."""

    otlp_endpoint: str = ""
    service_name: str = "interchange"
    sample_ratio: float = _at_least(0, 1.0, most=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """`fail_closed_reads`: refuse reads too while the log cannot be written (writes always are)."""

    fail_closed_reads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRules:
    """Where conversations are kept. `url` is that of a PostgreSQL database (its tables are made by `interchange db
    upgrade`) or of another SQLite file; empty: `log.db` in the state folder. What was said longer ago than
    `retention_days` is blanked; 0 keeps it for ever."""

    url: str = ""
    retention_days: float = _at_least(0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricRules:
    """What wakes other gateways with the same log at once: `nats` is the URL of a NATS server. Without one they look
    by themselves, every second."""

    nats: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRules:
    """Webhooks are told at public addresses and over https only. `allowed_networks`, such as `10.20.0.0/16`, are told
    as well, also over http: for webhooks of your own, inside."""

    allowed_networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """Turns of agents. `in_hand` is how many this gateway has answered at once, the rest waits in the log; `nested` how
    many may be opened within one, however deep; `waiting` how many of one caller may wait for one agent; `grant_hours`
    for how long a turn may be begun or tried again on its starter's authority. Work in the background waits for
    `off_peak`, hours of the day in UTC such as `22-6`; empty: it does not wait."""

    in_hand: int = _at_least(1, 256)
    nested: int = _at_least(1, 100)
    waiting: int = _at_least(1, 1_000)
    grant_hours: float = _at_least(0.01, 24.0, most=24.0)
    off_peak: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole of it. `public_url` is how clients reach the gateway: required unless it listens on loopback."""

    public_url: str = ""
    state: Path = Path("state")
    directory: Path | None = None
    policies: Path | None = None
    environment: str = "development"
    listen: Listen = field(default_factory=Listen)
    auth: Auth = field(default_factory=Auth)
    registry: RegistryRules = field(default_factory=RegistryRules)
    mcp: McpRules = field(default_factory=McpRules)
    a2a: A2aRules = field(default_factory=A2aRules)
    graphs: Mapping[str, Graph] = field(default_factory=dict[str, Graph])
    limits: Limits = field(default_factory=Limits)
    web: Web = field(default_factory=Web)
    telemetry: Telemetry = field(default_factory=Telemetry)
    audit: Audit = field(default_factory=Audit)
    log: LogRules = field(default_factory=LogRules)
    fabric: FabricRules = field(default_factory=FabricRules)
    push: PushRules = field(default_factory=PushRules)
    turns: TurnSettings = field(default_factory=TurnSettings)


def load_config(path: Path | None, environment: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration file (None: defaults) and the environment.

    Raises:
        BadRequest: no such file, not TOML, an unknown key or a value of the wrong type; the message names it.
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text())
        except FileNotFoundError:
            raise BadRequest(f"{path}: there is no such configuration file") from None
        except OSError as error:
            raise BadRequest(f"{path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"{path}: {error}") from None
    _put_environment(table, environment)
    folder = path.parent if path is not None else Path()
    return _load(Config, table, where=str(path or "environment"), folder=folder)


T = TypeVar("T")


def _load(kind: type[T], table: object, *, where: str, folder: Path) -> T:
    """A table as the dataclass it stands for."""
    if not isinstance(table, dict):
        raise BadRequest(f"{where}: expected a table, found {table!r}")
    rows = cast("dict[str, object]", table)
    hints = typing.get_type_hints(kind)
    for key in rows:
        if key not in hints:
            raise BadRequest(f"{where}: unknown key {key!r}; known are {', '.join(sorted(hints))}")
    for needed in dataclasses.fields(cast("Any", kind)):
        if needed.name not in rows and needed.default is needed.default_factory is dataclasses.MISSING:
            raise BadRequest(f"{where}: the key {needed.name!r} is missing")
    values = {key: _value(hints[key], value, where=f"{where}: {key}", folder=folder) for key, value in rows.items()}
    for known in dataclasses.fields(cast("Any", kind)):
        if "beside" in known.metadata:
            values[known.name] = _beside(folder, str(values[known.name]))
        elif known.metadata:
            _check_bounds(known.metadata, values.get(known.name), where=f"{where}: {known.name}")
    return kind(**values)


def _beside(folder: Path, reference: str) -> str:
    """A reference to what is in a module or, relative to the configuration's folder, in a file."""
    return str(folder.resolve() / reference) if ".py:" in reference else reference


def _check_bounds(bounds: Mapping[str, float], value: object, *, where: str) -> None:
    if bounds and isinstance(value, int | float) and not bounds["least"] <= value <= bounds["most"]:
        most = f" and at most {bounds['most']:g}" if bounds["most"] != float("inf") else ""
        raise BadRequest(f"{where}: {value:g} is out of bounds; it is at least {bounds['least']:g}{most}")


def _value(hint: Any, value: object, *, where: str, folder: Path) -> object:
    """One value as its field's type says; strings from the environment are read as the type they stand for."""
    if dataclasses.is_dataclass(hint):
        return _load(cast("type[object]", hint), value, where=where, folder=folder)
    if isinstance(hint, types.UnionType):
        hint = next(choice for choice in typing.get_args(hint) if choice is not type(None))
    if hint is Path and isinstance(value, str):
        return folder / Path(value).expanduser()
    if typing.get_origin(hint) is tuple:
        return _strings(value, where)
    if typing.get_origin(hint) is Mapping:
        return _tables(typing.get_args(hint)[1], value, where=where, folder=folder)
    if isinstance(value, str) and hint is not str:
        value = _from_text(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise BadRequest(f"{where}: expected {hint.__name__}, found {value!r}")
    return value


def _tables(kind: type[T], value: object, *, where: str, folder: Path) -> Mapping[str, T]:
    """Tables by name, all of one kind."""
    if not isinstance(value, dict):
        raise BadRequest(f"{where}: expected tables, found {value!r}")
    rows = cast("dict[str, object]", value)
    return {name: _load(kind, row, where=f"{where}.{name}", folder=folder) for name, row in rows.items()}


def _strings(value: object, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[object]", value)):
        return tuple(cast("list[str]", value))
    raise BadRequest(f"{where}: expected a list of strings, found {value!r}")


def _from_text(hint: type, value: str, where: str) -> object:
    if hint is bool and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    try:
        return hint(value) if hint in {int, float} else value
    except ValueError:
        raise BadRequest(f"{where}: expected {hint.__name__}, found {value!r}") from None


def _environment_names(kind: type[Any], above: tuple[str, ...] = ()) -> list[tuple[str, tuple[str, ...]]]:
    """Every leaf of the tree with the name of its variable."""
    names: list[tuple[str, tuple[str, ...]]] = []
    for key, hint in typing.get_type_hints(kind).items():
        keys = (*above, key)
        if dataclasses.is_dataclass(hint):
            names += _environment_names(cast("type[Any]", hint), keys)
        else:
            names.append(("INTERCHANGE_" + "_".join(keys).upper(), keys))
    return names


def _put_environment(table: dict[str, Any], environment: Mapping[str, str]) -> None:
    """What the environment says, on top. Other variables of ours (a token, an address) are the commands' own."""
    known = dict(_environment_names(Config))
    hints = typing.get_type_hints(Config)
    tables = tuple(f"INTERCHANGE_{key.upper()}_" for key, hint in hints.items() if dataclasses.is_dataclass(hint))
    for name, value in environment.items():
        if name in known:
            _put(table, known[name], value)
        elif name.startswith(tables):
            raise BadRequest(f"environment: unknown variable {name}; known are {', '.join(sorted(known))}")


def _put(table: dict[str, Any], keys: tuple[str, ...], value: str) -> None:
    for key in keys[:-1]:
        table = table.setdefault(key, {})
    table[keys[-1]] = value
