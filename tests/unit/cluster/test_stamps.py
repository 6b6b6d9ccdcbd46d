from pathlib import Path

import pytest
from embedded.stamps import Step, digest


class Work:
    """A step whose inputs and success a test sets."""

    def __init__(self, folder: Path) -> None:
        self.inputs = "a"
        self.fails = False
        self.done = 0
        self.output = folder / "output"
        self.stamps = folder / "stamps"
        self.step = Step("work", lambda: self.inputs, (self.output,), self.act)

    def act(self) -> None:
        if self.fails:
            raise RuntimeError("no")
        self.done += 1
        self.output.touch()

    def run_if_due(self) -> None:
        if self.step.due(self.stamps):
            self.step.run(self.stamps)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_a_step_is_done_once_per_inputs(work: Work) -> None:
    work.run_if_due()
    work.run_if_due()
    assert work.done == 1
    work.inputs = "b"
    work.run_if_due()
    assert work.done == 2


def test_a_lost_output_is_made_again(work: Work) -> None:
    work.run_if_due()
    work.output.unlink()
    work.run_if_due()
    assert work.done == 2


def test_a_failed_step_stays_due(work: Work) -> None:
    work.run_if_due()
    work.inputs, work.fails = "b", True
    with pytest.raises(RuntimeError):
        work.run_if_due()
    work.inputs = "a"
    assert work.step.due(work.stamps), "its outputs may be half of b"


def test_digest_tells_names_contents_and_boundaries_apart(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/a").write_text("1")
    before = digest([tmp_path / "m", "x"])
    assert digest([tmp_path / "m", "x"]) == before
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    (tmp_path / "m/a").rename(tmp_path / "m/b")
    renamed = digest([tmp_path / "m", "x"])
    assert renamed != before
    (tmp_path / "m/b").write_text("2")
    assert digest([tmp_path / "m", "x"]) != renamed
