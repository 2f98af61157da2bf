"""Patients, orders, procedures, steps and the worklist read model."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _create_number_sequence() -> None:
    op.create_table(
        "number_sequence",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", columns.KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_number_sequence"),
    )


def _create_patient() -> None:
    op.create_table(
        "patient",
        columns.key(),
        sa.Column("attributes", columns.JSON, nullable=False),
        columns.text("name_folded"),
        columns.refers("merged_into", "patient", "patient", nullable=True),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.Column("updated_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patient"),
    )
    op.create_index("ix_patient_merged_into", "patient", ["merged_into"])
    op.create_index("ix_patient_name_folded", "patient", ["name_folded"])


def _create_patient_identifier() -> None:
    op.create_table(
        "patient_identifier",
        columns.key(),
        columns.refers("patient_id", "patient_identifier", "patient"),
        columns.text("value"),
        columns.text("issuer"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patient_identifier"),
        sa.UniqueConstraint("value", "issuer", name="uq_patient_identifier_value_issuer"),
    )
    op.create_index("ix_patient_identifier_patient_id", "patient_identifier", ["patient_id"])


def _create_visit() -> None:
    op.create_table(
        "visit",
        columns.key(),
        columns.refers("patient_id", "visit", "patient"),
        columns.text("admission_id"),
        columns.text("issuer"),
        sa.Column("attributes", columns.JSON, nullable=False),
        sa.Column("updated_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visit"),
        sa.UniqueConstraint("patient_id", "admission_id", "issuer", name="uq_visit_patient_id_admission_id_issuer"),
    )
    op.create_index("ix_visit_patient_id", "visit", ["patient_id"])


def _create_imaging_service_request() -> None:
    op.create_table(
        "imaging_service_request",
        columns.key(),
        columns.refers("patient_id", "imaging_service_request", "patient"),
        columns.refers("visit_id", "imaging_service_request", "visit"),
        columns.text("sender"),
        columns.text("accession_number"),
        columns.text("accession_issuer"),
        sa.Column("placer_order_number", sa.Text, nullable=True),
        sa.Column("placer_scope", sa.Text, nullable=True),
        columns.text("placer_issuer"),
        sa.Column("filler_order_number", sa.Text, nullable=True),
        sa.Column("filler_scope", sa.Text, nullable=True),
        columns.text("filler_issuer"),
        sa.Column("attributes", columns.JSON, nullable=False),
        sa.Column("occurred_at", columns.TIME, nullable=True),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.Column("updated_at", columns.TIME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_imaging_service_request"),
        sa.UniqueConstraint(
            "filler_order_number", "filler_scope", name="uq_imaging_service_request_filler_order_number_filler_scope"
        ),
        sa.UniqueConstraint(
            "placer_order_number", "placer_scope", name="uq_imaging_service_request_placer_order_number_placer_scope"
        ),
    )
    op.create_index("ix_imaging_service_request_accession_number", "imaging_service_request", ["accession_number"])
    op.create_index("ix_imaging_service_request_patient_id", "imaging_service_request", ["patient_id"])
    op.create_index("ix_imaging_service_request_visit_id", "imaging_service_request", ["visit_id"])


def _create_requested_procedure() -> None:
    op.create_table(
        "requested_procedure",
        columns.key(),
        columns.refers("request_id", "requested_procedure", "imaging_service_request"),
        columns.text("requested_procedure_id"),
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("attributes", columns.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requested_procedure"),
        sa.UniqueConstraint("study_instance_uid", name="uq_requested_procedure_study_instance_uid"),
    )
    op.create_index("ix_requested_procedure_request_id", "requested_procedure", ["request_id"])
    op.create_index("ix_requested_procedure_requested_procedure_id", "requested_procedure", ["requested_procedure_id"])


def _create_scheduled_procedure_step() -> None:
    op.create_table(
        "scheduled_procedure_step",
        columns.key(),
        columns.refers("procedure_id", "scheduled_procedure_step", "requested_procedure"),
        columns.text("scheduled_procedure_step_id"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("resting_status", sa.String(16), nullable=False),
        sa.Column("attributes", columns.JSON, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("updated_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_procedure_step"),
        sa.UniqueConstraint("procedure_id", "scheduled_procedure_step_id", name="uq_scheduled_procedure_step_identity"),
    )
    op.create_index("ix_scheduled_procedure_step_procedure_id", "scheduled_procedure_step", ["procedure_id"])
    op.create_index(
        "ix_scheduled_procedure_step_scheduled_procedure_step_id",
        "scheduled_procedure_step",
        ["scheduled_procedure_step_id"],
    )


def _create_worklist_item() -> None:
    op.create_table(
        "worklist_item",
        sa.Column(
            "step_id",
            columns.KEY,
            sa.ForeignKey("scheduled_procedure_step.id", name="fk_worklist_item_step_id"),
            autoincrement=False,
            nullable=False,
        ),
        columns.refers("request_id", "worklist_item", "imaging_service_request"),
        columns.refers("patient_id", "worklist_item", "patient"),
        columns.text("sender"),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        columns.text("modality"),
        sa.Column("start_at", sa.String(14), nullable=False),
        columns.text("accession_number"),
        columns.text("patient_id_value"),
        columns.text("patient_name_folded"),
        columns.text("physician_name_folded"),
        columns.text("requested_procedure_id"),
        columns.text("scheduled_procedure_step_id"),
        columns.text("study_instance_uid"),
        columns.text("admission_id"),
        sa.Column("document", columns.JSON, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("step_id", name="pk_worklist_item"),
    )
    op.create_index("ix_worklist_item_accession", "worklist_item", ["accession_number"])
    op.create_index(
        "ix_worklist_item_open_modality_start",
        "worklist_item",
        ["modality", "start_at"],
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    )
    op.create_index(
        "ix_worklist_item_open_start",
        "worklist_item",
        ["start_at"],
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    )
    op.create_index("ix_worklist_item_patient_id", "worklist_item", ["patient_id"])
    op.create_index("ix_worklist_item_patient_id_value", "worklist_item", ["patient_id_value"])
    op.create_index(
        "ix_worklist_item_patient_name",
        "worklist_item",
        ["patient_name_folded"],
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    )
    op.create_index("ix_worklist_item_request_id", "worklist_item", ["request_id"])
    op.create_index("ix_worklist_item_start", "worklist_item", ["start_at"])
    op.create_index("ix_worklist_item_step_id_value", "worklist_item", ["scheduled_procedure_step_id"])
    op.create_index("ix_worklist_item_study_uid", "worklist_item", ["study_instance_uid"])


def _create_worklist_item_station() -> None:
    op.create_table(
        "worklist_item_station",
        sa.Column("station_ae_title", sa.Text, nullable=False),
        sa.Column(
            "step_id",
            columns.KEY,
            sa.ForeignKey("worklist_item.step_id", name="fk_worklist_item_station_step_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("station_ae_title", "step_id", name="pk_worklist_item_station"),
    )
    op.create_index("ix_worklist_item_station_step", "worklist_item_station", ["step_id"])


def upgrade() -> None:
    """Create the tables."""
    _create_number_sequence()
    _create_patient()
    _create_patient_identifier()
    _create_visit()
    _create_imaging_service_request()
    _create_requested_procedure()
    _create_scheduled_procedure_step()
    _create_worklist_item()
    _create_worklist_item_station()


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "worklist_item_station",
        "worklist_item",
        "scheduled_procedure_step",
        "requested_procedure",
        "imaging_service_request",
        "visit",
        "patient_identifier",
        "patient",
        "number_sequence",
    ):
        op.drop_table(table)
