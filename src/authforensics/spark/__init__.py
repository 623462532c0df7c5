"""Analyzes on Apache Spark: the driver plans and merges, executors parse and study; and tables in place of files."""

from authforensics.spark.engine import analyze
from authforensics.spark.session import session
from authforensics.spark.tables import analyze_table

__all__ = ["analyze", "analyze_table", "session"]
