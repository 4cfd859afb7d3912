"""The faults that must be caught can be tried at any time: `python -m tests.faults` does it."""

from pathlib import Path

import pytest

from tests.faults.catalogue import FOLDER, ROOT, Fault, faults
from tests.faults.patching import DoesNotApply, patched

MUST_BE_THERE = (
    "new-id-on-retry",
    "every-conflict-is-foreign",
    "effect-before-intent",
    "intent-not-awaited",
    "position-before-handling",
    "expected-version-missing",
    "first-page-only",
    "handler-error-swallowed",
    "retries-multiplied",
    "connection-leaked-on-cancel",
    "nul-stripped-at-top-level-only",
    "stale-after-a-conflict",
    "lost-answer-known-by-id-alone",
    "fork-performs-its-parents-claims",
    "debt-cleared-by-the-reply",
    "new-key-at-take-over",
)

PATCH = """\
--- a/file
+++ b/file
@@ -1,3 +1,3 @@
 two
-three
+3
"""


def test_no_fault_that_must_be_there_is_missing() -> None:
    names = [fault.name for fault in faults()]
    assert [name for name in MUST_BE_THERE if name not in names] == []
    assert len(names) == len(set(names))
    assert {path.stem for path in FOLDER.glob("*.patch")} == set(names)


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_a_fault_can_be_made_and_names_tests_that_are_there(fault: Fault) -> None:
    for path, text in patched(ROOT, fault.patch.read_text()).items():
        assert path.relative_to(ROOT).parts[0] == "messagedb_agent"
        assert text != path.read_text()
        compile(text, str(path), "exec")
    assert fault.sentence.endswith(".")
    assert fault.tests
    for test in fault.tests:
        place, *names = test.partition("[")[0].split("::")
        assert (ROOT / place).exists(), test
        for name in names:
            assert f"def {name}(" in (ROOT / place).read_text(), test


@pytest.mark.parametrize(
    "text", ["one\ntwo\nthree\nfour\n", "two\nthree\n", "a\n" * 99 + "two\nthree\n"]
)
def test_a_hunk_is_found_by_its_lines_wherever_they_stand(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    assert patched(tmp_path, PATCH) == {tmp_path / "file": text.replace("three", "3")}


@pytest.mark.parametrize("text", ["two\n", "two\nthree\n" * 2, "xtwo\nthree\n"])
def test_a_hunk_whose_lines_stand_nowhere_or_twice_does_not_apply(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(DoesNotApply, match=r"file has this [02] times"):
        patched(tmp_path, PATCH)


def test_a_patch_without_a_hunk_does_not_apply(tmp_path: Path) -> None:
    with pytest.raises(DoesNotApply):
        patched(tmp_path, "--- a/file\n+++ b/file\n")
