"""Render a report as one self-contained HTML page."""

from grader.report.html.page import render, render_all, render_part

__all__ = ["render", "render_all", "render_part"]
