"""The list of defects fits the code as it is: it cannot rot unseen. Running them is for `make mutants`."""

import ast

import pytest

from tests.mutants.defects import ROOT, Defect, defects

ALL = defects()
LEAST = 24


@pytest.mark.parametrize("defect", ALL, ids=lambda defect: str(defect.name))
def test_it_can_be_made_and_is_python(defect: Defect) -> None:
    text = (ROOT / defect.file).read_text()
    broken = defect.applied(text)
    assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(text)), "it changes nothing"


@pytest.mark.parametrize("defect", ALL, ids=lambda defect: str(defect.name))
def test_its_nearest_tests_are_there(defect: Defect) -> None:
    assert defect.first
    for one in defect.first:
        assert (ROOT / one.split()[0].partition("::")[0]).exists(), one


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len(ALL) >= LEAST
    assert len({defect.name for defect in ALL}) == len(ALL)
    assert len({(defect.file, defect.old, defect.new) for defect in ALL}) == len(ALL)
