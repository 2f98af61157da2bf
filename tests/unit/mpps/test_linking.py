"""Which scheduled step a device means: the order of resolution, case by case."""

from dataclasses import replace

import pytest

from broker.domain.linking import (
    RULE_NAMES,
    Candidate,
    Person,
    ScheduledReference,
    patient_differences,
    person_of,
    references_of,
    resolve,
    same_patient,
)
from broker.domain.model import Identifier
from tests.support.exams import create, dataset, reference

EVA = Person((Identifier("4711", "HOSP"),), "MÜLLER^Eva", "19700131", "F")
OTHER = Person((Identifier("0815", "HOSP"),), "MEIER^Urs", "19500101", "M")
NOBODY = Person()
ONE = Candidate(1, 10, "1.2.3.1", Identifier("A1"), "RP1", "SPS1", EVA)
TWO = Candidate(2, 10, "1.2.3.1", Identifier("A1"), "RP1", "SPS2", EVA)
FOREIGN = Candidate(3, 11, "1.2.3.9", Identifier("A9"), "RP9", "SPS1", OTHER)
NAMED = ScheduledReference("1.2.3.1", Identifier("A1"), "RP1", "SPS1")


def ref(study: str = "", accession: str = "", procedure: str = "", step: str = "") -> ScheduledReference:
    return ScheduledReference(study, Identifier(accession), procedure, step)


CASES = {
    "named in full": (NAMED, EVA, [ONE, TWO, FOREIGN], "study_uid+step_id", 1),
    "named, the patient is another": (NAMED, OTHER, [ONE, TWO], "study_uid+step_id", 1),
    "own study UID": (replace(NAMED, study_instance_uid="9.9"), EVA, [ONE, TWO], "accession+procedure_id+step_id", 1),
    "procedure ID lost": (ref("9.9", "A1", "", "SPS2"), NOBODY, [ONE, TWO], "accession+step_id", 2),
    "accession in the procedure ID": (ref("9.9", "", "A1", "SPS1"), NOBODY, [ONE, TWO], "accession+step_id", 1),
    "step ID alone, same patient": (ref("9.9", "", "", "SPS1"), EVA, [ONE], "step_id+patient", 1),
    "step ID alone, no patient": (ref("9.9", "", "", "SPS1"), NOBODY, [ONE], None, None),
    "step ID alone, other patient": (ref("9.9", "", "", "SPS1"), OTHER, [ONE], None, None),
    "step ID alone, not unique": (ref("9.9", "", "", "SPS1"), EVA, [ONE, FOREIGN], None, None),
    "step ID in the accession": (ref("9.9", "SPS1", "", ""), EVA, [ONE], "step_id_in_accession+patient", 1),
    "step ID in the accession, no patient": (ref("9.9", "SPS1", "", ""), NOBODY, [ONE], None, None),
    "step ID in the accession, not unique": (ref("9.9", "SPS1", "", ""), EVA, [ONE, FOREIGN], None, None),
    "study UID alone, one step": (ref("1.2.3.1"), NOBODY, [ONE], "study_uid", 1),
    "study UID and unknown step ID, one step": (ref("1.2.3.1", "", "", "X"), NOBODY, [ONE], "study_uid", 1),
    "study UID alone, two steps": (ref("1.2.3.1"), EVA, [ONE, TWO], None, None),
    "accession alone, one step": (ref("9.9", "A1"), EVA, [ONE], "accession+patient", 1),
    "accession in the procedure ID alone": (ref("9.9", "", "A1"), EVA, [ONE], "accession+patient", 1),
    "accession as step ID too": (ref("9.9", "A1", "", "A1"), EVA, [ONE], "accession+patient", 1),
    "accession alone, no patient": (ref("9.9", "A1"), NOBODY, [ONE], None, None),
    "accession alone, other patient": (ref("9.9", "A1"), OTHER, [ONE], None, None),
    "accession alone, two steps": (ref("9.9", "A1"), EVA, [ONE, TWO], None, None),
    "accession and a foreign step ID": (ref("9.9", "A1", "", "X"), EVA, [ONE], None, None),
    "patient alone": (ref("9.9"), EVA, [ONE], None, None),
    "nothing at all": (ref(), EVA, [ONE, TWO], None, None),
    "no candidate": (NAMED, EVA, [], None, None),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_resolution(case: str) -> None:
    wanted, patient, candidates, rule, step = CASES[case]
    link = resolve(wanted, patient, candidates)
    assert (link.rule if link else None, link.candidate.step_key if link else None) == (rule, step)


def test_every_rule_has_a_case() -> None:
    assert {case[3] for case in CASES.values()} - {None} == set(RULE_NAMES)


def test_only_what_the_device_names_counts_as_named() -> None:
    found = {rule: resolve(*CASES[name][:3]) for name, (*_, rule, _) in CASES.items() if rule}
    origins = {rule: (link.origin, link.confidence) for rule, link in found.items() if link}
    assert origins["study_uid+step_id"] == ("named", 100)
    assert origins["accession+procedure_id+step_id"] == ("named", 95)
    rest = [origins[rule] for rule in RULE_NAMES[2:]]
    assert all(origin == "matched" and confidence <= 80 for origin, confidence in rest)
    assert [c for _, c in rest] == sorted((c for _, c in rest), reverse=True)


@pytest.mark.parametrize(("issuer", "found"), [("", True), ("RIS", True), ("RIS&1.2&ISO", True), ("OTHER", False)])
def test_the_issuer_of_an_accession_number_must_agree_when_both_give_one(issuer: str, found: bool) -> None:
    candidate = replace(ONE, accession=Identifier("A1", "RIS"))
    wanted = ScheduledReference("9.9", Identifier("A1", issuer), "RP1", "SPS1")
    assert (resolve(wanted, NOBODY, [candidate]) is not None) is found


@pytest.mark.parametrize(
    ("performed", "scheduled", "same"),
    [
        (Identifier("4711"), Identifier("4711", "HOSP"), True),
        (Identifier("4711", "HOSP"), Identifier("4711", "hosp"), True),
        (Identifier("4711", "CLINIC"), Identifier("4711", "HOSP"), False),
        (Identifier("04711"), Identifier("4711"), False),
    ],
)
def test_same_patient(performed: Identifier, scheduled: Identifier, same: bool) -> None:
    assert same_patient(Person((performed,)), Person((scheduled,))) is same


@pytest.mark.parametrize(
    ("performed", "differs"),
    [
        (EVA, ()),
        (NOBODY, ()),
        (replace(EVA, name="MUELLER^Eva"), ("PatientName",)),
        (replace(EVA, name="müller^EVA^Maria^Dr"), ()),
        (replace(EVA, name="Muller^Eva=山田^太郎"), ()),
        (replace(EVA, birth_date="19700113"), ("PatientBirthDate",)),
        (replace(EVA, sex="M"), ("PatientSex",)),
        (replace(EVA, sex=""), ()),
        (OTHER, ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")),
    ],
)
def test_patient_differences(performed: Person, differs: tuple[str, ...]) -> None:
    assert patient_differences(performed, EVA) == differs


def test_references_and_person_are_read_from_the_data_set() -> None:
    issuer = [{"LocalNamespaceEntityID": "RIS"}]
    second = reference("2", IssuerOfAccessionNumberSequence=issuer)
    given = dataset(create([reference(), second], IssuerOfPatientID="HOSP"))
    assert references_of(given) == (NAMED, ScheduledReference("1.2.3.2", Identifier("A2", "RIS"), "RP2", "SPS2"))
    assert person_of(given) == EVA
