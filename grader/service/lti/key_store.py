"""Keep our key pairs in the database, so that every process signs with the same one."""

import json

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from grader.service.database import Database
from grader.service.lti import keys
from grader.service.lti.keys import KeyPair
from grader.service.lti.tables import LtiKey
from grader.service.tables import now


def every(session: Session) -> list[KeyPair]:
    """Return all key pairs."""
    return [
        KeyPair(row.kid, json.loads(row.private), row.created_at)
        for row in session.scalars(select(LtiKey))
    ]


def available(database: Database) -> list[KeyPair]:
    """Return all key pairs; the first is made when there is none."""
    with database.reading() as session:
        found = every(session)
    if found:
        return found
    made = keys.make(now())  # outside the transaction: it takes a while
    with database.transaction() as session:
        found = every(session)
        if not found:
            _insert(session, made)
            found = [made]
    return found


def signing(database: Database) -> KeyPair:
    """Return the key pair that signs now."""
    return keys.signing(available(database), now())


def rotate(database: Database) -> KeyPair:
    """Add a key pair, drop those that nobody needs any more, and return the new one."""
    available(database)
    made = keys.make(now())
    with database.transaction() as session:
        _insert(session, made)
        gone = [key.kid for key in keys.stale(every(session), now())]
        session.execute(delete(LtiKey).where(LtiKey.kid.in_(gone)))
    return made


def _insert(session: Session, key: KeyPair) -> None:
    private = json.dumps(key.private)
    session.add(LtiKey(kid=key.kid, private=private, created_at=key.created_at))
    session.flush()
