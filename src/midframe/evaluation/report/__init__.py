"""A report over finished evaluations, as one HTML file."""

from midframe.evaluation.report.page import write_report

__all__ = ["write_report"]
