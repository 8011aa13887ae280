"""Serve a queue with a grading that takes until a line is typed. Run as a process.

`python drive.py URL QUEUE STATE` prints "grading NAME" when one begins.
"""

import sys
from pathlib import Path

from xqueue_parts import CREDENTIALS, body

from grader.cli.xqueue import stop_on_signals
from grader.xqueue.client import Client
from grader.xqueue.protocol import Submission
from grader.xqueue.puller import Puller
from grader.xqueue.spool import Spool

url, queue, state = sys.argv[1:]


def grade(submission: Submission) -> str:
    print("grading", submission.response, flush=True)
    sys.stdin.readline()
    return body(0.75)


puller = Puller(Client(url, queue, CREDENTIALS), Spool(Path(state)), grade, poll_s=0.1)
stop_on_signals(puller.stop)
print("ready", flush=True)
puller.run()
