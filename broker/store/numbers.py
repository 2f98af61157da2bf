"""Numbers never given twice: a counter row per name, advanced in the transaction that uses it."""

from sqlalchemy import Connection, bindparam, insert, update

from broker.store.prepared import Prepared
from broker.store.tables import number_sequence

_ADVANCE = Prepared(
    update(number_sequence)
    .where(number_sequence.c.name == bindparam("sequence"))
    .values(value=number_sequence.c.value + 1)
    .returning(number_sequence.c.value)
)


def next_number(connection: Connection, name: str) -> int:
    """The next number of the sequence ``name``, from 1.  A rolled-back transaction gives its number back."""
    row = _ADVANCE.first(connection, {"sequence": name})
    if row is None:
        connection.execute(insert(number_sequence), {"name": name, "value": 1})
        return 1
    return int(row.value)
