"""Render a report as one self-contained HTML page."""

from grader.report.html.page import render, render_all

__all__ = ["render", "render_all"]
