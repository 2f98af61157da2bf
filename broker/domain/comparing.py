"""The form in which a value is compared, by value representation: the same for stored values and for keys.

Sources: PS3.5 Table 6.2-1 (which padding is significant), PS3.4 C.2.2.2.
"""

from decimal import Decimal, DecimalException

from broker.domain.dicom_times import plain_date, plain_time
from broker.domain.names import component_groups, fold, trim_components

_LEADING_BLANKS_COUNT = frozenset({"LT", "ST", "UT", "UC", "UR"})


def comparable(vr: str, value: str) -> str:
    """One key or value without insignificant padding.  Dates, times and names need their own form too: see below."""
    if vr in _LEADING_BLANKS_COUNT:
        return value.rstrip(" \0")
    plain = value.strip(" \0")
    return _number(plain) if vr in ("DS", "IS") else plain


def stored(vr: str, value: str) -> tuple[str, ...]:
    """The comparable forms of a stored value: one, except for names, which have one for each component group.

    Groups keep their place; an unknown value has none.
    """
    if vr == "PN":
        return tuple(fold(group) for group in component_groups(value))
    if vr == "DA":
        form = plain_date(value)
    elif vr == "TM":
        form = plain_time(value)
    else:
        form = comparable(vr, value)
    return (form,) if form else ()


def fold_key(group: str) -> str:
    """One component group of a name key; its wildcard characters keep their meaning."""
    return fold(trim_components(group))


def _number(text: str) -> str:
    """``5``, ``5.0`` and ``+5`` are one number."""
    try:
        return str(Decimal(text).normalize())
    except DecimalException:
        return text
