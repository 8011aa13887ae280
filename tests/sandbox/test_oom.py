"""What the kernel killed for want of memory is read from either version of control groups."""

from pathlib import Path

from grader.sandbox.oom import kills


def test_kills_are_counted_in_both_versions_and_absent_files_count_none(tmp_path: Path) -> None:
    new, old = tmp_path / "memory.events", tmp_path / "memory.oom_control"
    assert kills((new, old)) == 0
    old.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert kills((new, old)) == 2
    new.write_text("low 0\nhigh 0\nmax 7\noom 3\noom_kill 5\noom_group_kill 0\n")
    assert kills((new, old)) == 5
    new.write_text("low 0\n")
    assert kills((new,)) == 0
