"""The words of a decision: a verdict, and all that goes with it whatever the verdict is.

Two rules live here. What a caller may not know of is answered exactly like what does not exist. And what is denied says
which policies denied it, in their own sentence if they have one, and how that is cured if it can be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from policies.decision import Decision, Verdict
from policies.evaluate import Finding
from policies.project import shown
from registry.catalog import AgentEntry, SkillEntry
from registry.model import (
    Action,
    Call,
    Fault,
    InvalidArguments,
    JsonObject,
    JsonValue,
    PrincipalKind,
    Target,
    TargetKind,
)
from registry.subjects import said_of

_READING = frozenset({Action.LIST, Action.READ_CONVERSATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a decision will say whatever the verdict: so far nothing of the target, unless the caller may know of it."""

    call: Call
    policy_version: str
    catalog_version: int
    entry: SkillEntry | AgentEntry | None = None
    declared: JsonObject = field(default_factory=dict[str, JsonValue])

    def of(self, entry: SkillEntry | AgentEntry | None) -> "Opinion":
        """The caller may know of the target: what is live of it may be named."""
        return replace(self, entry=entry) if entry else self

    def having_seen(self, declared: JsonObject) -> "Opinion":
        return replace(self, declared=declared) if declared else self

    def of_operation(self, conversation: str) -> "Opinion":
        """It is an operation on the message log, or on this conversation of it, by whatever name it was asked for."""
        seen = replace(self, declared={"operation": str(self.call.content.get("operation", ""))})
        if not conversation:
            return seen
        return replace(seen, call=replace(self.call, target=Target(TargetKind.CONVERSATION, conversation)))

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.entry.skill.scopes if isinstance(self.entry, SkillEntry) else ()

    def unknown(self, *, errors: tuple[str, ...] = (), policies: tuple[str, ...] = ()) -> Decision:
        """The one answer for what does not exist and for what the caller may not know of. Nothing is going to be done,
        so nothing about it differs: no pin, no scopes, no waiting for the disk."""
        return Decision(
            verdict=Verdict.UNKNOWN,
            sentence=f"There is no {self.call.target.kind} named {shown(self.call.target.name)}.",
            errors=errors,
            policies=policies,
            writes=False,
            policy_version=self.policy_version,
            catalog_version=self.catalog_version,
        )

    def allows(self, policies: tuple[str, ...], *, obligations: tuple[str, ...] = ()) -> Decision:
        return self._says(Verdict.ALLOW, policies=policies, obligations=obligations)

    def denies(self, sentence: str, *, errors: tuple[str, ...] = ()) -> Decision:
        return self._says(Verdict.DENY, sentence=sentence, errors=errors)

    def disables(self, errors: tuple[str, ...]) -> Decision:
        """What everybody knows that there is, is closed to somebody who is disabled, and to whoever acts for them."""
        return replace(self, declared={}).denies("Somebody for whom this is asked may not act any more.", errors=errors)

    def needs_scopes(self) -> Decision:
        return self._says(Verdict.NEEDS_SCOPE, sentence=f"The token needs the scopes {', '.join(self.scopes)}.")

    def finds_faults(self, faults: tuple[Fault, ...]) -> Decision:
        return self._says(Verdict.INVALID, sentence=InvalidArguments(faults).message, faults=faults)

    def _says(
        self,
        verdict: Verdict,
        *,
        sentence: str = "",
        policies: tuple[str, ...] = (),
        errors: tuple[str, ...] = (),
        remedies: tuple[str, ...] = (),
        obligations: tuple[str, ...] = (),
        faults: tuple[Fault, ...] = (),
    ) -> Decision:
        entry = self.entry
        reads = self.call.action in _READING or (isinstance(entry, SkillEntry) and entry.skill.hints.read_only)
        return Decision(
            verdict=verdict,
            sentence=sentence,
            policies=policies,
            errors=errors,
            remedies=remedies,
            obligations=obligations,
            faults=faults,
            scopes=self.scopes,
            writes=not reads,
            target=self._target(),
            pin=entry.pin if entry else "",
            revision=entry.revision if entry else 0,
            declared=self.declared,
            policy_version=self.policy_version,
            catalog_version=self.catalog_version,
        )

    def _target(self) -> str:
        """What is called by one of its names, by the one that it has in the registry."""
        if isinstance(self.entry, SkillEntry):
            return str(replace(self.call.target, name=self.entry.skill.id))
        return str(self.call.target)

    def denied_by(self, findings: Sequence[Finding]) -> Decision:
        """Deny for the reasons of every link that may not. Remedies are named only if they cure all of them."""
        against = [finding for finding in findings if finding.errors or not finding.allowed]
        curable = all(finding.curable for finding in against)
        remedies = {rule.remedy for finding in against for rule in finding.rules} if curable else set[str]()
        return self._says(
            Verdict.DENY,
            sentence=_why(self.call, against),
            policies=ids(against),
            errors=errors_of(against),
            remedies=tuple(sorted(remedies)),
        )


def _why(call: Call, against: Sequence[Finding]) -> str:
    if errors_of(against):
        return "The policies could not be evaluated, so this is denied. The audit log says why."
    rules = {rule.id: rule for finding in against for rule in finding.rules}
    if not rules:
        who = ", ".join(dict.fromkeys(finding.who for finding in against))
        unfit = _not_itself(call)
        return f"No policy permits {shown(who, quote='')} to {call.action} {shown(call.target.name)}.{unfit}"
    sentences = dict.fromkeys(rule.says for rule in rules.values() if rule.says)
    return " ".join([*sentences, f"(Denied by {', '.join(sorted(rules))}.)"])


def _not_itself(call: Call) -> str:
    """What an agent that publishes got wrong about itself: its own name and domain against its own manifest, and
    nothing of what is registered."""
    about = said_of(str(call.content.get("operation", "")), call.content) if call.action is Action.PUBLISH else None
    caller = call.chain.caller
    if about is None or call.chain.depth > 1 or caller.kind is not PrincipalKind.AGENT:
        return ""
    if about.agent != caller.name:
        return f" This credential is agent {shown(caller.name, quote='')}'s, and the manifest is about {about.agent}."
    if about.domain == caller.domain:
        return ""
    where = f"in the domain {shown(caller.domain, quote='')}" if caller.domain else "in no domain"
    return f" The directory has {about.agent} {where}, and the manifest says {shown(about.domain, quote='')}."


def ids(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(sorted({rule.id for finding in findings for rule in finding.rules}))


def errors_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple([error for finding in findings for error in finding.errors])
