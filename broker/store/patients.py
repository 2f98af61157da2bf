"""Patients, their identifiers and visits: loading by identity and saving."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from broker.domain.attributes import text
from broker.domain.model import Identifier, Patient, Visit
from broker.domain.names import fold_name
from broker.store.prepared import Prepared
from broker.store.tables import patient, patient_identifier, visit

_BY_IDENTIFIER = Prepared(
    select(patient.c.id, patient.c.merged_into)
    .join(patient_identifier)
    .where(patient_identifier.c.value == bindparam("value"), patient_identifier.c.issuer == bindparam("issuer"))
)
_BY_KEY = Prepared(
    select(patient.c.id, patient.c.attributes, patient.c.merged_into, patient.c.stated).where(
        patient.c.id == bindparam("key")
    )
)
_INSERT = Prepared(insert(patient).returning(patient.c.id))
_UPDATE = Prepared(update(patient).where(patient.c.id == bindparam("key")))
_INSERT_IDENTIFIER = Prepared(insert(patient_identifier))
_IDENTIFIERS = Prepared(
    select(patient_identifier.c.value, patient_identifier.c.issuer)
    .where(patient_identifier.c.patient_id == bindparam("key"))
    .order_by(patient_identifier.c.position, patient_identifier.c.id)
)
_VISIT_COLUMNS = select(visit.c.id, visit.c.admission_id, visit.c.issuer, visit.c.attributes, visit.c.stated)
_VISIT = Prepared(
    _VISIT_COLUMNS.where(
        visit.c.patient_id == bindparam("patient"),
        visit.c.admission_id == bindparam("admission"),
        visit.c.issuer == bindparam("visit_issuer"),
    )
)
_VISIT_BY_KEY = Prepared(_VISIT_COLUMNS.where(visit.c.id == bindparam("key")))
_WITH_VISIT = Prepared(
    select(
        patient.c.merged_into, patient.c.attributes.label("patient_attributes"),
        patient.c.stated.label("patient_stated"), visit, patient_identifier.c.value,
        patient_identifier.c.issuer.label("assigned_by"),
    )
    .select_from(
        patient.join(visit, visit.c.id == bindparam("visit"))
        .outerjoin(patient_identifier, patient_identifier.c.patient_id == patient.c.id)
    )
    .where(patient.c.id == bindparam("key"))
    .order_by(patient_identifier.c.position, patient_identifier.c.id)
)  # fmt: skip
_INSERT_VISIT = Prepared(insert(visit).returning(visit.c.id))
_UPDATE_VISIT = Prepared(update(visit).where(visit.c.id == bindparam("key")))


def find(connection: Connection, identifier: Identifier) -> Patient | None:
    """The patient known by ``identifier`` (the survivor when it was merged), or None."""
    row = _BY_IDENTIFIER.first(connection, {"value": identifier.value, "issuer": identifier.issuer})
    if row is None:
        return None
    return load(connection, row.merged_into or row.id)


def load(connection: Connection, key: int) -> Patient:
    """The patient with database key ``key``; follows merges to the survivor."""
    row = _BY_KEY.one(connection, {"key": key})
    while row.merged_into is not None:
        row = _BY_KEY.one(connection, {"key": row.merged_into})
    identifiers = tuple(Identifier(r.value, r.issuer) for r in _IDENTIFIERS.all(connection, {"key": row.id}))
    return Patient(identifiers, row.attributes, row.id, row.stated or {})


def load_with_visit(connection: Connection, key: int, visit_key: int) -> tuple[Patient, Visit]:
    """``load`` and ``load_visit`` in one statement."""
    rows = _WITH_VISIT.all(connection, {"key": key, "visit": visit_key})
    if not rows or rows[0].merged_into is not None:
        return load(connection, key), load_visit(connection, visit_key)
    row = rows[0]
    identifiers = tuple(Identifier(r.value, r.assigned_by) for r in rows if r.value is not None)
    return Patient(identifiers, row.patient_attributes, key, row.patient_stated or {}), _visit(row)


def identifiers_of_value(connection: Connection, value: str) -> list[Identifier]:
    """The identifiers of this value, whoever issued them."""
    query = select(patient_identifier.c.value, patient_identifier.c.issuer).where(patient_identifier.c.value == value)
    return [Identifier(r.value, r.issuer) for r in connection.execute(query.order_by(patient_identifier.c.issuer))]


def save(connection: Connection, person: Patient, at: datetime) -> int:
    """Insert or update ``person`` with the identifiers it has now; answers its key."""
    values = {
        "attributes": dict(person.attributes),
        "name_folded": fold_name(text(person.attributes, "PatientName")),
        "stated": dict(person.stated),
        "updated_at": at,
    }
    if person.key is None:
        row = _INSERT.one(connection, {**values, "created_at": at})
        key = int(row.id)
        known: set[Identifier] = set()
    else:
        key = person.key
        _UPDATE.run(connection, {**values, "key": key})
        known = {Identifier(r.value, r.issuer) for r in _IDENTIFIERS.all(connection, {"key": key})}
    fresh = [
        {"patient_id": key, "value": i.value, "issuer": i.issuer, "position": position}
        for position, i in enumerate(person.identifiers)
        if i not in known
    ]
    _INSERT_IDENTIFIER.many(connection, fresh)
    return key


def find_visit(connection: Connection, patient_key: int, admission: Identifier) -> Visit | None:
    """The patient's visit with this admission ID (the empty one: 'no visit number known'), or None."""
    identity = {"patient": patient_key, "admission": admission.value, "visit_issuer": admission.issuer}
    row = _VISIT.first(connection, identity)
    return None if row is None else _visit(row)


def load_visit(connection: Connection, key: int) -> Visit:
    """The visit with database key ``key``."""
    return _visit(_VISIT_BY_KEY.one(connection, {"key": key}))


def save_visit(connection: Connection, stay: Visit, patient_key: int, at: datetime) -> int:
    """Insert or update ``stay``; answers its key."""
    values = {"attributes": dict(stay.attributes), "stated": dict(stay.stated), "updated_at": at}
    if stay.key is not None:
        _UPDATE_VISIT.run(connection, {**values, "key": stay.key})
        return stay.key
    identity = {"patient_id": patient_key, "admission_id": stay.admission.value, "issuer": stay.admission.issuer}
    return int(_INSERT_VISIT.one(connection, {**values, **identity}).id)


def _visit(row: Any) -> Visit:
    return Visit(Identifier(row.admission_id, row.issuer), row.attributes, row.id, row.stated or {})
