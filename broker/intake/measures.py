"""Conversions of measures and of values from tables: weight, height, sex, modality, priority, pregnancy, needs.

Owns: units and plausible ranges (mapping reference 5), and the use of value tables.  Must not: hold the tables, which
mappings do.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from broker.domain.attributes import Value
from broker.intake.environment import Environment, Unknown, Unusable
from broker.intake.pieces import Piece
from broker.intake.texts import clean_line

_KILOGRAMS = {
    "kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237"), "lbs": Decimal("0.45359237"),
    "[lb_av]": Decimal("0.45359237"), "oz": Decimal("0.028349523125"), "[oz_av]": Decimal("0.028349523125"),
}  # fmt: skip
_METRES = {
    "m": Decimal(1), "cm": Decimal("0.01"), "mm": Decimal("0.001"),
    "in": Decimal("0.0254"), "[in_i]": Decimal("0.0254"), "ft": Decimal("0.3048"), "[ft_i]": Decimal("0.3048"),
}  # fmt: skip


def kilograms(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """A weight in kg, 0.2 to 500."""
    return _measure(pieces, _KILOGRAMS, Decimal("0.2"), Decimal(500))


def metres(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """A height in m, 0.2 to 2.7."""
    return _measure(pieces, _METRES, Decimal("0.2"), Decimal("2.7"))


def _measure(pieces: Sequence[Piece], factors: dict[str, Decimal], low: Decimal, high: Decimal) -> str | None:
    """The last result counts: it is the newest of its kind in the message."""
    piece = pieces[-1]
    factor = factors.get(piece.unit.strip().casefold())
    if factor is None:
        raise Unusable("the unit is missing or unknown", code="103")
    try:
        amount = Decimal(piece.text.replace(",", ".")) * factor
    except InvalidOperation:
        raise Unusable("the measure is no number") from None
    if not amount.is_finite() or not low <= amount <= high:
        raise Unusable("the measure is out of all proportion")
    return f"{amount.quantize(Decimal('0.001')).normalize():f}"


def _from_table(table: str, pieces: Sequence[Piece], env: Environment) -> str:
    value = env.look_up(table, pieces[0].text)
    if value is None:
        raise Unusable(f"the value is not in the table; add it to [tables.{table}] of the mapping", code="103")
    return value


def sex(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Table ``sex``; what it does not name, or names as empty, is unknown (mapping reference 8.3)."""
    value = env.look_up("sex", pieces[0].text)
    if not value:
        raise Unknown
    return value


def modality(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Table ``modality``."""
    return _from_table("modality", pieces, env)


def priority(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Table ``priority``; a timing code may carry a number (``TM10``)."""
    text = pieces[0].text
    return (
        env.look_up("priority", text)
        or env.look_up("priority", text.rstrip("0123456789"))
        or _from_table("priority", pieces, env)
    )


def transport(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Table ``transport``, else the text as it is."""
    return env.look_up("transport", pieces[0].text) or clean_line(pieces[0].text)


def pregnancy(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Table ``pregnancy``, of results (OBX) ``pregnancy_result``: the first value it names (PS3.3 C.7.1.4, 1 to 4)."""
    for piece in pieces:
        value = env.look_up("pregnancy_result" if piece.path.segment == "OBX" else "pregnancy", piece.text)
        if value is not None and value.isdigit():
            return int(value)
    return None


def needs(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Table ``needs``: every repetition it names, in one line."""
    return ", ".join(value for piece in pieces if (value := env.look_up("needs", piece.text)))
