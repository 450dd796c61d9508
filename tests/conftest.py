"""Fixtures that tests of several folders share."""

from tests.support.demo import demo

__all__ = ["demo"]
