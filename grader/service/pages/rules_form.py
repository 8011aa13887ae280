"""Read the form of rules, and say what is wrong with it field by field."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from grader.service.columns import EARLIEST, LATEST
from grader.service.lti.policy import Policy
from grader.service.pages.forms import Form

_FOUR_WEEKS_MINUTES = 28 * 24 * 60.0


@dataclass(frozen=True)
class Read:
    """A form as it was read.

    Attributes:
        texts: what stands in the fields, to be shown again.
        problems: by field; empty where there is a policy.
    """

    texts: Mapping[str, str]
    problems: Mapping[str, str]
    policy: Policy | None = None


def texts_of(policy: Policy) -> dict[str, str]:
    """Return what stands in the fields for a policy."""
    due = None if policy.due_s is None else datetime.fromtimestamp(policy.due_s, UTC)
    return {
        "keep": policy.keep,
        "due": "" if due is None else _shown(due),
        "grace": f"{policy.grace_minutes:g}",
        "off": f"{policy.percent_off_per_day:g}",
        "most": f"{policy.most_percent_off:g}",
    }


def read(form: Form) -> Read:
    """Return the policy in a form, or what is wrong with it.

    A browser sends the due time without a zone: it is UTC, unless a script of ours has put the same
    moment into `due_utc`. Shown again it is UTC in any case: the script takes it for that.
    """
    names = ("keep", "due", "grace", "off", "most")
    texts = {name: form.text(name).strip()[:40] for name in names}
    problems: dict[str, str] = {}
    keep = texts["keep"]
    if keep not in ("best", "last"):
        problems["keep"] = "Choose one of the two."
    due = _due(form.text("due_utc").strip(), texts, problems)
    grace = _number(texts["grace"], "grace", _FOUR_WEEKS_MINUTES, problems)
    off = _number(texts["off"], "off", 100.0, problems)
    most = _number(texts["most"], "most", 100.0, problems)
    if off and due is None and "due" not in problems:
        problems["due"] = "Without a due time nobody is late: give one, or take nothing off."
    if problems:
        return Read(texts, problems)
    policy = Policy(
        keep="last" if keep == "last" else "best",
        due_s=None if due is None else due.timestamp(),
        grace_minutes=grace,
        percent_off_per_day=off,
        most_percent_off=most,
    )
    return Read(texts_of(policy), {}, policy)


def _due(utc: str, texts: dict[str, str], problems: dict[str, str]) -> datetime | None:
    text = utc or texts["due"]
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        problems["due"] = "Give a day and a time, such as 2026-12-01 23:59."
        return None
    texts["due"] = _shown(moment)
    if not EARLIEST <= moment < LATEST:
        problems["due"] = "Give a time between the years 2000 and 2100."
        return None
    return moment


def _shown(utc: datetime) -> str:
    return utc.replace(tzinfo=None).isoformat(timespec="minutes")


def _number(text: str, name: str, most: float, problems: dict[str, str]) -> float:
    try:
        value = float(text.replace(",", ".") or "0") if text.isascii() else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:  # not a number compares as false
        problems[name] = f"Give a number from 0 to {most:g}."
        return 0.0
    return value
