"""Render a report: for a terminal, as JSON, as its JSON Schema."""
