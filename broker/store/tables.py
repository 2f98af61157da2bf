"""The tables of the broker, in the terms of the field.  All schema changes are Alembic migrations beside this file.

Times are UTC, stored with microseconds; the start of a step is kept as local wall time at the site (text that sorts) as
devices show it.  Contents are JSON by DICOM keyword; columns hold what identifies, links, is searched or counted.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from broker.store import (
    availability_tables,
    destination_tables,
    device_tables,
    inference_tables,
    intake_tables,
    people_tables,
    reconciliation_tables,
    schema,
)
from broker.store.types import UtcDateTime

metadata = schema.metadata
#: the tables of these modules are part of metadata
PARTS = (
    availability_tables, destination_tables, device_tables, inference_tables, intake_tables, people_tables,
    reconciliation_tables,
)  # fmt: skip
_Key, _Json, _key, _refers, _text = schema.Key, schema.Json, schema.key, schema.refers, schema.text_column

patient = Table(
    "patient",
    metadata,
    _key(),
    Column("attributes", _Json, nullable=False),
    _text("name_folded", index=True),
    _refers("merged_into", "patient", nullable=True),
    # when each value was stated, by path (domain.stating); NULL: by orders only, or never noted
    Column("stated", JSON),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

patient_identifier = Table(
    "patient_identifier",
    metadata,
    _key(),
    _refers("patient_id", "patient"),
    _text("value"),
    _text("issuer"),
    Column("position", Integer, nullable=False),
    UniqueConstraint("value", "issuer"),
)

visit = Table(
    "visit",
    metadata,
    _key(),
    _refers("patient_id", "patient"),
    _text("admission_id"),
    _text("issuer"),
    Column("attributes", _Json, nullable=False),
    Column("stated", JSON),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("patient_id", "admission_id", "issuer"),
)

imaging_service_request = Table(
    "imaging_service_request",
    metadata,
    _key(),
    _refers("patient_id", "patient"),
    _refers("visit_id", "visit"),
    _text("sender"),
    _text("accession_number", index=True),
    _text("accession_issuer"),
    # empty text would collide in the unique constraints: an absent number is NULL
    Column("placer_order_number", Text),
    Column("placer_scope", Text),
    _text("placer_issuer"),
    Column("filler_order_number", Text),
    Column("filler_scope", Text),
    _text("filler_issuer"),
    Column("attributes", _Json, nullable=False),
    # when the sender says the newest applied change happened (late messages must not overwrite newer data)
    Column("occurred_at", UtcDateTime),
    Column("stated", JSON),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("placer_order_number", "placer_scope"),
    UniqueConstraint("filler_order_number", "filler_scope"),
)

requested_procedure = Table(
    "requested_procedure",
    metadata,
    _key(),
    _refers("request_id", "imaging_service_request"),
    _text("requested_procedure_id", index=True),
    Column("study_instance_uid", Text, nullable=False, unique=True),
    Column("position", Integer, nullable=False),
    Column("attributes", _Json, nullable=False),
)

scheduled_procedure_step = Table(
    "scheduled_procedure_step",
    metadata,
    _key(),
    _refers("procedure_id", "requested_procedure"),
    _text("scheduled_procedure_step_id", index=True),
    Column("position", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("resting_status", String(16), nullable=False),
    Column("attributes", _Json, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("0")),
    Column("updated_at", UtcDateTime, nullable=False),
    # true while something that was said about it in place of a device stands (step_inference)
    Column("inferred", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("procedure_id", "scheduled_procedure_step_id", name="uq_scheduled_procedure_step_identity"),
)

worklist_item = Table(
    "worklist_item",
    metadata,
    Column("step_id", _Key, ForeignKey("scheduled_procedure_step.id"), primary_key=True, autoincrement=False),
    _refers("request_id", "imaging_service_request"),
    _refers("patient_id", "patient"),
    _text("sender"),
    # false when a type 1 attribute is missing: such an item is never sent, and the explainer says so
    Column("complete", Boolean, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    _text("modality"),
    # local wall time at the site, YYYYMMDDHHMMSS; sorts and ranges as text
    Column("start_at", String(14), nullable=False),
    _text("accession_number"),
    _text("patient_id_value"),
    _text("patient_name_folded"),
    _text("physician_name_folded"),
    _text("requested_procedure_id"),
    _text("scheduled_procedure_step_id"),
    _text("study_instance_uid"),
    _text("admission_id"),
    Column("document", _Json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("status_at", UtcDateTime),  # since when it has this status; null for rows older than the column
    Index("ix_worklist_item_open_start", "start_at", sqlite_where=text("open"), postgresql_where=text("open")),
    Index(
        "ix_worklist_item_open_modality_start", "modality", "start_at",
        sqlite_where=text("open"), postgresql_where=text("open"),
    ),
    Index("ix_worklist_item_accession", "accession_number"),
    Index("ix_worklist_item_patient_id_value", "patient_id_value"),
    Index(
        "ix_worklist_item_patient_name", "patient_name_folded",
        sqlite_where=text("open"), postgresql_where=text("open"),
    ),
    Index("ix_worklist_item_study_uid", "study_instance_uid"),
    Index("ix_worklist_item_step_id_value", "scheduled_procedure_step_id"),
    Index("ix_worklist_item_start", "start_at"),
    Index(
        "ix_worklist_item_started", "step_id",
        sqlite_where=text("status = 'STARTED'"), postgresql_where=text("status = 'STARTED'"),
    ),
)  # fmt: skip

worklist_item_station = Table(
    "worklist_item_station",
    metadata,
    Column("station_ae_title", Text, primary_key=True),
    Column("step_id", _Key, ForeignKey("worklist_item.step_id", ondelete="CASCADE"), primary_key=True),
    Index("ix_worklist_item_station_step", "step_id"),
)

performed_procedure_step = Table(
    "performed_procedure_step",
    metadata,
    _key(),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    _text("calling_ae_title"),
    _text("performed_station_ae_title"),
    _text("modality"),
    _text("patient_id_value"),
    _text("accession_number"),
    _text("discontinuation_code"),
    _text("started_at"),
    _text("ended_at"),
    # what counts in place of status and discontinuation_code while a correction by staff stands
    Column("corrected_status", String(16)),
    Column("corrected_code", Text),
    # the merged object by DICOM JSON model (PS3.18 annex F), and every request exactly as received
    Column("dataset", _Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("0")),
    # what a device did in some days; of columns that never change, so that an update leaves it alone
    Index("ix_performed_procedure_step_device", "calling_ae_title", "created_at"),
)

performed_message = Table(
    "performed_message",
    metadata,
    _key(),
    _refers("performed_id", "performed_procedure_step"),
    Column("service", String(8), nullable=False),
    _text("calling_ae_title"),
    _text("transfer_syntax_uid"),
    Column("dataset", LargeBinary, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

step_link = Table(
    "step_link",
    metadata,
    _key(),
    _refers("performed_id", "performed_procedure_step"),
    _refers("step_id", "scheduled_procedure_step"),
    # named: by the device; matched: by a rule (confidence below 100); by hand: by a person; created: the order was
    # made from the exam
    Column("origin", String(8), nullable=False),
    _text("rule"),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("performed_id", "step_id"),
)

journal_entry = Table(
    "journal_entry",
    metadata,
    _key(),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    _text("sender"),
    _text("peer"),
    _text("control_id"),
    _text("message_type"),
    Column("digest", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("outcome", String(12), nullable=False, index=True),
    _text("error_code"),
    _text("error_location"),
    _text("error_text"),
    Column("acknowledgement", LargeBinary),
    Column("changes", _Json),
    Column("seconds", JSON),
    Index("ix_journal_entry_duplicate", "sender", "control_id", "digest"),
)

# messages read again from the journal: who, when, for show or for good, and what came of it
replay_run = Table(
    "replay_run",
    metadata,
    _key(),
    Column("at", UtcDateTime, nullable=False),
    _text("actor"),
    _refers("journal_id", "journal_entry"),
    Column("dry_run", Boolean, nullable=False),
    Column("outcome", String(12), nullable=False),
    _text("text"),
    # the journal entry that the run made, when it was for good
    _refers("result_id", "journal_entry", nullable=True),
)

event = Table(
    "event",
    metadata,
    _key(),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("source", String(12), nullable=False),
    _text("actor"),
    _refers("patient_id", "patient", nullable=True),
    _refers("request_id", "imaging_service_request", nullable=True),
    _refers("step_id", "scheduled_procedure_step", nullable=True),
    _refers("performed_id", "performed_procedure_step", nullable=True),
    _refers("journal_id", "journal_entry", nullable=True),
    Column("data", _Json, nullable=False),
)

outbox_entry = Table(
    "outbox_entry",
    metadata,
    _key(),
    # stays the same over every attempt: receivers recognise a repeat by it (MSH-10, at most 20 characters)
    Column("message_id", String(20), nullable=False, unique=True),
    _text("destination"),
    # what must stay in order among itself: one order, or one performed step
    _text("subject"),
    Column("kind", String(40), nullable=False),
    _refers("request_id", "imaging_service_request", nullable=True),
    _refers("event_id", "event", nullable=True),
    Column("payload", _Json, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", UtcDateTime, nullable=False),
    _text("claimed_by"),
    Column("claimed_until", UtcDateTime),
    _text("last_error"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    # a person had it sent again; its age counts from then
    Column("resent_at", UtcDateTime),
    Index(
        "ix_outbox_entry_waiting", "destination", "subject", "id",
        sqlite_where=text("state in ('pending', 'parked')"), postgresql_where=text("state in ('pending', 'parked')"),
    ),
    Index(
        "ix_outbox_entry_skipped", "id",
        sqlite_where=text("state = 'skipped'"), postgresql_where=text("state = 'skipped'"),
    ),
    Index(
        "ix_outbox_entry_due", "destination", "due_at",
        sqlite_where=text("state = 'pending'"), postgresql_where=text("state = 'pending'"),
    ),
)  # fmt: skip

outbox_attempt = Table(
    "outbox_attempt",
    metadata,
    _key(),
    _refers("entry_id", "outbox_entry"),
    Column("at", UtcDateTime, nullable=False),
    Column("result", String(12), nullable=False),
    Column("milliseconds", Integer, nullable=False),
    # the receiver's words, and its answer as received
    _text("detail"),
    Column("answer", LargeBinary),
)

# A destination with a row here is held: its entries above `after_entry` wait.  Resuming deletes the row.
destination_hold = Table(
    "destination_hold",
    metadata,
    Column("destination", Text, primary_key=True),
    Column("after_entry", _Key, nullable=False),
    # drained: what waited when it began is still sent; disabled: the receiver asked for no more
    Column("how", String(8), nullable=False),
    _text("reason"),
    _text("held_by"),
    Column("held_at", UtcDateTime, nullable=False),
)

device = Table(
    "device",
    metadata,
    _key(),
    Column("ae_title", String(16), nullable=False, unique=True),
    _text("address"),
    Column("known", Boolean, nullable=False, server_default=false()),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
)

device_query = Table(
    "device_query",
    metadata,
    _key(),
    Column("at", UtcDateTime, nullable=False, index=True),
    _text("calling_ae_title", index=True),
    _text("address"),
    # the keys as sent, by keyword path, kept for days only; at the end what was negotiated for them (PS3.4 K.5)
    Column("keys", _Json, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("fuzzy_names", Boolean, nullable=False, server_default=false()),
    Column("offset_minutes", Integer, nullable=True),
)

# which device was given which step, and how often: one row per pair, counted up in batches after the answers left
step_query = Table(
    "step_query",
    metadata,
    Column("step_id", _Key, ForeignKey("scheduled_procedure_step.id"), primary_key=True, autoincrement=False),
    Column("calling_ae_title", String(16), primary_key=True),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
    Index("ix_step_query_device", "calling_ae_title", "first_at"),
)

number_sequence = Table(
    "number_sequence",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", _Key, nullable=False),
)
