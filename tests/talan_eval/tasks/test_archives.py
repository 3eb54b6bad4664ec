"""Archives of items: what is refused, without the authors' data. The standard library cannot write encrypted ones."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile

import pytest

from talan_core.errors import UserError
from talan_eval.tasks.datafiles import ArchiveFile, read_archive

TEXT = 'Record ID,Question,Correct Answer\nrec1,"Why, and\nhow?",Because\nrec2,Where?,Here\n'


def file_of(tmp_path, text=TEXT, **changes):
    path = tmp_path / "dataset.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dataset/items.csv", text)
    file = ArchiveFile(
        path=path,
        member="dataset/items.csv",
        password_base64="b3Blbg==",
        rows=2,
        fields=("Question", "Correct Answer"),
        id_field="Record ID",
        ids_sha256=hashlib.sha256(b"rec1\nrec2").hexdigest(),
    )
    return dataclasses.replace(file, **changes)


def test_rows_keep_commas_quotes_and_line_breaks(tmp_path):
    rows = read_archive(file_of(tmp_path))
    assert rows[0] == {"Record ID": "rec1", "Question": "Why, and\nhow?", "Correct Answer": "Because"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rows": 3}, "has 2 rows, expected 3"),
        ({"member": "dataset/other.csv"}, "holds no dataset/other.csv"),
        ({"fields": ("Question", "Explanation")}, "row 1: no field 'Explanation'"),
        ({"ids_sha256": "0" * 64}, "holds other items"),
        ({"text": TEXT.replace("Here", " ")}, "row 2: no field 'Correct Answer'"),
        ({"text": TEXT.replace("rec2", "rec3")}, "holds other items"),
    ],
)
def test_other_items_are_refused_with_what_was_expected(tmp_path, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        read_archive(file_of(tmp_path, **changes))
    assert "Restore the archive" in caught.value.fix
    assert "Why" not in str(caught.value)


def test_an_archive_that_needs_another_password_is_refused(tmp_path):
    file = file_of(tmp_path)
    content = bytearray(file.path.read_bytes())
    # Set the "encrypted" flag of the entry in both headers: its first 12 bytes are then read as a password check.
    for start, flags in ((content.index(b"PK\x03\x04"), 6), (content.index(b"PK\x01\x02"), 8)):
        content[start + flags] |= 1
    file.path.write_bytes(bytes(content))
    with pytest.raises(UserError, match="does not open with the published password"):
        read_archive(file)


def test_a_missing_archive_says_how_many_items_it_should_hold(tmp_path):
    with pytest.raises(UserError, match="is missing; it should hold 2 items"):
        read_archive(dataclasses.replace(file_of(tmp_path), path=tmp_path / "none.zip"))
