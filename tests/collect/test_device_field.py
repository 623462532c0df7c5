"""The caller may name the field that holds the device id, in every format that names its fields."""

from __future__ import annotations

import pytest

from authforensics.collect import Options
from authforensics.errors import BadValue
from authforensics.pipeline import analyze
from collecting import collect

JSON = '{"time":"2026-03-01T10:00:00Z","remote_addr":"192.0.2.1","request":"GET /a HTTP/1.1","status":401,"device_id":"d","kiosk":"k-%d"}\n'
LTSV = "time:2026-03-01T10:00:00Z\thost:192.0.2.1\treq:GET /a HTTP/1.1\tstatus:401\tdevice:d\tkiosk:k-%d\n"


@pytest.mark.parametrize("line", [JSON, LTSV], ids=["json", "ltsv"])
def test_the_named_field_is_the_device(tmp_path, line):
    log = tmp_path / "access.log"
    log.write_text("".join(line % number for number in range(5)))
    assert collect([log]).events["device_id"].unique().to_list() == ["d"]
    found = collect([log], Options(device_field="kiosk")).events["device_id"].to_list()
    assert found == [f"k-{number}" for number in range(5)]


def test_a_variable_of_a_log_format(tmp_path):
    log = tmp_path / "access.log"
    log.write_text('192.0.2.1 [01/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 401 k-1\n')
    layout = '$remote_addr [$time_local] "$request" $status $http_x_kiosk'
    events = collect([log], Options(log_format=layout, device_field="http_x_kiosk")).events
    assert events["device_id"].to_list() == ["k-1"]


def test_a_field_that_no_line_has_is_an_error(tmp_path):
    log = tmp_path / "access.log"
    log.write_text(JSON % 1)
    with pytest.raises(BadValue, match="--device-key: no line has a field 'kiosks'"):
        analyze(log, device_key="kiosks")
    assert analyze(log, device_key="kiosk").document.systems[0].identity.ladder[0].key == "device_id"
