"""Real MCP clients against the running demo: each lists what its person may use and no more, calls it, reads the
service's refusal, and learns nothing of what it may not see."""

import json
from pathlib import Path
from typing import Protocol

import pytest

from tests.support.clients import CLIENTS, NEGOTIATES, Report, Session, Step
from tests.support.demo import Demo
from tests.support.node import run_inspector

RECRUITER = {"assistant", "candidates_get", "candidates_search", "outreach_draft", "outreach_send"}
INTERN = {"assistant", "candidates_get", "candidates_search"}

SEARCH = Step("candidates_search", {"query": "rust", "limit": 2})
MISSING = Step("candidates_get", {"id": "c-9999"})
MISFIT = Step("candidates_get", {"id": "nobody"})
DRAFT = Step("outreach_draft", {"candidateId": "c-0042", "role": "Platform Engineer"})
SEND = Step("outreach_send", {"candidateId": "c-0042", "text": "May we talk?"})
UNHEARD = Step("outreach_nothing", {"candidateId": "c-0042", "role": "Platform Engineer"})


class See(Protocol):
    async def __call__(self, persona: str, *steps: Step) -> Report: ...


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def see(client: str, demo: Demo, tmp_path: Path) -> See:
    async def run(persona: str, *steps: Step) -> Report:
        session = Session(url=demo.mcp_url, token=demo.tokens[persona], home=tmp_path)
        return await CLIENTS[client](session, steps)

    return run


async def test_a_recruiter_lists_calls_and_reads_what_went_wrong(see: See, client: str) -> None:
    report = await see("recruiter", SEARCH, DRAFT, MISSING, MISFIT)

    found, draft, missing, misfit = report.answers
    assert report.tools == RECRUITER
    assert report.negotiated == NEGOTIATES.get(client, "")
    assert len(found.structured["candidates"]) == 2
    assert found.structured["searchedBy"] == "recruiter"
    assert json.loads(found.text) == found.structured
    assert (draft.is_error, draft.structured["subject"]) == (False, "Platform Engineer")
    assert missing.is_error and "c-9999" in missing.text
    assert misfit.is_error and "/id" in misfit.text


async def test_what_destroys_is_listed_but_waits_for_approval(see: See) -> None:
    report = await see("recruiter", SEND)

    assert report.answers[0].is_error and "approval" in report.answers[0].text


async def test_an_intern_reads_and_does_not_learn_of_the_rest(see: See) -> None:
    report = await see("intern", SEARCH, DRAFT, UNHEARD)

    found, draft, unheard = report.answers
    assert report.tools == INTERN
    assert found.structured["searchedBy"] == "intern"
    assert draft.refused
    assert draft.refused == unheard.refused.replace(UNHEARD.tool, DRAFT.tool)
    assert draft.code == unheard.code


async def test_an_outsider_sees_nothing(see: See) -> None:
    report = await see("outsider", SEARCH, UNHEARD)

    search, unheard = report.answers
    assert report.tools == set()
    assert search.refused
    assert search.refused == unheard.refused.replace(UNHEARD.tool, SEARCH.tool)
    assert search.code == unheard.code


def test_the_inspector_finds_no_schema_that_hosts_refuse(demo: Demo, tmp_path: Path) -> None:
    ended = run_inspector(demo.mcp_url, demo.tokens["recruiter"], "--method", "tools/list", "--strict", home=tmp_path)

    assert ended.code == 0, ended.errors
