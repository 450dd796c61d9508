"""Media types of an agent: what is one, and which parts they let in."""

import pytest

from registry.modes import MOST, mode_faults, takes


@pytest.mark.parametrize("mode", ["image/png", "image/*", "application/vnd.ms-excel", "application/ld+json"])
def test_media_types_and_kinds_of_them_are_taken(mode: str) -> None:
    assert list(mode_faults([mode])) == []


@pytest.mark.parametrize("mode", ["", "image", "*/*", "image/", "Image/png", "image/png; q=1", "image/*png", "a/b/c"])
def test_anything_else_is_named(mode: str) -> None:
    (fault,) = mode_faults([mode])
    assert f'"{mode}"' in fault


def test_there_are_not_too_many_and_none_twice() -> None:
    assert list(mode_faults(["image/png", "image/png"])) == ["a media type is there twice."]
    (fault,) = mode_faults([f"a/b{number}" for number in range(MOST + 1)])
    assert str(MOST) in fault


@pytest.mark.parametrize(
    ("media_type", "taken"),
    [("image/png", True), ("IMAGE/PNG", True), ("image/png;q=1", True), ("audio/wav", True), ("image/jpeg", False)],
)
def test_parameters_and_case_of_a_part_do_not_matter(media_type: str, taken: bool) -> None:
    assert takes(("image/png", "audio/*"), media_type) is taken
