"""What was written once is read, and would be written again, for ever."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.events.canonical import canonical_text, parse
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.codec import EVENT_TYPES, decode
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.events.schema import SCHEMA_VERSION
from tests.golden.conversations import FOLDER as CONVERSATIONS
from tests.golden.examples import ENVELOPE, EXAMPLES, FOLDER, ID, POSITION, STREAM, sealed
from tests.golden.worked_example import FILE, example
from tests.rows import Row

VERIFIER = Path(__file__).parent / "verify_chain.mjs"


def golden(type: str) -> Row:
    stored: dict[str, Any] = json.loads((FOLDER / f"{type}.json").read_text(encoding="utf-8"))
    assert stored["type"] == type.partition(".")[0]
    return Row(
        id=ID,
        stream_name=STREAM,
        type=stored["type"],
        position=POSITION,
        data=json.dumps(stored["data"]),
        metadata=json.dumps(stored["metadata"]),
    )


def test_every_schema_version_has_its_files_of_events_and_of_threads() -> None:
    for version in range(1, SCHEMA_VERSION + 1):
        for folder in (FOLDER.parent, CONVERSATIONS.parent):
            assert any((folder / f"v{version}").glob("*.json")), f"{folder.name}/v{version}"


def test_no_file_was_edited_since_it_was_written_and_none_is_unsigned() -> None:
    folder = FOLDER.parent
    files = sorted(path for path in folder.rglob("v*/*.json"))
    sums = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(folder)}" for f in files]
    assert (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines() == sums


def test_every_event_type_has_a_file_and_an_example() -> None:
    files = {path.stem for path in FOLDER.glob("*.json")}
    assert files == set(EXAMPLES)
    assert {name.partition(".")[0] for name in files} == set(EVENT_TYPES)


def test_the_examples_leave_no_field_out() -> None:
    for type in EVENT_TYPES:
        examples = [one for name, one in EXAMPLES.items() if name.partition(".")[0] == type]
        given = {name for one in examples for name, value in one if value not in (None, ())}
        empty = EVENT_TYPES[type].model_fields.keys() - given
        assert not empty, f"{type}: {empty}"


@pytest.mark.parametrize("type", sorted(EXAMPLES))
def test_a_stored_event_is_read_as_what_it_said(type: str) -> None:
    decoded = decode(golden(type))
    assert decoded.recorded.event == EXAMPLES[type]
    assert decoded.recorded.time_ms == ENVELOPE.occurred_at_ms
    assert decoded.metadata.cause == ENVELOPE.cause
    assert decoded.metadata.travelling == ENVELOPE.travelling
    assert decoded.metadata.writer == ENVELOPE.writer


@pytest.mark.parametrize("type", sorted(EXAMPLES))
def test_the_same_event_is_written_as_it_was(type: str) -> None:
    row, one = golden(type), sealed(EXAMPLES[type])
    assert row.data is not None
    assert row.metadata is not None
    assert canonical_text(parse(one.data)) == canonical_text(parse(row.data))
    assert canonical_text(parse(one.metadata)) == canonical_text(parse(row.metadata))
    assert hash_text(one.hash) == read_metadata(row.metadata).hash
    assert one.hash == row_hash(GENESIS, row)


def test_the_worked_example_of_the_specification_is_what_the_code_makes() -> None:
    assert example().as_json() == json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_another_language_comes_to_the_same_hashes_by_the_specification_alone(
    tmp_path: Path,
) -> None:
    files = [str(FILE)]
    for type in EXAMPLES:
        row = golden(type)
        expected = read_metadata(row.metadata).hash
        path = tmp_path / f"{type}.json"
        path.write_text(
            json.dumps(
                {
                    "rows": [
                        {
                            "id": row.id,
                            "streamName": row.stream_name,
                            "type": row.type,
                            "position": row.position,
                            "data": row.data,
                            "metadata": row.metadata,
                        }
                    ],
                    "hashes": [expected],
                }
            )
        )
        files.append(str(path))
    done = subprocess.run(
        ["node", str(VERIFIER), *files], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout == f"{len(EXAMPLES) + 3} checked, 0 differ\n"
    assert done.returncode == 0


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_verifier_in_another_language_finds_a_changed_row(tmp_path: Path) -> None:
    forged = example().as_json()
    forged["rows"][1]["data"] = forged["rows"][1]["data"].replace("42 * 7", "42 * 8")
    path = tmp_path / "forged.json"
    path.write_text(json.dumps(forged))
    done = subprocess.run(
        ["node", str(VERIFIER), str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "row 1:" in done.stderr
