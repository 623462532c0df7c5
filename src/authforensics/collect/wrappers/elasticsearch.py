"""Owns `elasticsearch`: hits of Elasticsearch and OpenSearch, whose `_source` is the document that was put in."""

from __future__ import annotations

from authforensics.collect.peel_json import by_keys
from authforensics.collect.wrapper import Wrapper

# Reference: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search (hits.hits)
WRAPPER = Wrapper(
    name="elasticsearch",
    title="hits of Elasticsearch and OpenSearch",
    samples=('{"_index":"logs-1","_id":"a1","_source":{"@timestamp":"2026-03-01T10:02:03.123Z","message":"hello"}}',),
    prepare=by_keys({"inner": ("_source",)}, ('"_source"', '"_id"')),
    taken="if known",
)
