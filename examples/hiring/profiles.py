"""The pool: 2,000 invented people, the same ones in every process.

Made from a fixed seed, so that ids, names and answers in documents and tests stay true. Nobody here exists; e-mail
addresses end in `.example`, which nobody can own.
"""

# ruff: noqa: SIM905  (names are easier to read in lines of words)

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from google.protobuf.timestamp_pb2 import Timestamp
from hiring.v1 import candidates_pb2 as pb

POOL = 2_000
TODAY = datetime(2026, 11, 2, tzinfo=UTC)  # fixed, so that the pool is the same every day
WEEK = 7 * 24 * 3600

FIRST_NAMES = (
    "Aoife Amara Anders Beatriz Bruno Chiara Ciarán Daniel Dilan Elena Emeka Eva Farah Felix Freya Gabriel Grace "
    "Hana Hugo Ines Ivan Jonas Kasia Kwame Lea Liam Luca Magda Mateo Mei Mila Nadia Niamh Noah Olga Omar Priya Rafael "
    "Ravi Rosa Saoirse Sofia Tariq Tomas Ulrike Viktor Wanjiru Yara Yusuf Zoe"
).split()
LAST_NAMES = (
    "Adeyemi Almeida Andersson Bauer Becker Berg Bianchi Byrne Costa Dahl Dubois Eriksen Fernandes Ferrari Fischer "
    "Garcia Haas Hansen Horvat Ito Jansen Kaya Kelly Kim Kowalska Lehmann Lindqvist Lopez Martin Mensah Moreau Murphy "
    "Nagy Novak Nowak O'Brien Okafor Oliveira Patel Petrov Quinn Romano Rossi Ryan Schmidt Silva Tanaka Walsh "
    "Weber Zhang"
).split()
CITIES = (
    ("Dublin", "IE"), ("Cork", "IE"), ("Galway", "IE"), ("London", "GB"), ("Edinburgh", "GB"), ("Lisbon", "PT"),
    ("Porto", "PT"), ("Madrid", "ES"), ("Barcelona", "ES"), ("Paris", "FR"), ("Lyon", "FR"), ("Amsterdam", "NL"),
    ("Berlin", "DE"), ("Hamburg", "DE"), ("Munich", "DE"), ("Vienna", "AT"), ("Zurich", "CH"), ("Milan", "IT"),
    ("Warsaw", "PL"), ("Prague", "CZ"), ("Copenhagen", "DK"), ("Stockholm", "SE"), ("Tallinn", "EE"), ("Athens", "GR"),
)  # fmt: skip
PROFESSIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Backend Engineer": ("python", "go", "java", "rust", "grpc", "postgresql", "kafka", "redis", "kubernetes"),
        "Platform Engineer": ("kubernetes", "terraform", "go", "linux", "aws", "observability", "rust", "networking"),
        "Systems Engineer": ("rust", "c++", "linux", "networking", "performance", "grpc", "embedded"),
        "Frontend Engineer": ("typescript", "react", "css", "accessibility", "vue", "testing", "graphql"),
        "Data Engineer": ("python", "sql", "spark", "kafka", "airflow", "dbt", "postgresql"),
        "Machine Learning Engineer": ("python", "pytorch", "statistics", "sql", "evaluation", "kubernetes"),
        "Security Engineer": ("threat modelling", "cryptography", "python", "linux", "incident response", "go"),
        "Product Designer": ("figma", "research", "prototyping", "accessibility", "writing"),
        "Engineering Manager": ("coaching", "hiring", "planning", "architecture", "writing"),
    }
)
COMPANIES = (
    "Brightwater Kestrel Northgate Oakline Pinebridge Quayside Redfern Saltmarsh Tidewell Umberland Vantage Willowbank"
).split()
LANGUAGES = ("English", "German", "French", "Spanish", "Portuguese", "Italian", "Polish", "Dutch", "Swedish")
LEVELS = ("B1", "B2", "C1", "C2")


def all_profiles() -> Mapping[str, pb.Profile]:
    """Return the whole pool by id, in the order of ids."""
    chance = random.Random(20261102)
    return {profile.candidate.id: profile for profile in (_profile(number, chance) for number in range(1, POOL + 1))}


def seniority_after(years: int) -> pb.Seniority:
    """Say how experienced somebody with that many years is."""
    if years <= 2:
        return pb.SENIORITY_JUNIOR
    if years <= 5:
        return pb.SENIORITY_MID
    return pb.SENIORITY_SENIOR if years <= 10 else pb.SENIORITY_STAFF


def _profile(number: int, chance: random.Random) -> pb.Profile:
    candidate = _candidate(number, chance)
    first, last = candidate.name.split(" ", 1)
    return pb.Profile(
        candidate=candidate,
        summary=f"{candidate.title} in {candidate.location.city} with {candidate.years} years of experience, "
        f"strongest in {candidate.skills[0]} and {candidate.skills[1]}.",
        jobs=_jobs(candidate, chance),
        available_from=Timestamp(seconds=int(TODAY.timestamp()) + WEEK * chance.randrange(1, 26)),
        email=f"{first}.{last}.{number}@people.example".casefold().replace("'", ""),
        languages={language: chance.choice(LEVELS) for language in chance.sample(LANGUAGES, 2)},
    )


def _candidate(number: int, chance: random.Random) -> pb.Candidate:
    profession = chance.choice(tuple(PROFESSIONS))
    city, country = chance.choice(CITIES)
    years = chance.randrange(0, 21)
    return pb.Candidate(
        id=f"c-{number:04}",
        name=f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}",
        title=profession,
        seniority=seniority_after(years),
        skills=chance.sample(PROFESSIONS[profession], chance.randrange(3, 6)),
        location=pb.Location(city=city, country=country),
        remote=chance.random() < 0.4,
        years=years,
    )


def _jobs(candidate: pb.Candidate, chance: random.Random) -> list[pb.Job]:
    """The present job, and the one before it where there was time for two."""
    year, companies = TODAY.year, chance.sample(COMPANIES, 2)
    changed = year - candidate.years // 2
    present = pb.Job(company=companies[0], title=candidate.title, since=changed)
    if candidate.years < 4:
        return [present]
    return [present, pb.Job(company=companies[1], title=candidate.title, since=year - candidate.years, until=changed)]
