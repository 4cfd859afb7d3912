"""The word for the code that folds here is another one with every change of it."""

import re
import shutil
from pathlib import Path

import pytest

from messagedb_agent.engine import fingerprint as fingerprints


def test_without_sources_there_is_no_fingerprint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fingerprints, "_PACKAGE", tmp_path)
    assert fingerprints.fingerprint.__wrapped__() is None


def test_a_changed_fold_has_another_fingerprint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "messagedb_agent"
    shutil.copytree(fingerprints._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprints, "_PACKAGE", package)
    same = fingerprints.fingerprint.__wrapped__()
    assert same == fingerprints.fingerprint()
    for name in ("agent/evolution.py", "projections/conversation.py", "agents/view.py"):
        with (package / name).open("a") as source:
            source.write("\n# changed\n")
        other = fingerprints.fingerprint.__wrapped__()
        assert other not in (None, same)
        same = other


def test_the_fingerprint_covers_all_that_a_picture_is_made_by() -> None:
    """What these modules import of the package is in it, or is in itself no part of a fold."""
    package = fingerprints._PACKAGE
    own = [name for name in fingerprints._FOLDING if name.startswith("agents/")]
    assert len(own) > 4
    names = {
        name.removeprefix("messagedb_agent.").replace(".", "/")
        for path in own
        for name in re.findall(r"^from (messagedb_agent[.\w]+)", (package / path).read_text(), re.M)
    }
    outside = {
        name
        for name in names
        if name.partition("/")[0] not in fingerprints._FOLDING
        and f"{name}.py" not in fingerprints._FOLDING
    }
    assert outside == {"errors"}
