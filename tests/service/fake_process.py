"""Run a process of the service (all, web or worker) with graders that need no wall."""

import sys
from functools import partial

from grader.service import assembly, serving, settings
from grader.service.lti.ags import runner
from grader.service.lti.ags.row import Timing
from service.fakes import FakeGrader


def main(role: str) -> None:
    assembly.make_grader = lambda chosen: FakeGrader()
    # Pauses that grow to half an hour would make how long it takes a matter of luck.
    runner.Timing = partial(Timing, base_s=0.2, most_s=2.0)  # type: ignore[misc,assignment]
    if role == "worker":
        serving.work(settings.read())
    else:
        serving.serve(settings.read(), does_all=role == "all")


if __name__ == "__main__":
    main(sys.argv[1])
