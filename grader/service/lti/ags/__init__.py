"""Bring grades to the gradebook, and keep them right while the platform fails.

One outbox row for each (registration, line item, user) holds the newest decided grade. A row has at
most one request under way. What to do next is a pure function of the row and of what happened
(outbox.py, rules.py); requests are carried out by gateway.py, rows are stored by store.py, loop.py
joins them. The nine rules that the parts follow are in docs/lti.md.
"""
