import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from interchange.v1 import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Seniority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SENIORITY_UNSPECIFIED: _ClassVar[Seniority]
    SENIORITY_JUNIOR: _ClassVar[Seniority]
    SENIORITY_MID: _ClassVar[Seniority]
    SENIORITY_SENIOR: _ClassVar[Seniority]
    SENIORITY_STAFF: _ClassVar[Seniority]
SENIORITY_UNSPECIFIED: Seniority
SENIORITY_JUNIOR: Seniority
SENIORITY_MID: Seniority
SENIORITY_SENIOR: Seniority
SENIORITY_STAFF: Seniority

class Location(_message.Message):
    __slots__ = ("city", "country")
    CITY_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    city: str
    country: str
    def __init__(self, city: _Optional[str] = ..., country: _Optional[str] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("query", "seniority", "skills", "location", "remote", "min_years", "limit", "page_token", "recruiter")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SENIORITY_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    MIN_YEARS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RECRUITER_FIELD_NUMBER: _ClassVar[int]
    query: str
    seniority: Seniority
    skills: _containers.RepeatedScalarFieldContainer[str]
    location: Location
    remote: bool
    min_years: int
    limit: int
    page_token: str
    recruiter: str
    def __init__(self, query: _Optional[str] = ..., seniority: _Optional[_Union[Seniority, str]] = ..., skills: _Optional[_Iterable[str]] = ..., location: _Optional[_Union[Location, _Mapping]] = ..., remote: _Optional[bool] = ..., min_years: _Optional[int] = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ..., recruiter: _Optional[str] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("candidates", "total", "next_page_token", "searched_by")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_BY_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    total: int
    next_page_token: str
    searched_by: str
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., total: _Optional[int] = ..., next_page_token: _Optional[str] = ..., searched_by: _Optional[str] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("id", "name", "title", "seniority", "skills", "location", "remote", "years")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SENIORITY_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    YEARS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    title: str
    seniority: Seniority
    skills: _containers.RepeatedScalarFieldContainer[str]
    location: Location
    remote: bool
    years: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., title: _Optional[str] = ..., seniority: _Optional[_Union[Seniority, str]] = ..., skills: _Optional[_Iterable[str]] = ..., location: _Optional[_Union[Location, _Mapping]] = ..., remote: _Optional[bool] = ..., years: _Optional[int] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("candidate", "summary", "jobs", "available_from", "email", "languages")
    class LanguagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FROM_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    candidate: Candidate
    summary: str
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    available_from: _timestamp_pb2.Timestamp
    email: str
    languages: _containers.ScalarMap[str, str]
    def __init__(self, candidate: _Optional[_Union[Candidate, _Mapping]] = ..., summary: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., available_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., email: _Optional[str] = ..., languages: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("company", "title", "since", "until")
    COMPANY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    company: str
    title: str
    since: int
    until: int
    def __init__(self, company: _Optional[str] = ..., title: _Optional[str] = ..., since: _Optional[int] = ..., until: _Optional[int] = ...) -> None: ...
