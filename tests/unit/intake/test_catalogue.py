"""The procedure catalogue: what is read, and each mistake with its line."""

import io

import pytest

from broker.intake.catalogue import CatalogueError, load_catalogue, merged, write_catalogue
from broker.shipped import config_folder

HEAD = "procedure_code,scheme,modality,protocol_codes,station_ae_titles\n"


def load(tmp_path, text):
    path = tmp_path / "procedures.csv"
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


def test_shipped_catalogue_loads():
    assert load_catalogue(config_folder() / "procedures.csv").procedures


def test_rows_with_one_code_are_its_steps(tmp_path):
    catalogue = load(tmp_path, HEAD + "A,LOCAL,ct,P1^one^L;P2,CT1; CT2\nA,LOCAL,MR,P3,\n\nB,,US,,US1\n")
    first, second = catalogue.find("A", "local")
    assert (first.modality, first.station_ae_titles) == ("CT", ("CT1", "CT2"))
    assert [(c.code, c.meaning, c.scheme) for c in first.protocol_codes] == [("P1", "one", "L"), ("P2", "", "")]
    assert second.modality == "MR"
    assert len(catalogue.find("B", "ANY")) == 1
    assert catalogue.find("A", "OTHER") == ()


MISTAKES = [
    ("code,modality\n", ":1: the column procedure_code is missing"),
    (HEAD.strip() + ",colour\n", ":1: unknown column colour"),
    (HEAD + ",,CT,,\n", ":2: procedure_code is empty"),
    (HEAD + "A,,CT,,\nB,,,,\n", ":3: modality"),
    (HEAD + "A,,CT,,A_TITLE_THAT_IS_TOO_LONG\n", ":2: station_ae_titles"),
    (HEAD + "A,,CT,a^b^c^d,\n", ":2: protocol_codes"),
    (HEAD + "A,,CT,,\nA,,CT,,\n", ":3: a second row"),
    (HEAD + "A,,CT,,,,\n", ":2: more fields than columns"),
    (HEAD + 'A,,"CT,,\n', ": not readable as CSV"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_mistake_is_reported_with_its_line(tmp_path, text, said):
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_what_is_written_reads_the_same(tmp_path):
    shipped = load_catalogue(config_folder() / "procedures.csv")
    text = io.StringIO()
    write_catalogue(shipped, text)
    assert load(tmp_path, text.getvalue()) == shipped


def test_taking_over_replaces_whole_procedures(tmp_path):
    present = load(tmp_path, HEAD + "A,,CT,P1,\nA,,MR,P2,\nB,,US,,\n")
    taken = merged(present, load(tmp_path, HEAD + "A,,XA,P9,\n"))
    assert [step.modality for step in taken.find("A", "")] == ["XA"]
    assert [step.modality for step in taken.find("B", "")] == ["US"]


@pytest.mark.parametrize("written", ["0", "-5", "soon", "1.5", "1441", "²"])
def test_duration_is_whole_minutes(tmp_path, written):
    with pytest.raises(CatalogueError, match="duration: write whole minutes, 1 to 1440"):
        load(tmp_path, f"procedure_code,modality,duration\nA,CT,{written}\n")
