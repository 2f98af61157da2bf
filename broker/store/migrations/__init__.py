"""Alembic migrations: the schema's history, one module per step in ``versions``."""
