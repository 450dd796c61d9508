"""The directory: who is listed, in which groups, and what a token stands for."""

from pathlib import Path

import pytest

from policies.identity.directory import LOCAL_ISSUER, OPERATOR, Directory, load_directory
from registry.model import BadRequest, Classification, Principal, PrincipalKind, Unauthenticated

COMPANY = """
[groups.recruiting]
in = ["hr"]
[groups.hr]
in = ["staff"]

[persons.alice]
groups = ["recruiting"]
domain = "hiring"
clearance = "confidential"
title = "Recruiter"

[agents.assistant]
client_ids = ["client-7"]
groups = ["agents"]
domain = "hiring"

[services.nightly]
groups = ["batch"]
"""


@pytest.fixture
def company(tmp_path: Path) -> Directory:
    return read(tmp_path, COMPANY)


def read(folder: Path, text: str) -> Directory:
    path = folder / "directory.toml"
    path.write_text(text)
    return load_directory(path)


def test_groups_are_closed_over_nesting(company: Directory) -> None:
    alice = company.principal(issuer="i", subject="alice", client_id="editor")

    standing = company.standing(alice)

    assert standing.groups == {"recruiting", "hr", "staff"}
    assert standing.clearance is Classification.CONFIDENTIAL
    assert alice.domain == "hiring"


def test_groups_that_a_token_claims_are_closed_too(company: Directory) -> None:
    bob = company.principal(issuer="i", subject="bob", client_id="editor")

    assert company.standing(bob, frozenset({"hr", "other"})).groups == {"hr", "staff", "other"}


def test_whoever_is_not_listed_has_no_groups_and_clearance_internal(company: Directory) -> None:
    bob = company.principal(issuer="i", subject="bob", client_id="editor")

    standing = company.standing(bob)

    assert (bob.kind, bob.name, bob.domain) == (PrincipalKind.PERSON, "bob", "")
    assert standing.groups == frozenset()
    assert standing.clearance is Classification.INTERNAL


def test_a_client_bound_to_an_agent_is_that_agent(company: Directory) -> None:
    agent = company.principal(issuer="i", subject="client-7", client_id="client-7")

    assert (agent.kind, agent.name, agent.subject) == (PrincipalKind.AGENT, "assistant", "client-7")
    assert company.standing(agent).groups == {"agents"}


def test_a_client_that_speaks_for_itself_is_a_service(company: Directory) -> None:
    service = company.principal(issuer="i", subject="nightly", client_id="nightly")

    assert service.kind is PrincipalKind.SERVICE
    assert company.standing(service).groups == {"batch"}


def test_a_person_never_inherits_the_rights_of_a_service_of_the_same_name(company: Directory) -> None:
    person = company.principal(issuer="i", subject="nightly", client_id="editor")

    assert company.standing(person).groups == frozenset()


def test_with_several_issuers_names_and_clients_are_qualified(tmp_path: Path) -> None:
    directory = read(tmp_path, '[persons."corp/alice"]\ngroups = ["staff"]\n[agents.bot]\nclient_ids = ["corp/c"]\n')

    at_corp = directory.principal(issuer="a", subject="alice", client_id="x", alias="corp")
    elsewhere = directory.principal(issuer="b", subject="alice", client_id="x", alias="shop")
    imposter = directory.principal(issuer="b", subject="c", client_id="c", alias="shop")

    assert at_corp.name == "corp/alice"
    assert directory.standing(at_corp).groups == {"staff"}
    assert directory.standing(elsewhere).groups == frozenset()
    assert imposter.kind is PrincipalKind.SERVICE


@pytest.mark.parametrize("name", ["operator@local", "agent:assistant", "service:x", "", "a\nb", "\x00", "x" * 600])
def test_no_token_may_speak_under_a_reserved_or_odd_name(name: str) -> None:
    with pytest.raises(Unauthenticated):
        Directory().principal(issuer="i", subject=name, client_id="editor")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[people.alice]\n", ("directory.toml", "[people]")),
        ("[persons.alice]\ngroup = []\n", ("[persons.alice]", "'group'")),
        ("[groups.a]\nmembers = []\n", ("[groups.a]", "'members'")),
        ("[services.x]\nclient_ids = []\n", ("[services.x]", "'client_ids'")),
        ('[persons.alice]\ngroups = "hr"\n', ("[persons.alice]: groups",)),
        ('[persons.alice]\nclearance = "top"\n', ("[persons.alice]: clearance", "restricted")),
        ('[persons.alice]\ndisabled = "yes"\n', ("[persons.alice]: disabled", "true or false")),
        ("[agents.bot]\ndisabled = 1\n", ("[agents.bot]: disabled", "true or false")),
        ("[groups.a]\ndisabled = true\n", ("[groups.a]", "'disabled'")),
        ("[persons]\nalice = 1\n", ("[persons.alice]", "table")),
        ("[agents.Bad-Name]\n", ("[agents.Bad-Name]", "a-z")),
        ('[agents.a]\nclient_ids = ["c"]\n[agents.b]\nclient_ids = ["c"]\n', ("[agents.b]", "'a'")),
        ('[groups.a]\nin = ["b"]\n[groups.b]\nin = ["a"]\n', ("cycle", "a in b in a")),
        ("not toml", ("directory.toml",)),
    ],
)
def test_a_mistake_is_named_with_file_table_and_key(tmp_path: Path, text: str, named: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as caught:
        read(tmp_path, text)

    for part in (*named, "directory.toml"):
        assert part in caught.value.message


def test_who_is_disabled_is_still_who_they_were(tmp_path: Path) -> None:
    directory = read(
        tmp_path,
        """
        [persons.alice]
        groups = ["staff"]
        disabled = true
        [agents.assistant]
        client_ids = ["client-7"]
        disabled = true
        [services.nightly]
        disabled = true
        [persons.bob]
        disabled = false
        """,
    )
    for subject, client, kind, disabled in (
        ("alice", "editor", PrincipalKind.PERSON, True),
        ("client-7", "client-7", PrincipalKind.AGENT, True),
        ("nightly", "nightly", PrincipalKind.SERVICE, True),
        ("bob", "editor", PrincipalKind.PERSON, False),
        ("carol", "editor", PrincipalKind.PERSON, False),
        ("nightly", "editor", PrincipalKind.PERSON, False),
    ):
        principal = directory.principal(issuer="i", subject=subject, client_id=client)
        assert (principal.kind, directory.standing(principal).disabled) == (kind, disabled)


def test_the_operator_at_the_machine_cannot_be_disabled(tmp_path: Path) -> None:
    directory = read(tmp_path, f'[services."{OPERATOR}"]\ndisabled = true\n')
    local = Principal(kind=PrincipalKind.SERVICE, issuer=LOCAL_ISSUER, subject=OPERATOR, name=OPERATOR)
    assert not directory.standing(local).disabled


def test_without_a_file_nobody_is_listed(tmp_path: Path) -> None:
    assert load_directory(None) == Directory()
    with pytest.raises(BadRequest, match="no such directory file"):
        load_directory(tmp_path / "missing.toml")
    with pytest.raises(BadRequest, match="cannot be read"):
        load_directory(tmp_path)
