"""Owns `cloudwatch`: events of CloudWatch Logs as JSON, subscriptions and Insights; and the tables of these."""

from __future__ import annotations

from collections.abc import Sequence

from authforensics.collect.format import Settings
from authforensics.collect.peel_json import by_keys
from authforensics.collect.peel_text import by_column
from authforensics.collect.wrapper import Peel, Wrapper

# Reference: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilteredLogEvent.html,
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html (`logEvents`),
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
_KEYS = {
    "inner": ("message", "@message"),
    "at": ("timestamp", "@timestamp"),
    "instance": ("logStreamName", "@logStream", "logStream"),
}
_MARKS = (('"message"', '"timestamp"', '"ingestionTime"'), ('"@message"', '"@timestamp"'))
_INSIGHTS = by_column("@message", {"at": ("@timestamp",), "instance": ("@logStream",)}, "@timestamp", tz="UTC")
#: What the console downloads: `log-events-viewer-result.csv`.
_DOWNLOAD = by_column("message", {"at": ("timestamp",)}, "timestamp", tz="UTC")
_EVENT = ('"id"', '"timestamp"', '"message"')


def _prepare(sample: Sequence[str], settings: Settings) -> Peel | None:
    marks = [*_MARKS, *([_EVENT] if any(_is_event(line) for line in sample[:5]) else [])]
    # What has no offset is UTC.
    found = (by_keys(_KEYS, some, tz="UTC")(sample, settings) for some in marks)
    peel = next((peel for peel in found if peel is not None), None)
    downloaded = bool(sample) and sample[0].lstrip("\ufeff").strip() == "timestamp,message"
    return peel or (_DOWNLOAD if downloaded else _INSIGHTS)(sample, settings)


def _is_event(line: str) -> bool:
    """Whether this may be one of the `logEvents` of a subscription: its id has 56 digits."""
    return line.lstrip().startswith("{") and any(len(word) == 56 and word.isdigit() for word in line.split('"')[:12])


WRAPPER = Wrapper(
    name="cloudwatch",
    title="CloudWatch Logs as JSON, and what its Insights export",
    samples=('{"logStreamName":"api/1","timestamp":1772359323123,"message":"hello","ingestionTime":1772359324000}',),
    prepare=_prepare,
    header=r'^timestamp,message$|^(?:(?:"[^"]*"|[^",]*),)*"?@message"?(?:,(?:"[^"]*"|[^",]*))*$',
)
