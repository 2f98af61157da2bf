"""Paths: what is accepted, what it means, what is refused with a remedy."""

import pytest

from hl7.errors import Location
from hl7.paths import Path, parse_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("PID-3", Path("PID", 3)),
        ("PID-5.1", Path("PID", 5, component=1)),
        ("PID-5.1.2", Path("PID", 5, component=1, subcomponent=2)),
        ("OBR[2]-4.1", Path("OBR", 4, occurrence=2, component=1)),
        ("PID-3[2].4.1", Path("PID", 3, repetition=2, component=4, subcomponent=1)),
        ("NTE*-3", Path("NTE", 3, occurrence=None)),
        ("PID-3*.1", Path("PID", 3, repetition=None, component=1)),
        ("NTE*-3*.*", Path("NTE", 3, occurrence=None, repetition=None, whole=True)),
        ("OBR-4.2.*", Path("OBR", 4, component=2, whole=True)),
        ("ZDS-1.1", Path("ZDS", 1, component=1)),
    ],
)
def test_a_path_is_read_and_written_back(text: str, path: Path) -> None:
    assert parse_path(text) == path
    assert str(path) == text


@pytest.mark.parametrize(
    "text",
    ["", "PID", "PID5", "pid-5", "PID-", "PID-0", "PID-1.0", "PID[0]-1", "PID-5.1.1.1", "PIDX-1", "PID-5[x]", "*"],
)
def test_a_wrong_path_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=r"write SEGMENT-FIELD|counts from 1"):
        parse_path(text)


def test_a_subcomponent_has_no_parts() -> None:
    with pytest.raises(ValueError, match="leave the"):
        parse_path("PID-5.1.1.*")


@pytest.mark.parametrize(
    ("location", "erl", "path"),
    [
        (Location("PID"), "PID^1", "PID"),
        (Location("PID", 1, 3), "PID^1^3", "PID-3"),
        (Location("PID", 1, 3, None, 1), "PID^1^3^1^1", "PID-3.1"),
        (Location("PID", 1, 3, 2, 4, 1), "PID^1^3^2^4^1", "PID-3[2].4.1"),
        (Location("OBR", 2, 4), "OBR^2^4", "OBR[2]-4"),
        (Location("ORC", 1, 7, 1, 4), "ORC^1^7^1^4", "ORC-7.4"),
    ],
)
def test_a_location_has_two_forms(location: Location, erl: str, path: str) -> None:
    assert location.erl() == erl
    assert str(location) == path
    if location.field is not None:
        assert str(parse_path(path)) == path
