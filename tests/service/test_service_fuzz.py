import shutil

import pytest
from service_fuzz import attack, deaths, schemathesis
from service_process import ServiceProcess


@pytest.fixture
def service(tmp_path):
    (tmp_path / "around").mkdir()
    (tmp_path / "mine").mkdir()
    with ServiceProcess(tmp_path / "around" / "data") as service:
        yield service


def test_hostile_uploads_do_no_harm(service, tmp_path):
    answers, findings = attack(service, tmp_path / "mine", 100, seed=3)
    assert findings == []
    assert deaths(service, 20) == []
    assert answers["/v1/files 415"] > 5
    assert answers["/v1/files 201"] > 5


def test_all_that_fits_the_document_is_answered(service, tmp_path):
    pytest.importorskip("schemathesis")
    code, said = schemathesis(service, tmp_path / "mine", examples=3, seconds=15)
    assert code == 0, said
    shutil.rmtree(tmp_path / "mine")
