"""The card's signatures: their form, their keys, and that they are of this card and no other."""

from collections.abc import Callable, Iterator, Mapping

from conformance.a2a.canonical import CARD, as_read
from conformance.a2a.judging import verdict_of
from conformance.a2a.shapes import Object, is_filled, is_object
from conformance.a2a.signatures import (
    SECRET_MEMBERS,
    Signature,
    fetch_keys,
    is_base64url,
    read_signatures,
    tampered,
    verification_fault,
)
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import CannotExamine, NotOffered, Verdict

NOT_SIGNED = "The card is not signed."
NO_KEY_SET = "No signature has a jku, and the examiner knows no other place for keys."


async def form(subject: A2aSubject) -> Verdict:
    return await _each(subject, _form_faults, expected="base64url, and a JSON object as protected header")


async def header(subject: A2aSubject) -> Verdict:
    return await _each(
        subject,
        lambda one: (f"{name} is {_of(one, name)!r}" for name in ("alg", "kid") if not is_filled(_of(one, name))),
        expected="alg and kid in the protected header",
    )


async def typ(subject: A2aSubject) -> Verdict:
    return await _each(
        subject,
        lambda one: (f"typ is {said!r}" for said in [_of(one, "typ")] if said != "JOSE"),
        expected="typ JOSE in the protected header",
    )


async def key_published(subject: A2aSubject) -> Verdict:
    card = await _card(subject)
    pointing = [signature for signature in read_signatures(card) if signature.jku]
    if not pointing:
        return NotOffered(NO_KEY_SET if read_signatures(card) else NOT_SIGNED)
    faults: list[str] = []
    for signature in pointing:
        keys = await fetch_keys(signature, subject.wire)
        if keys.named(signature.kid) is None:
            faults.append(keys.why or f"{signature.jku} has no key {signature.kid!r}")
    return verdict_of(faults, expected="a key set that has the key")


async def key_public(subject: A2aSubject) -> Verdict:
    pointing = [signature for signature in read_signatures(await _card(subject)) if signature.jku]
    if not pointing:
        return NotOffered(NO_KEY_SET)
    faults = [
        f"key {key.get('kid')!r} has the secret member {name}"
        for signature in pointing
        for key in (await fetch_keys(signature, subject.wire)).keys
        for name in sorted(SECRET_MEMBERS & key.keys())
    ]
    return verdict_of(faults, expected="public keys only")


async def verifies(subject: A2aSubject) -> Verdict:
    """Every signature is of this card, or of what readers of 1.0 keep of it; the first kind is among them."""
    card = await _card(subject)
    signatures = read_signatures(card)
    if not any(signature.jku for signature in signatures):
        return NotOffered(NO_KEY_SET if signatures else NOT_SIGNED)
    forms: list[Object] = [card, as_read(card, CARD)]
    faults: list[str] = []
    is_signed_itself = False
    for number, signature in enumerate(signatures, 1):
        key = (await fetch_keys(signature, subject.wire)).named(signature.kid) if signature.jku else None
        if key is None:
            raise CannotExamine(f"There is no key for signature {number}.")
        found = [verification_fault(form, signature, key) for form in forms]
        is_signed_itself |= not found[0]
        fitting = next((form for form, fault in zip(forms, found, strict=True) if not fault), None)
        said = _loose(fitting, signature, key) if fitting is not None else iter(found[:1])
        faults += (f"signature {number}: {fault}" for fault in said)
    if not faults and not is_signed_itself:
        faults.append("no signature is of the card with all its members")
    return verdict_of(faults, expected="signatures of this card and no other")


def _loose(card: Object, signature: Signature, key: Object) -> Iterator[str]:
    """What a signature that holds does not protect."""
    for name, other in tampered(card):
        if not verification_fault(other, signature, key):
            yield f"it is valid for a card with another {name} as well"


def _form_faults(signature: Signature) -> Iterator[str]:
    if not is_base64url(signature.protected):
        yield f"protected is {signature.protected!r:.80}"
    elif signature.header is None:
        yield "protected is not a JSON object"
    if not is_base64url(signature.value):
        yield f"signature is {signature.value!r:.80}"


def _of(signature: Signature, name: str) -> object:
    return (signature.header or {}).get(name)


async def _each(subject: A2aSubject, faults: Callable[[Signature], Iterator[str]], *, expected: str) -> Verdict:
    signatures = read_signatures(await _card(subject))
    if not signatures:
        return NotOffered(NOT_SIGNED)
    said = (f"signature {number}: {fault}" for number, one in enumerate(signatures, 1) for fault in faults(one))
    return verdict_of(said, expected=expected)


async def _card(subject: A2aSubject) -> Object:
    card = (await subject.fetch_card()).json()
    if not is_object(card):
        raise CannotExamine("The card is not a JSON object.")
    return card


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.signature.format": form,
    "a2a.signature.header": header,
    "a2a.signature.typ": typ,
    "a2a.signature.key-published": key_published,
    "a2a.signature.key-public": key_public,
    "a2a.signature.verifies": verifies,
}
