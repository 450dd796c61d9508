"""Fixtures that tests of several folders share."""

from hypothesis import settings

from tests.support.demo import demo

settings.register_profile("patient", deadline=None)  # how long an example takes says something of the machine only
settings.load_profile("patient")

__all__ = ["demo"]
