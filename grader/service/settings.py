"""Read the service's settings from the environment, once, into one typed value."""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from grader.errors import UsageError
from grader.model.report import Feedback
from grader.service import setting_values as values
from grader.service.setting_values import Network, Secret

_OTHERS = {
    *("GRADER_CACHE", "GRADER_WORKER_IMAGE", "GRADER_ENTRY"),
    *("GRADER_XQUEUE_USERNAME", "GRADER_XQUEUE_PASSWORD", "GRADER_XQUEUE_BASIC_AUTH"),
    *("GRADER_GRADING_IMAGE", "GRADER_RESULTS"),
}
"""Variables of ours that are no settings of the service; the last two are of tests and of CI."""
_OF_KUBERNETES = re.compile(r"GRADER_(\w+_)?(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_\w+)?")
_ADDRESS_OF_KUBERNETES = re.compile(r"(tcp|udp|sctp)://\S+")
"""What Kubernetes puts into every container for a service whose name begins with grader."""


def _by(parse: Callable[[str], Any], what: str) -> dict[str, Any]:
    """Say how a setting is read, and what the documentation tells about it."""
    return {"parse": parse, "what": what}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator chooses; each is read from GRADER_NAME, or from a file by GRADER_NAME_FILE.

    The texts are what `docs/service.md` tells about each.
    """

    data: Path = field(
        default=Path("grader-data"), metadata=_by(Path, "folder of the SQLite database")
    )
    database_url: Secret = field(
        default=Secret(""),
        metadata=_by(Secret, "postgresql+psycopg://...; without it SQLite in the data folder"),
    )
    base_url: str = field(
        default="http://127.0.0.1:8000", metadata=_by(values.address, "address that others see")
    )
    host: str = field(default="127.0.0.1", metadata=_by(str, "address to listen on"))
    port: int = field(default=8000, metadata=_by(values.port, "port to listen on"))
    exercises: tuple[str, ...] = field(
        default=(),
        metadata=_by(
            values.names, "names or paths of exercises, with commas; without it all installed"
        ),
    )
    slots: int = field(
        default=1, metadata=_by(values.whole, "submissions graded at once by one process")
    )
    sandbox: str = field(
        default="auto", metadata=_by(values.sandbox, "the wall, as for `grader grade`")
    )
    workers: str = field(
        default="auto",
        metadata=_by(
            values.workers,
            "how workers start: auto, fork, cold or fresh, as for `grader grade --workers`",
        ),
    )
    feedback: Feedback = field(
        default="full", metadata=_by(values.feedback, "how much students see")
    )
    queue_depth: int = field(
        default=10_000,
        metadata=_by(values.whole, "waiting submissions above which 503 is answered"),
    )
    requests_per_minute: int = field(
        default=1200,
        metadata=_by(
            values.whole,
            "requests from one address in a minute; deliveries are not counted, nor 120 of each "
            "known user",
        ),
    )
    grading_s: float = field(
        default=900.0,
        metadata=_by(values.seconds, "seconds after which a judging process is killed"),
    )
    drain_s: float = field(
        default=330.0,
        metadata=_by(values.seconds, "seconds that SIGTERM waits for gradings under way"),
    )
    stalled_s: float = field(
        default=30.0,
        metadata=_by(
            values.seconds, "seconds without a heartbeat before a worker's jobs go to others"
        ),
    )
    reconcile_s: float = field(
        default=60.0,
        metadata=_by(values.seconds, "seconds between looks for gradings that no queue knows of"),
    )
    allow_networks: tuple[Network, ...] = field(
        default=(),
        metadata=_by(values.networks, "private networks that may be called, such as 10.1.0.0/16"),
    )
    metrics_port: int = field(
        default=0, metadata=_by(values.port, "port of a worker's /metrics; 0 for none")
    )
    lti_issuers: tuple[str, ...] = field(
        default=(),
        metadata=_by(
            values.names,
            "platforms whose registration from their own host needs no approval, with commas",
        ),
    )
    lti_settle_s: float = field(
        default=120.0,
        metadata=_by(values.seconds, "seconds after which a platform holds no request any more"),
    )
    operator_token: Secret = field(
        default=Secret(""),
        metadata=_by(Secret, "bearer token of the operator's routes; without it they are closed"),
    )

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the database; holds the password."""
        return self.database_url.reveal() or f"sqlite:///{self.data / 'grader.sqlite'}"

    @property
    def is_embedded(self) -> bool:
        """Whether one process does everything, on SQLite."""
        return self.url.startswith("sqlite")


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings.

    Raises:
        UsageError: a value cannot be understood, or a variable is none of ours; the text names the
            variable, never a secret.
    """
    _refuse_unknown(environment)
    found: dict[str, Any] = {}
    for one in fields(Settings):
        name = variable(one.name)
        text = _text(environment, name)
        if text is None:
            continue
        try:
            found[one.name] = one.metadata["parse"](text)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
    settings = Settings(**found)
    url = settings.database_url.reveal()
    if url and not url.startswith("postgresql+psycopg://"):
        raise UsageError("GRADER_DATABASE_URL must begin with postgresql+psycopg://")
    return settings


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"GRADER_{name.upper()}"


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """Refuse a misspelt name: what it was to limit, or to keep, would be as if nobody had said so.

    Raises:
        UsageError: it names the variable and the nearest one that there is.
    """
    names = [variable(one.name) for one in fields(Settings)]
    known = {*names, *(f"{name}_FILE" for name in names), *_OTHERS}
    for name in sorted(environment):
        if not name.startswith("GRADER_") or name in known:
            continue
        text = environment[name]
        if _OF_KUBERNETES.fullmatch(name) or _ADDRESS_OF_KUBERNETES.fullmatch(text):
            continue
        # Without what all begin with, and so have in common.
        ends = [one.removeprefix("GRADER_") for one in sorted(known)]
        near = difflib.get_close_matches(name.removeprefix("GRADER_"), ends, n=1)
        meant = f"; is GRADER_{near[0]} meant?" if near else ""
        raise UsageError(f"there is no setting {name}{meant}")


def _text(environment: Mapping[str, str], name: str) -> str | None:
    """Return a variable's text, or that of the file which NAME_FILE names, without space around."""
    given, file = environment.get(name), environment.get(f"{name}_FILE")
    if given is not None and file is not None:
        raise UsageError(f"{name} and {name}_FILE are both set; keep one of them")
    if file is None:
        return None if given is None else given.strip()
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}_FILE: cannot read {file} ({error})") from None
