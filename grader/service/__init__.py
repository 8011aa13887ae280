"""Serve a course: submissions come in by webhook, are graded, and their results go out.

    sender -> webhooks -> accept: delivery + submission + grading, one transaction -> 202
                             dispatch: whoever is free takes the fairest waiting grading
                                 -> a judging process, off the event loop -> result, once
                                    -> notice of it -> sender

The database is the truth: a grading that waits is work to do, whatever any queue says. SQLite
serves one process; on PostgreSQL any number of web and worker processes share the work.
"""
