"""Render a report as one self-contained HTML page."""

from grader.report.html.page import render

__all__ = ["render"]
