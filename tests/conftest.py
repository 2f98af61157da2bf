"""Fixtures for every test: databases, and the broker as a process. The work is done in tests/support."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.dicom import library
from tests.support import databases, nats, postgres, rabbitmq, requirements
from tests.support.postgres import PostgresServer
from tests.support.process import BrokerProcess
from tests.support.rabbitmq import RabbitServer
from tests.support.reused import ReusedDatabase

BOTH_DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
StartBroker = Callable[..., BrokerProcess]


def pytest_configure(config: pytest.Config) -> None:
    """Refuses a misspelt BROKER_TEST_REQUIRE before any test is run; lets pynetdicom close what it opens."""
    requirements.required()
    library.mend_sockets()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server; skips or fails the test without one."""
    requirements.need("postgresql")
    with postgres.server() as server:
        yield server


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitServer]:
    """A RabbitMQ server; skips or fails the test without one."""
    requirements.need("rabbitmq")
    with rabbitmq.server() as server:
        yield server


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """The URL of a NATS server with JetStream; skips or fails the test without one."""
    requirements.need("nats")
    with nats.server() as url:
        yield url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.sqlite_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    with databases.postgres_template(postgres_server) as name:
        yield name


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of this test's own."""
    return databases.sqlite_copy(_sqlite_template, tmp_path)


@pytest.fixture(scope="session")
def _postgres_reused(postgres_server: PostgresServer, _postgres_template: str) -> Iterator[ReusedDatabase]:
    with ReusedDatabase(postgres_server, _postgres_template) as reused:
        yield reused


@pytest.fixture
def postgres_url(_postgres_reused: ReusedDatabase) -> str:
    """A migrated PostgreSQL database that holds nothing."""
    return _postgres_reused.fresh()


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """A SQLite database without any table: the file does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database without any table."""
    with databases.postgres_database(postgres_server) as (_, url):
        yield url


@pytest.fixture(params=BOTH_DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of this test's own; the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=BOTH_DATABASES)
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """A database without any table, on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue("empty_sqlite_url" if request.param == "sqlite" else "empty_postgres_url")
    return url


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[StartBroker]:
    """start_broker(environment, arguments, data_dir) -> BrokerProcess, listening; it ends with the test."""
    with ExitStack() as stack:

        def start(
            environment: Mapping[str, str] | None = None,
            arguments: Sequence[str] = ("serve",),
            data_dir: Path | None = None,
        ) -> BrokerProcess:
            return stack.enter_context(BrokerProcess(data_dir or tmp_path / "data", arguments, environment))

        yield start
