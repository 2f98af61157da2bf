"""Invented patients for demo and tests: names of several scripts, with the character set their messages come in.

Every person here is made up.  Must not know orders or devices.
"""

from dataclasses import dataclass
from random import Random

#: family, given, sex, MSH-18 of the messages about the patient, further representations (HL7 code, family, given)
_Name = tuple[str, str, str, str, tuple[tuple[str, str, str], ...]]

_UTF_8 = "UNICODE UTF-8"
_NOTABLE: tuple[_Name, ...] = (
    ("Müller", "Jürgen", "M", "8859/1", ()),
    ("García Núñez", "Lucía", "F", "8859/1", ()),
    ("Иванов", "Пётр", "M", "8859/5", ()),
    ("YAMADA", "TARO", "M", _UTF_8, (("I", "山田", "太郎"), ("P", "やまだ", "たろう"))),
    ("Øster", "Åse", "F", "8859/1", ()),
    ("HONG", "GILDONG", "M", _UTF_8, (("I", "洪", "吉洞"), ("P", "홍", "길동"))),
    ("Παπαδοπούλου", "Ελένη", "F", "8859/7", ()),
    ("Çelik", "Ayşe", "F", "8859/9", ()),
    ("WANG", "XIAODONG", "M", _UTF_8, (("I", "王", "小东"),)),
    ("Dvořáková", "Jiřina", "F", "8859/2", ()),
    ("O'Brien", "Siobhán", "F", "8859/1", ()),
    ("محمد", "أحمد", "M", _UTF_8, ()),
)
_FAMILIES = (
    "Abbott", "Bauer", "Bianchi", "Carlsen", "Costa", "Dubois", "Eriksson", "Fischer", "Fontaine", "Garnier", "Hansen",
    "Hofer", "Iversen", "Jansen", "Keller", "Kowalski", "Lambert", "Lindgren", "Marino", "Meier", "Moreau", "Nowak",
    "Okafor", "Olsen", "Peeters", "Quinn", "Rossi", "Santos", "Silva", "Taylor", "Vogel", "Weber", "Wyss", "Zimmer",
)  # fmt: skip
_GIVEN = {
    "F": ("Alice", "Anna", "Carla", "Elena", "Emma", "Ingrid", "Julia", "Laura", "Maria", "Nora", "Rosa", "Sofia"),
    "M": ("Adam", "Carlos", "David", "Erik", "Felix", "Hugo", "Jonas", "Luca", "Marco", "Noah", "Oscar", "Simon"),
}


@dataclass(frozen=True, slots=True)
class InventedPatient:
    """A patient as a RIS knows one.  ``charset`` is the MSH-18 of its messages."""

    patient_id: str
    family: str
    given: str
    birth_date: str
    sex: str
    charset: str = _UTF_8
    #: further representations of the name: (HL7 table 4000 code, family, given)
    representations: tuple[tuple[str, str, str], ...] = ()


def invent(count: int, dice: Random) -> list[InventedPatient]:
    """``count`` different patients; the notable names come first."""
    names = list(_NOTABLE[:count])
    while len(names) < count:
        sex = dice.choice("FM")
        name: _Name = (dice.choice(_FAMILIES), dice.choice(_GIVEN[sex]), sex, _UTF_8, ())
        if name not in names:
            names.append(name)
    return [_patient(number, name, dice) for number, name in enumerate(names, 1)]


def _patient(number: int, name: _Name, dice: Random) -> InventedPatient:
    family, given, sex, charset, representations = name
    birth_date = f"{dice.randint(1935, 2018)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
    return InventedPatient(f"DEMO{number:04}", family, given, birth_date, sex, charset, representations)
