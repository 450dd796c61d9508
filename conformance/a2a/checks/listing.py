"""ListTasks: what a page has, where the last one is, and in which order the tasks come."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from conformance.a2a import shapes
from conformance.a2a.judging import on_each_binding, verdict_of
from conformance.a2a.shapes import Object
from conformance.a2a.speaking import Speaker
from conformance.a2a.survey import A2aSubject
from conformance.subject import Check
from conformance.verdict import CannotExamine, Inapplicable, NotOffered, Verdict

MOST_PAGES = 20
LARGEST_PAGE = 100
NO_TASKS = "There are no tasks in the list."


async def members(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        page = await _page(speaker)
        wanted: Mapping[str, type] = {"tasks": list, "nextPageToken": str, "pageSize": int, "totalSize": int}
        faults = [
            f"{name} is {page[name]!r:.80}" if name in page else f"{name} is missing"
            for name, kind in wanted.items()
            if type(page.get(name)) is not kind
        ]
        return verdict_of(faults, expected=", ".join(wanted))

    return await on_each_binding(subject, judge)


async def page_size(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        faults: list[str] = []
        for size, most in ((1, 1), (1000, LARGEST_PAGE)):
            answer = await speaker.ask("ListTasks", {"pageSize": size})
            if answer.refusal is None and (count := len(_tasks(answer.result))) > most:
                faults.append(f"{count} tasks for a pageSize of {size}")
        for size in (0, -1):
            answer = await speaker.ask("ListTasks", {"pageSize": size})
            if answer.refusal is None or not answer.refusal.is_invalid:
                faults.append(f"pageSize {size} was answered with {answer.told}")
        return verdict_of(faults, expected="pages within their size")

    return await on_each_binding(subject, judge)


async def last_page(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        pages = await _pages(speaker)
        ids = [task.get("id") for page in pages for task in _tasks(page)]
        faults = [f"task {one!r} comes twice" for number, one in enumerate(ids) if one in ids[:number]]
        total = pages[0].get("totalSize")
        if pages[-1].get("nextPageToken"):
            return verdict_of(faults, expected="each task once")
        if isinstance(total, int) and len(ids) < total:
            faults.append(f"the last page was reached after {len(ids)} of {total} tasks")
        if len(pages) > 1 and not _tasks(pages[-1]):
            faults.append("the last page but one had a nextPageToken and no task was left")
        return verdict_of(faults, expected="all tasks once, then an empty nextPageToken")

    return await on_each_binding(subject, judge)


async def order(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        tasks = _tasks(await _page(speaker, pageSize=LARGEST_PAGE))
        times = [_instant(shapes.member(task, "status").get("timestamp")) for task in tasks]
        known = [time for time in times if time is not None]
        if len(known) < 2:
            return NotOffered("There are not two tasks with timestamps in the list.")
        faults = [f"{later} comes after {earlier}" for earlier, later in pairwise(known) if later > earlier]
        return verdict_of(faults, expected="the newest status first")

    return await on_each_binding(subject, judge)


async def no_artifacts(subject: A2aSubject) -> Verdict:
    async def judge(speaker: Speaker) -> Verdict:
        tasks = _tasks(await _page(speaker))
        if not tasks:
            return NotOffered(NO_TASKS)
        faults = [f"task {task.get('id')!r} has artifacts" for task in tasks if "artifacts" in task]
        return verdict_of(faults, expected="no member artifacts")

    return await on_each_binding(subject, judge)


async def _pages(speaker: Speaker) -> Sequence[Object]:
    pages = [await _page(speaker, pageSize=2)]
    while len(pages) < MOST_PAGES and (token := pages[-1].get("nextPageToken")):
        pages.append(await _page(speaker, pageSize=2, pageToken=token))
    if not _tasks(pages[0]) and pages[0].get("nextPageToken") == "":
        raise Inapplicable(NO_TASKS)
    return pages


async def _page(speaker: Speaker, **params: Any) -> Object:
    answer = await speaker.ask("ListTasks", params)
    if answer.refusal is not None or not shapes.is_object(answer.result):
        raise CannotExamine(f"ListTasks was not answered with a page: {answer.told}.")
    return answer.result


def _tasks(page: Any) -> list[Object]:
    return shapes.objects(page.get("tasks")) if shapes.is_object(page) else []


def _instant(timestamp: object) -> datetime | None:
    try:
        return datetime.fromisoformat(timestamp) if isinstance(timestamp, str) else None
    except ValueError:
        return None


CHECKS: Mapping[str, Check[A2aSubject]] = {
    "a2a.list.members": members,
    "a2a.list.page-size": page_size,
    "a2a.list.last-page": last_page,
    "a2a.list.order": order,
    "a2a.list.no-artifacts": no_artifacts,
}
