"""Starts Spark, or says in one line what is missing for it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from authforensics.errors import BadValue, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: The oldest Java that Spark 4 runs on.
JAVA = 17
_ADVICE = f"install Java {JAVA} or later (Debian, Ubuntu: apt install openjdk-{JAVA}-jre-headless)"
#: What functions on Arrow batches need, beside Spark itself.
_NEEDED = ("pyspark", "pyarrow", "pandas")
_MASTER = re.compile(r"local(-cluster)?(\[[^\]]+\])?$|spark://[^/]+:\d+$|yarn$|k8s://.+")
_OPTIONS: dict[str, bool | float | int | str | None] = {
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.maxResultSize": "0",
    # Executors run as many tasks as they have cores: each keeps to one.
    "spark.executorEnv.POLARS_MAX_THREADS": "1",
}


def session(master: str | None = None) -> SparkSession:
    """A Spark session for `analyze`; stop it when you are done.

    Args:
        master: a Spark master URL (`local[4]`, `spark://host:7077`, `yarn` …); by default what Spark is configured
            to use, or all cores of this machine.

    Raises:
        UsageError: PySpark or Java is missing or too old, or the master can't be used.
    """
    if master is not None and not _MASTER.match(master):
        raise BadValue(f"{_called(master)}: expected local[2], spark://host:7077, yarn or k8s://https://host:443")
    check()
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    if master is None or master.startswith("local"):
        # Workers on this machine find the package where this process has found it.
        known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        here = str(Path(__file__).parents[2])
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys((here, *filter(None, known))))
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("authforensics").config(map=_OPTIONS)
    try:
        return (builder if master is None else builder.master(master)).getOrCreate()
    except (Py4JJavaError, Py4JError, PySparkException, RuntimeError) as error:
        raise BadValue(f"{_called(master)}: Spark does not start there: {_first_line(error)}") from error


def check() -> None:
    """Refuse to go on without PySpark or the Java that it needs.

    Raises:
        UsageError: one of them is missing or too old.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise UsageError("--engine spark needs PySpark: pip install 'authforensics[spark]'")
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    try:
        told = subprocess.run([java or "java", "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    except OSError as error:
        where = f"JAVA_HOME={home} has none" if home else "none was found"
        raise UsageError(f"--engine spark needs Java {JAVA} or later, and {where}: {_ADVICE}") from error
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found is None or int(found[1]) < JAVA:
        version = f"version {found[1]}" if found else "of no known version"
        raise UsageError(f"--engine spark needs Java {JAVA} or later, and {java} is {version}: {_ADVICE}")


def _called(master: str | None) -> str:
    return f"--master {master}" if master else "--engine spark"


def _first_line(error: Exception) -> str:
    cause = getattr(error, "java_exception", None)
    text = str(cause.getMessage() if cause is not None else error).strip()
    if "stopped SparkContext" in text:  # All that is left to see of it once Spark has given up.
        return "no master answers"
    return text.splitlines()[0] if text else type(error).__name__
