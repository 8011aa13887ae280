"""Run the commands as `python -m grader.cli`."""

from grader.cli import app

if __name__ == "__main__":
    app()
