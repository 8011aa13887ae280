"""Send grades until killed: a process of its own, on the database of the environment."""

import threading
from functools import partial

from grader.service import addresses, settings
from grader.service.core import Service
from grader.service.database import Database
from grader.service.log import configure
from grader.service.lti.ags import runner
from grader.service.lti.ags.row import Timing

if __name__ == "__main__":
    configure()
    chosen = settings.read()
    client = addresses.client(chosen.allow_networks)
    # Pauses that grow to half an hour would make how long it takes a matter of luck.
    runner.Timing = partial(Timing, base_s=0.2, most_s=2.0)  # type: ignore[misc,assignment]
    runner.Grades(Service(chosen, Database(chosen.url), {}, client)).start()
    print("sending", flush=True)
    threading.Event().wait()
