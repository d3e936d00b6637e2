"""A frozen record is a value: compared, hashed and copied by its fields; mypy refuses to set one."""

from dataclasses import replace

from harness.frozen import frozen


@frozen
class Point:
    x: int
    y: int = 0


def test_records_are_compared_hashed_and_copied_by_their_fields() -> None:
    assert {Point(1), Point(1, 0), replace(Point(2), x=1)} == {Point(1)}
    assert Point(1) != Point(1, 2)
    assert not hasattr(Point(1), "__dict__")


def test_only_the_type_checker_keeps_a_field_from_being_set() -> None:
    """Were this no error to mypy, it would call the comment unused, which is an error in strict mode."""
    point = Point(1)
    point.x = 2  # type: ignore[misc]
    assert point == Point(2)
