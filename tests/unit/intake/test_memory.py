"""Rules that remember: a message says the same whether its texts were met before or not."""

from datetime import UTC, datetime

import pytest

from broker.domain.attributes import Level
from broker.intake import memory
from broker.intake.environment import Environment
from broker.intake.mapping import evaluate
from broker.intake.mapping_file import load_mapping
from broker.intake.pieces import Index, Scope
from broker.intake.rules import Mapped, SenderMapping
from hl7.parsing import parse

MAPPING = """
[attributes]
RequestedProcedureID = { from = ["IPC-2"] }
RequestedProcedureDescription = { from = ["OBR-44.2", "OBR-4.2"] }
RequestedProcedureCodeSequence = { from = ["OBR-44", "OBR-4"], as = "code" }
RequestedProcedureComments = { from = [{ path = "NTE*-3", after = "OBR" }], as = "lines" }
ConfidentialityCode = { from = [{ value = "A", where = "OBR-30 in [B]" }, { value = "C", where = "OBX-5 in [B]" }] }
"""
MESSAGES = (
    "OBR|1||||||||||||||||||||||||||||B\rOBX|1||||X",
    "OBR|1||||||||||||||||||||||||||||\rOBX|1||||B",
    "OBR|1||||||||||||||||||||||||||||B",
    "OBR|1\rNTE|1||first\rOBX|1||||x\rNTE|1||first",
    "OBR|1\rOBX|1||||x\rNTE|1||first",
    "OBR|1|||CT^Head^L",
    "OBR|1|||CT^Head^L|||||||||||||||||||||||||||||||||||||||CT^Head^L",
    "OBR|1|||CT^^L|||||||||||||||||||||||||||||||||||||||CT^Head^L",
    'OBR|1|||""',
    'OBR|1|||CT^""^L',
    "OBR|1|||CT^Head~MR^Neck",
    "OBR|1|||^Head",
)


@pytest.fixture(scope="module")
def mapping(tmp_path_factory: pytest.TempPathFactory) -> SenderMapping:
    folder = tmp_path_factory.mktemp("mappings")
    (folder / "own.toml").write_text(MAPPING, encoding="utf-8")
    return load_mapping("own", (folder,))


def read(mapping: SenderMapping, body: str, *, remembering: bool) -> Mapped:
    message = parse(f"MSH|^~\\&|A|B|C|D|20260704||ORM^O01|1|P|2.5.1\r{body}\r".encode())
    env = Environment(UTC, UTC, datetime(2026, 7, 4, tzinfo=UTC))
    env.results = mapping.memory.of(message, env) if remembering else None
    return evaluate(mapping.rules[Level.PROCEDURE], Scope(Index(message), message), env)


@pytest.mark.parametrize("first", MESSAGES)
def test_what_was_met_before_changes_nothing(mapping: SenderMapping, first: str) -> None:
    mapping.memory.surroundings.clear()
    read(mapping, first, remembering=True)
    for body in (*MESSAGES, *reversed(MESSAGES)):
        assert read(mapping, body, remembering=True) == read(mapping, body, remembering=False), body


def test_results_are_bounded(mapping: SenderMapping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST_RESULTS", 10)
    mapping.memory.surroundings.clear()
    for number in range(40):
        read(mapping, f"OBR|1|||CT{number}^Head^L", remembering=True)
    (results,) = mapping.memory.surroundings.values()
    assert len(results) <= 10


def test_what_stands_beside_a_value_counts_too(tmp_path) -> None:
    rule = '{ from = [{ path = "OBX*-5", unit = "OBX-6" }], as = "observations" }'
    text = f"[attributes]\nAdditionalPatientHistory = {rule}"
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    mapping = load_mapping("own", (tmp_path,))
    found = []
    for observed in ("2160-0^Creatinine^LN", "X^eGFR^L"):
        message = parse(f"MSH|^~\\&|A|B|C|D|20260704||ORM^O01|1|P|2.5.1\rOBX|1|NM|{observed}||88|ml\r".encode())
        env = Environment(UTC, UTC, datetime(2026, 7, 4, tzinfo=UTC))
        env.results = mapping.memory.of(message, env)
        mapped = evaluate(mapping.rules[Level.VISIT], Scope(Index(message), message), env)
        found.append(mapped.values["AdditionalPatientHistory"])
    assert found == ["Creatinine 88 ml", "eGFR 88 ml"]
