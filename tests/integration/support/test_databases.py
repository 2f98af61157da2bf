"""Databases given to tests: migrated, each of its own, on both kinds; and a PostgreSQL server where none runs."""

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from tests.support import databases, postgres, requirements


def _tables(url: str) -> set[str]:
    engine = create_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


@pytest.mark.parametrize("time", ["first", "second"])
def test_database_is_migrated_and_of_this_tests_own(database_url: str, time: str) -> None:
    engine = create_engine(database_url)
    assert "alembic_version" in inspect(engine).get_table_names()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_behind (number INTEGER)"))
    engine.dispose()


@pytest.mark.postgres
def test_a_database_is_used_again_as_if_it_were_new(postgres_url: str, request: pytest.FixtureRequest) -> None:
    reused = request.getfixturevalue("_postgres_reused")
    engine = create_engine(postgres_url)
    order = text("INSERT INTO patient (attributes, created_at, updated_at) VALUES ('{}', now(), now()) RETURNING id")
    for _ in range(2):
        left_open = engine.connect()
        assert [left_open.execute(order).scalar_one() for _ in range(3)] == [1, 2, 3]
        left_open.commit()
        left_open.execute(order)
        assert reused.fresh() == postgres_url
        with pytest.raises(DBAPIError):
            left_open.execute(order)
        left_open.invalidate()
        left_open.close()
    engine.dispose()


def test_empty_database_has_no_table(empty_database_url: str) -> None:
    assert _tables(empty_database_url) == set()


@pytest.mark.postgres
@pytest.mark.slow
def test_throw_away_server_serves_and_leaves_nothing() -> None:
    if postgres.program_folder() is None:
        requirements.give_up("postgresql")
    with postgres.throw_away_server() as server, databases.postgres_database(server) as (name, url):
        assert _tables(url) == set()
        assert server.url(name) == url
    assert not server.answers()


def test_named_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv(postgres.URL_VARIABLE, f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none")
    with pytest.raises(ConnectionError, match=postgres.URL_VARIABLE), postgres.server():
        pass
