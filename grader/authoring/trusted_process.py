"""Answer as a worker does, without its lock-down, for variants of the reference only.

Run as `python -P -m grader.authoring.trusted_process`.
"""

from grader.sandbox.worker import session
from grader.sandbox.worker.boot import take_pipes


def main() -> None:
    """Answer the judge's messages until it hangs up."""
    requests, replies = take_pipes()
    session.start_libraries()
    session.serve(requests, replies, ())


if __name__ == "__main__":
    main()
