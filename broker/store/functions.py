"""SQL functions that mean the same on both databases."""

import string
from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import GenericFunction


class AsciiLower(GenericFunction[str]):
    """A to Z in lower case, everything else as it is, in every collation."""

    type = String()
    inherit_cache = True
    name = "ascii_lower"

    def __init__(self, column: ColumnElement[str]) -> None:
        super().__init__(column)


@compiles(AsciiLower, "sqlite")
def _sqlite(element: AsciiLower, compiler: Any, **options: Any) -> str:
    """SQLite's own function knows no other letters."""
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(AsciiLower, "postgresql")
def _postgresql(element: AsciiLower, compiler: Any, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    return f"translate({column}, '{string.ascii_uppercase}', '{string.ascii_lowercase}')"
