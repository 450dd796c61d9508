"""Search: which candidates a request means, and in which order.

Pure: an index over the pool, built once, and functions of a request. A word that nobody matches is ignored, so that
"senior rust engineers near Dublin" finds something; filters are strict.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hiring.v1 import candidates_pb2 as pb

PAGE = 10


@dataclass(frozen=True, slots=True)
class Index:
    """The pool by id, and for every word the ids of those it describes."""

    candidates: Mapping[str, pb.Candidate]
    words: Mapping[str, frozenset[str]]


def index_of(profiles: Iterable[pb.Profile]) -> Index:
    """Index names, titles, seniority, skills and cities by their words."""
    candidates = {profile.candidate.id: profile.candidate for profile in profiles}
    words: defaultdict[str, set[str]] = defaultdict(set)
    for candidate in candidates.values():
        seniority = pb.Seniority.Name(candidate.seniority).removeprefix("SENIORITY_")
        about = (candidate.name, candidate.title, seniority, *candidate.skills, candidate.location.city)
        for word in _words(" ".join(about)):
            words[word].add(candidate.id)
    return Index(candidates, {word: frozenset(ids) for word, ids in words.items()})


def find(request: pb.SearchRequest, index: Index) -> list[pb.Candidate]:
    """Return all candidates that pass the filters, those with most words of the query first, then by id."""
    hits = _hits(request.query, index)
    chosen = sorted(index.candidates if hits is None else hits, key=lambda id_: (-hits[id_] if hits else 0, id_))
    filters = tuple(_filters(request))
    return [index.candidates[id_] for id_ in chosen if all(passes(index.candidates[id_]) for passes in filters)]


def _hits(query: str, index: Index) -> Mapping[str, int] | None:
    """How many words of the query each candidate matches; None where the query is empty."""
    words = _words(query)
    return Counter(id_ for word in words for id_ in index.words.get(word, ())) if words else None


def _words(text: str) -> frozenset[str]:
    """Lower-case words, a plural like its singular."""
    return frozenset(word.removesuffix("s") for word in re.findall(r"[\w+#]+", text.casefold()))


def _filters(request: pb.SearchRequest) -> Iterator[Callable[[pb.Candidate], bool]]:
    """The filters a request sets."""
    skills = {skill.casefold() for skill in request.skills}
    city, country = request.location.city.casefold(), request.location.country
    if request.seniority != pb.SENIORITY_UNSPECIFIED:
        yield lambda candidate: candidate.seniority == request.seniority
    if skills:
        yield lambda candidate: skills <= set(candidate.skills)
    if city:
        yield lambda candidate: candidate.location.city.casefold() == city
    if country:
        yield lambda candidate: candidate.location.country == country
    if request.HasField("remote"):
        yield lambda candidate: candidate.remote == request.remote
    if request.HasField("min_years"):
        yield lambda candidate: candidate.years >= request.min_years
