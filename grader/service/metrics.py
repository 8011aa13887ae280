"""Count what happens, for Prometheus; the depth of the queue is read from the database."""

from collections.abc import Iterable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from grader.model.report import Verdict
from grader.service.database import Database
from grader.service.fairness import BULK, INTERACTIVE
from grader.service.lti.tables import LtiGrade
from grader.service.tables import PARKED, WAITING, Grading, Notice

_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_STATUSES = (202, 400, 401, 404, 409, 413, 422, 503)
_OUTCOMES = ("sent", "later", "parked")


class Metrics:
    """The counters of one process.

    Attributes:
        deliveries: by HTTP status; results: by verdict; notices: by outcome.
        waited_s: from when a grading could start to its start; graded_s: from start to report.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, what: str, label: str, values: Iterable[object]) -> Counter:
            made = Counter(f"grader_{name}", what, [label], registry=self.registry)
            for value in values:
                made.labels(value)  # 0 from now on: what is absent is to no alert a 0
            return made

        def histogram(name: str, what: str) -> Histogram:
            return Histogram(f"grader_{name}", what, buckets=_SECONDS, registry=self.registry)

        self.deliveries = counter("deliveries", "Deliveries that came in", "status", _STATUSES)
        verdicts = get_args(Verdict)
        self.results = counter("results", "Results recorded by this process", "verdict", verdicts)
        self.notices = counter("notices", "Attempts to send a result", "outcome", _OUTCOMES)
        self.waited_s = histogram("waited_seconds", "How long gradings waited")
        self.graded_s = histogram("graded_seconds", "How long gradings took")

    def text(self, database: Database) -> bytes:
        """Return everything in Prometheus' text form."""
        depths = CollectorRegistry()
        depths.register(_Depths(database))
        return generate_latest(self.registry) + generate_latest(depths)


_HELD = ("send", "read", "probe", "parked")


class _Depths(Collector):
    """What waits and what was given up on, for the whole service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count rows; the states in question are few at any time, and indexed."""
        lanes = {INTERACTIVE: "interactive", BULK: "bulk"}
        with self._database.reading() as session:
            rows = select(Grading.lane, func.count()).where(Grading.state == WAITING)
            waiting = dict(session.execute(rows.group_by(Grading.lane)).all())
            parked = session.scalar(select(func.count()).where(Grading.state == PARKED))
            states = select(Notice.state, func.count()).where(Notice.state.in_([WAITING, PARKED]))
            notices = dict(session.execute(states.group_by(Notice.state)).all())
            steps = select(LtiGrade.step, func.count()).where(LtiGrade.step.in_(_HELD))
            grades = dict(session.execute(steps.group_by(LtiGrade.step)).all())
        gauge = GaugeMetricFamily("grader_waiting", "Gradings that wait", labels=["lane"])
        for lane, name in lanes.items():
            gauge.add_metric([name], waiting.get(lane, 0))
        yield gauge
        yield GaugeMetricFamily("grader_parked", "Gradings given up on", value=parked or 0)
        gauge = GaugeMetricFamily("grader_notices_held", "Notices not sent", labels=["state"])
        for state in (WAITING, PARKED):
            gauge.add_metric([state], notices.get(state, 0))
        yield gauge
        gauge = GaugeMetricFamily("grader_grades_held", "Grades not in an LMS", labels=["step"])
        for step in _HELD:
            gauge.add_metric([step], grades.get(step, 0))
        yield gauge
