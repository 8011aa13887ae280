"""Judge how a submission is built: from its text, and from a call that is watched."""
