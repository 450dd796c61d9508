"""A decision: what the judge says of one call, as data. The gateway acts on it; the audit log keeps it."""

from dataclasses import dataclass, field
from enum import StrEnum

from registry.model import Fault, JsonObject, JsonValue


class Verdict(StrEnum):
    """In the order they are found: whoever may not list a target learns nothing else of it."""

    UNKNOWN = "unknown"  # no such target, or not listed for this chain: the two look the same
    INVALID = "invalid"  # listed, but the arguments do not fit
    NEEDS_SCOPE = "needs_scope"  # listed and fitting, but the caller's token lacks scopes
    DENY = "deny"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The judge's answer to one call.

    `policies` are the ids of the determining policies, `errors` what went wrong while deciding (any error is a deny).
    `remedies` are set on a DENY that every determining forbid says how to cure (`approval`, `step_up`, `consent`), and
    empty otherwise. `obligations` must be fulfilled after an ALLOW (`redact:field`, `limit:…`). `scopes` are all that
    the call needs. `sentence` may be shown to the caller. `writes` says that the call may change something, so that
    the audit entry must be durable first. `target` is the target by the name that it has in the registry, empty where
    the caller may not know of it. `pin`, `revision` and `declared` (policy-visible arguments) say what exactly
    was judged. `policy_version` and `catalog_version` say by which state.
    """

    verdict: Verdict
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    sentence: str = ""
    writes: bool = True
    target: str = ""
    pin: str = ""
    revision: int = 0
    declared: JsonObject = field(default_factory=dict[str, JsonValue])
    policy_version: str = ""
    catalog_version: int = 0

    @property
    def allowed(self) -> bool:
        return self.verdict is Verdict.ALLOW
