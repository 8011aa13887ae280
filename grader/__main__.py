"""Start a command; `grader run` gets its supervisor before anything that might break is loaded."""

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["run"]:
        from grader.platforms.supervisor import main as run

        sys.exit(run(sys.argv[2:]))
    from grader.cli import app

    app()


if __name__ == "__main__":
    main()
