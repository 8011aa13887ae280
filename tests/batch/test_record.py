"""Results survive any end of the command: what was written whole is there, and nothing else."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import row, students

from grader.batch.entry import Entry, Piece, Row
from grader.batch.record import MANIFEST, RESULTS, Manifest, Record
from grader.errors import UsageError

MADE = Manifest(exercise="tiny", digest="d" * 64, seed="s", cases=40, feedback="full")


def entry(name: str, stamp: str = "s") -> Entry:
    return Entry(name, [Piece(name.encode(), name)], stamp, [])


def open_again(folder: Path, made: Manifest = MADE) -> Record:
    return Record(folder, made, resume=True)


def test_what_was_added_is_held_after_opening_again(tmp_path: Path) -> None:
    with Record(tmp_path / "new", MADE, resume=False) as record:
        record.add(row("a.py"))
        record.add(row("b.py", verdict="internal_error"))
    with open_again(tmp_path / "new") as record:
        assert record.holds(entry("a.py"))
        assert not record.holds(entry("a.py", "changed"))
        assert not record.holds(entry("b.py"))  # a failure of ours is tried again
        assert record.originals == {"a.py": "a.py"}


ROWS = [row(name, students=students(name.upper())) for name in ("c", "a", "b", "ü\u2028", "a")]
LINES = [msgspec.json.encode(one) + b"\n" for one in ROWS]


@given(st.integers(0, sum(map(len, LINES))))
def test_any_cut_loses_only_the_line_that_was_cut(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    with Record(folder, MADE, resume=False):
        pass
    (folder / RESULTS).write_bytes(b"".join(LINES)[:cut])
    whole = [one for n, one in enumerate(ROWS) if sum(map(len, LINES[: n + 1])) <= cut]
    with open_again(folder) as record:
        assert {one.id for one in record.rows()} == {one.id for one in whole}
        record.add(row("last"))
        record.put_in_order()
    with open_again(folder) as record:
        assert {one.id for one in record.rows()} == {one.id for one in whole} | {"last"}


def test_the_last_line_of_a_submission_counts_and_order_is_by_name(tmp_path: Path) -> None:
    with Record(tmp_path / "new", MADE, resume=False) as record:
        record.add(row("z.py", score=1, students=students("Anna")))
        record.add(row("b.py", score=2))
        record.add(row("z.py", score=3, students=students("Anna")))
        record.put_in_order()
        record.add(row("c.py", score=4))
        assert [(one.id, one.score) for one in record.rows()] == [
            ("z.py", 3),
            ("b.py", 2),
            ("c.py", 4),
        ]
    lines = (tmp_path / "new" / RESULTS).read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=Row).id for line in lines] == ["z.py", "b.py", "c.py"]


def test_rows_of_before_are_of_whom_the_roster_names_now(tmp_path: Path) -> None:
    with Record(tmp_path / "new", MADE, resume=False) as record:
        for name in ("a.py", "b.py", "changed.py"):
            record.add(row(name, score=7))
        named = [
            msgspec.structs.replace(entry(name), students=students(who))
            for name, who in (("a.py", "Zoe"), ("b.py", "Bob"))
        ]
        other = msgspec.structs.replace(entry("changed.py", "later"), students=students("Cy"))
        record.rename([*named, other])
        record.put_in_order()
        assert [(one.who, one.score) for one in record.rows()] == [
            ("Bob", 7),
            ("changed.py", 7),
            ("Zoe", 7),
        ]


def test_a_folder_is_never_taken_by_mistake(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="holds no batch"):
        Record(tmp_path / "other", MADE, resume=True)
    with Record(tmp_path / "new", MADE, resume=True) as record:
        with pytest.raises(UsageError, match="another batch"):
            open_again(tmp_path / "new")
        record.add(row("a"))
    with pytest.raises(UsageError, match="--resume goes on"):
        Record(tmp_path / "new", MADE, resume=False)
    for changed, said in (({"seed": "t"}, "seed"), ({"digest": "e" * 64}, "digest")):
        with pytest.raises(UsageError, match=said):
            open_again(tmp_path / "new", msgspec.structs.replace(MADE, **changed))


def test_damage_is_named_and_nothing_is_overwritten(tmp_path: Path) -> None:
    with Record(tmp_path / "new", MADE, resume=True) as record:
        record.add(row("a"))
    path = tmp_path / "new" / RESULTS
    path.write_bytes(b'{"not": "ours"}\n' + path.read_bytes())
    with pytest.raises(UsageError, match="line 1, is no result"):
        open_again(tmp_path / "new")
    (tmp_path / "new" / MANIFEST).write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        open_again(tmp_path / "new")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        Record(tmp_path / "file" / "below", MADE, resume=False)
