"""The only home of SQLAlchemy and Alembic: tables, transactions, queries by subject, migrations.

Functions take a ``Connection`` and know nothing of use cases; they never commit.
"""
