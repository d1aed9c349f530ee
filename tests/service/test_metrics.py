"""What Prometheus reads."""

import re

from serving import picture


def value(text, name):
    [found] = re.findall(rf"^{re.escape(name)} (\S+)$", text, flags=re.MULTILINE)
    return float(found)


def test_requests_batches_and_sizes_are_counted(fresh):
    fresh.search(picture(1))
    fresh.search(picture(2), top=0)
    fresh("GET", f"/api/images/{fresh.keys[0]}")
    fresh("GET", f"/api/images/{'0' * 64}")
    fresh("GET", "/api/me", None)
    fresh("BREW", "/api/me")
    answer = fresh("GET", "/metrics", "reader")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    assert value(text, 'vireid_requests_total{method="POST",route="/api/search",status="200"}') == 1
    assert value(text, 'vireid_requests_total{method="POST",route="/api/search",status="422"}') == 1
    assert value(text, 'vireid_requests_total{method="GET",route="/api/images/{key}",status="404"}') == 1
    assert value(text, 'vireid_requests_total{method="GET",route="other",status="401"}') == 1
    assert value(text, 'vireid_request_seconds_count{route="/api/search"}') == 2
    assert value(text, "vireid_batch_images_count") == 1
    assert value(text, "vireid_gallery_sightings") == 12
    assert value(text, "vireid_requests_at_once") == 1
    assert value(text, "vireid_images_waiting") == 0
    assert fresh.keys[0] not in text
    assert "BREW" not in text
