"""Be an LTI 1.3 tool: open inside a course, and bring grades back to it.

    platform -> /lti/login -> platform's own sign-in -> /lti/launch -> session -> page
    platform <- ags: one outbox row a student and line item <- decided grade

Trusted: a registered platform's signature, for its own courses alone. Not trusted: the browser that
carries the messages, and whoever may have recorded one.
"""
