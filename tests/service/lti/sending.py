"""Send grades until killed: a process of its own, on the database of the environment."""

import threading

from grader.service import addresses, settings
from grader.service.core import Service
from grader.service.database import Database
from grader.service.log import configure
from grader.service.lti.ags.runner import Grades

if __name__ == "__main__":
    configure()
    chosen = settings.read()
    client = addresses.client(chosen.allow_networks)
    Grades(Service(chosen, Database(chosen.url), {}, client)).start()
    print("sending", flush=True)
    threading.Event().wait()
