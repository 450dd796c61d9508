"""The card: that it is served, whole and true, and that it can be cached."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import TypeGuard
from urllib.parse import SplitResult, urlsplit

from conformance.a2a.judging import verdict_of
from conformance.a2a.protocol import CLOSED, VERSION, VERSION_NOT_SUPPORTED, WELL_KNOWN, Binding
from conformance.a2a.shapes import (
    Found,
    Object,
    is_filled,
    is_object,
    items,
    member,
    missing_items,
    missing_texts,
    objects,
)
from conformance.a2a.survey import NOTHING_THERE, A2aSubject, answers, declared_interfaces, speaker_of
from conformance.subject import Check
from conformance.verdict import Broke, CannotExamine, Held, Inapplicable, NotOffered, Verdict
from conformance.wire import Exchange

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+*-]+/[\w!#$&^.+*-]+( *;.*)?")
_CAMEL_CASE = re.compile(r"[a-z][a-zA-Z0-9]*")
_NAMED_BY_SOMEBODY = frozenset({"securitySchemes", "schemes", "scopes"})
_FREE = frozenset({"params", "header", "metadata"})
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "apiKeySecurityScheme": ("location", "name"),
    "httpAuthSecurityScheme": ("scheme",),
    "oauth2SecurityScheme": (),
    "openIdConnectSecurityScheme": ("openIdConnectUrl",),
    "mtlsSecurityScheme": (),
}
_FLOWS: Mapping[str, tuple[str, ...]] = {
    "authorizationCode": ("authorizationUrl", "tokenUrl"),
    "clientCredentials": ("tokenUrl",),
    "deviceCode": ("deviceAuthorizationUrl", "tokenUrl"),
    "implicit": (),
    "password": (),
}
_FLOWS_WITH_SCOPES = ("authorizationCode", "clientCredentials", "deviceCode")


async def served(subject: A2aSubject) -> Verdict:
    exchange = await subject.fetch_card()
    if exchange.status in CLOSED or (exchange.status in NOTHING_THERE and not subject.told.agents):
        subject.must_have_card()
    if exchange.status != 200 or not is_object(exchange.json()):
        return Broke(expected=f"a JSON object at {WELL_KNOWN}", found=_told(exchange))
    if exchange.media_type.removeprefix("application/").split("+")[-1] != "json":
        return Broke(expected="a content type of JSON", found=_told(exchange))
    return Held()


async def required_members(subject: A2aSubject) -> Verdict:
    card = Found("card", await _card(subject))
    faults = [
        *missing_texts(card, "name", "description", "version"),
        *missing_items(card, "supportedInterfaces", "defaultInputModes", "defaultOutputModes", "skills"),
    ]
    if not is_object(card.value.get("capabilities")):
        faults.append("card.capabilities is missing")
    return verdict_of(faults, expected="all that a card must have")


async def media_types(subject: A2aSubject) -> Verdict:
    card = await _card(subject)
    faults = [
        f"{name} has {mode!r}"
        for name in ("defaultInputModes", "defaultOutputModes")
        for mode in items(card.get(name))
        if not isinstance(mode, str) or not _MEDIA_TYPE.fullmatch(mode)
    ]
    return verdict_of(faults, expected="media types")


async def interfaces(subject: A2aSubject) -> Verdict:
    found = [
        Found(f"supportedInterfaces[{number}]", one) for number, one in enumerate(_interfaces(await _card(subject)))
    ]
    faults = [fault for one in found for fault in missing_texts(one, "url", "protocolBinding", "protocolVersion")]
    faults += [
        f"{one.where}.url is {one.value['url']!r}"
        for one in found
        if is_filled(one.value.get("url")) and not _is_absolute(one.value)
    ]
    return verdict_of(faults, expected="an absolute URL, a binding and a version for each interface")


async def interfaces_answer(subject: A2aSubject) -> Verdict:
    declared = declared_interfaces(await _card(subject))
    if not declared:
        return NotOffered(f"The card has no interface of A2A {VERSION} over JSON-RPC or HTTP+JSON.")
    faults: list[str] = []
    for interface in declared:
        answer = await answers(speaker_of(interface, subject))
        if answer is None:
            faults.append(f"{interface.url} does not answer in {interface.binding}")
        elif answer.refused_with(VERSION_NOT_SUPPORTED):
            faults.append(f"{interface.url} does not speak {VERSION} over {interface.binding}")
    return verdict_of(faults, expected="an answer in the declared binding and version")


async def interfaces_encrypted(subject: A2aSubject) -> Verdict:
    told = [one.get("url") for one in _interfaces(await _card(subject))]
    urls = [urlsplit(url) for url in told if _is_url(url)]
    abroad = [url for url in urls if not _is_loopback(url)]
    if not abroad:
        return NotOffered("All interfaces are on loopback.")
    return verdict_of([url.geturl() for url in abroad if url.scheme != "https"], expected="https URLs")


async def version_without_patch(subject: A2aSubject) -> Verdict:
    versions = [str(one.get("protocolVersion")) for one in _interfaces(await _card(subject))]
    faults = [f"protocolVersion is {version}" for version in versions if not re.fullmatch(r"\d+\.\d+", version)]
    return verdict_of(faults, expected="Major.Minor")


async def skills(subject: A2aSubject) -> Verdict:
    found = [
        Found(f"skills[{number}]", one) for number, one in enumerate(objects((await _card(subject)).get("skills")))
    ]
    faults = [
        fault
        for one in found
        for fault in (*missing_texts(one, "id", "name", "description"), *missing_items(one, "tags"))
    ]
    return verdict_of(faults, expected="id, name, description and tags of each skill")


async def skill_ids(subject: A2aSubject) -> Verdict:
    ids = [skill.get("id") for skill in objects((await _card(subject)).get("skills"))]
    twice = [f"{one!r} is the id of {ids.count(one)} skills" for number, one in enumerate(ids) if one in ids[:number]]
    return verdict_of(twice, expected="an id of its own for each skill")


async def security_schemes(subject: A2aSubject) -> Verdict:
    schemes = member(await _card(subject), "securitySchemes")
    if not schemes:
        return NotOffered("The card has no security schemes.")
    faults = [fault for name, scheme in schemes.items() for fault in _scheme_faults(f"securitySchemes.{name}", scheme)]
    return verdict_of(faults, expected="one kind of scheme each, with its required members")


async def security_requirements(subject: A2aSubject) -> Verdict:
    card = await _card(subject)
    holders = [card, *objects(card.get("skills"))]
    requirements = [one for holder in holders for one in objects(holder.get("securityRequirements"))]
    if not requirements:
        return NotOffered("The card has no security requirements.")
    known = member(card, "securitySchemes")
    named = [name for one in requirements for name in member(one, "schemes")]
    faults = [f"{name!r} is required and not among the security schemes" for name in named if name not in known]
    faults += [f"a requirement has {list(one)}" for one in requirements if one and "schemes" not in one]
    return verdict_of(faults, expected="only schemes that the card has")


async def camel_case(subject: A2aSubject) -> Verdict:
    return verdict_of(_ill_named(await _card(subject), "card"), expected="members in camelCase")


async def cache_control(subject: A2aSubject) -> Verdict:
    said = (await _fetched(subject)).header("cache-control")
    if re.search(r"(?:^|[\s,])max-age=\d+", said):
        return Held()
    return Broke(expected="Cache-Control with max-age", found=f"Cache-Control is {said!r}" if said else "none")


async def etag(subject: A2aSubject) -> Verdict:
    said = (await _fetched(subject)).header("etag")
    if re.fullmatch(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"', said):
        return Held()
    return Broke(expected="an ETag", found=f"ETag is {said!r}" if said else "none")


async def conditional(subject: A2aSubject) -> Verdict:
    tag = (await _fetched(subject)).header("etag")
    if not tag:
        return NotOffered("The card is served without an ETag.")
    same = await subject.wire.get(subject.card_url, headers={"if-none-match": tag})
    if same.status != 304 or same.came:
        return Broke(expected="304 and no body for the same ETag", found=_told(same))
    other = await subject.wire.get(subject.card_url, headers={"if-none-match": '"examiner"'})
    if other.status != 200:
        return Broke(expected="the card for another ETag", found=_told(other))
    return Held()


async def _fetched(subject: A2aSubject) -> Exchange:
    exchange = await subject.fetch_card()
    if exchange.status != 200:
        raise CannotExamine(f"The card was not served: {_told(exchange)}.")
    return exchange


async def _card(subject: A2aSubject) -> Object:
    card = (await _fetched(subject)).json()
    if not is_object(card):
        raise CannotExamine("The card is not a JSON object.")
    return card


def _interfaces(card: Object) -> list[Object]:
    found = objects(card.get("supportedInterfaces"))
    if not found:
        raise Inapplicable("The card declares no interfaces.")
    return found


def _is_absolute(interface: Object) -> bool:
    """Whether an interface's URL can be used as it is; for gRPC, host and port are enough for all clients there are."""
    if interface.get("protocolBinding") == "GRPC" and re.fullmatch(r"[\w.-]+:\d+", interface["url"]):
        return True
    url = interface.get("url")
    if not _is_url(url):
        return False
    return interface.get("protocolBinding") not in list(Binding) or urlsplit(url).scheme in ("http", "https")


def _is_url(value: object) -> TypeGuard[str]:
    try:
        return isinstance(value, str) and bool(urlsplit(value).scheme and urlsplit(value).hostname)
    except ValueError:
        return False


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _scheme_faults(where: str, scheme: object) -> Iterator[str]:
    there = [kind for kind in _SCHEMES if is_object(scheme) and kind in scheme]
    if len(there) != 1:
        yield f"{where} is {' and '.join(there) or 'no known kind of scheme'}"
        return
    kind = there[0]
    yield from missing_texts(Found(f"{where}.{kind}", member(scheme, kind)), *_SCHEMES[kind])
    if kind == "oauth2SecurityScheme":
        yield from _flow_faults(f"{where}.{kind}.flows", member(member(scheme, kind), "flows"))


def _flow_faults(where: str, flows: Object) -> Iterator[str]:
    there = [flow for flow in _FLOWS if flow in flows]
    if len(there) != 1:
        yield f"{where} has {' and '.join(there) or 'no known flow'}"
        return
    flow = Found(f"{where}.{there[0]}", member(flows, there[0]))
    yield from missing_texts(flow, *_FLOWS[there[0]])
    if there[0] in _FLOWS_WITH_SCOPES and not is_object(flow.value.get("scopes")):
        yield f"{flow.where}.scopes is missing"


def _ill_named(value: object, where: str) -> Iterator[str]:
    for number, item in enumerate(items(value)):
        yield from _ill_named(item, f"{where}[{number}]")
    if not is_object(value):
        return
    for name, inner in value.items():
        if not _CAMEL_CASE.fullmatch(name):
            yield f"{where}.{name}"
        if name in _NAMED_BY_SOMEBODY:
            for chosen, one in member(value, name).items():
                yield from _ill_named(one, f"{where}.{name}.{chosen}")
        elif name not in _FREE:
            yield from _ill_named(inner, f"{where}.{name}")


def _told(exchange: Exchange) -> str:
    return f"HTTP {exchange.status}, {exchange.media_type or 'no content type'}, {len(exchange.came)} bytes"


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.card.served": served,
    "a2a.card.required-members": required_members,
    "a2a.card.media-types": media_types,
    "a2a.card.interfaces": interfaces,
    "a2a.card.interfaces-answer": interfaces_answer,
    "a2a.card.interfaces-encrypted": interfaces_encrypted,
    "a2a.card.version-without-patch": version_without_patch,
    "a2a.card.skills": skills,
    "a2a.card.skill-ids": skill_ids,
    "a2a.card.security-schemes": security_schemes,
    "a2a.card.security-requirements": security_requirements,
    "a2a.card.camel-case": camel_case,
    "a2a.card.cache-control": cache_control,
    "a2a.card.etag": etag,
    "a2a.card.conditional": conditional,
}
