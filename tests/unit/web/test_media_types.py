"""Which form an answer gets for an Accept header, and what a Content-Type names."""

import pytest

from broker.services.dicomweb import Form
from broker.web.media_types import acceptable, form_of, media_type

JSON, XML = "application/dicom+json", "application/dicom+xml"
IN_PARTS = "multipart/related"

ACCEPTED = [
    ("", [JSON, XML, f"{IN_PARTS} {JSON}", f"{IN_PARTS} {XML}"]),
    ("*/*", [JSON, XML, f"{IN_PARTS} {JSON}", f"{IN_PARTS} {XML}"]),
    (JSON, [JSON]),
    ("APPLICATION/DICOM+XML", [XML]),
    ("application/json", ["application/json"]),
    ("application/*", [JSON, XML]),
    (f"{JSON};q=0.5, {XML}", [XML, JSON]),
    (f"{XML};q=0.5, {JSON};q=0.4", [XML, JSON]),
    (f"{JSON};q=0, */*", [XML, f"{IN_PARTS} {JSON}", f"{IN_PARTS} {XML}"]),
    (f"{XML}, */*;q=0.1", [XML, JSON, f"{IN_PARTS} {JSON}", f"{IN_PARTS} {XML}"]),
    (f'{IN_PARTS}; type="{XML}"', [f"{IN_PARTS} {XML}"]),
    (f"{IN_PARTS}; type={JSON}; q=0.2, {XML}; q=0.3", [XML, f"{IN_PARTS} {JSON}"]),
    (f'{IN_PARTS}; type="{XML}, x"', []),
    ("text/html, image/*", []),
    (f"{JSON};q=much", []),
]


@pytest.mark.parametrize(("accept", "expected"), ACCEPTED)
def test_what_is_answered(accept: str, expected: list[str]) -> None:
    found = acceptable(accept)
    assert [f"{IN_PARTS} {one.media_type}" if one.multipart else one.media_type for one in found] == expected


@pytest.mark.parametrize(
    ("header", "name", "form"),
    [
        (JSON, JSON, Form.JSON), (f"{XML}; charset=UTF-8", XML, Form.XML), ("text/xml", "text/xml", None),
        ("Application/JSON", "application/json", Form.JSON), ("", "", None), (";;=", "", None),
    ],
)  # fmt: skip
def test_what_a_content_type_names(header: str, name: str, form: Form | None) -> None:
    found = media_type(header)
    assert found.name == name
    assert form_of(found.name) is form
