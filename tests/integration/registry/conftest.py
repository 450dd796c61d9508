"""A registrar on a real store, and who uses it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.operations import Registrar
from registry.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/catalog.db")
    yield opened
    opened.close()


@pytest.fixture
def registrar(store: Store) -> Registrar:
    return Registrar(store, allowed_targets=("127.0.0.1:*",), vet=lambda _: ())
