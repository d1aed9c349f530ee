"""What is too large, too many or no image is refused with a 4xx and a reason, before it costs anything."""

import asyncio
import io
import struct
import threading
import time
import zlib

import pytest
from fastapi import HTTPException
from PIL import Image
from serving import Thumbnails, picture

from vireid.service.service import MOST_WAITING


def png_header(width, height):
    """A PNG that says how large it is, and next to nothing more."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def bmp_header(width, height):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 100, 0, 0, 54) + head + bytes(100)


def gif():
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, format="GIF")
    return file.getvalue()


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize("path", ["/api/search", "/api/sightings"])
@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (SVG, 415, "is SVG"),
        (gif(), 415, "is GIF"),
        (b"", 415, "is empty"),
        (b"%PDF-1.7", 415, "is something else"),
        (png_header(100_000, 100_000), 413, "at most 16000000 pixels"),
        (png_header(100_000, 1), 413, "16384 along a side, but image '0.png' has 100000 x 1"),
        (png_header(8000, 8000), 413, "has 8000 x 8000"),
        (bmp_header(2_000_000, 2_000_000), 413, "at most 16000000 pixels"),
        (png_header(16, 16), 422, "cannot be decoded"),
        (picture(1)[:60], 422, "cannot be decoded"),
        (b"\x89PNG\r\n\x1a\n", 415, "is damaged"),
        (picture(1, kind="WEBP")[:-40], 422, "has a damaged header"),
        (picture(1, kind="JPEG")[:200], 422, "has a damaged header"),
    ],
)
def test_what_is_no_reasonable_image_is_refused(served, path, content, status, reason):
    answer = served.upload(path, [content])
    assert (answer.status_code, reason in answer.json()["detail"]) == (status, True), answer.text
    assert served.gallery.count() == 12


def test_a_name_with_a_path_is_said_shortened(served):
    name = "../" * 100 + "etc/passwd"
    answer = served("POST", "/api/search", files={"images": (name, SVG)})
    assert answer.status_code == 415
    assert len(answer.json()["detail"]) < 200


def test_a_file_that_is_too_large_is_413(serve):
    served = serve(max_file=2000, max_request=100_000)
    answer = served.search(picture(1) + bytes(2000))
    assert answer.status_code == 413
    assert answer.json()["detail"] == "file '0.png' may have at most 2000 bytes, got more"


def test_a_request_that_says_it_is_too_large_is_413_at_once(serve):
    served = serve(max_file=2000, max_request=5000)
    answer = served.search(*[picture(1) + bytes(1000)] * 6)
    assert answer.status_code == 413
    assert "at most 5000 bytes" in answer.json()["detail"]


def test_a_request_that_does_not_say_is_413_when_it_is(serve):
    served = serve(max_file=2000, max_request=5000)
    sent = []

    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="tags"\r\n\r\na\r\n'
        for _ in range(1000):
            sent.append(1)
            yield b'--x\r\nContent-Disposition: form-data; name="tags"\r\n\r\n' + b"b" * 500 + b"\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = served("POST", "/api/search", content=body(), headers=headers)
    assert answer.status_code == 413
    assert "at most 5000 bytes" in answer.json()["detail"]


def test_too_many_files_are_413(served):
    answer = served.search(*[picture(1)] * 17)
    assert answer.status_code == 413
    assert "at most 16 files" in answer.json()["detail"]


def test_many_large_images_are_413(serve):
    served = serve(max_pixels=1000)
    images = [picture(number, size=(30, 30)) for number in range(5)]
    answer = served.search(*images)
    assert answer.status_code == 413
    assert "at most 4000 pixels in all, got 4500" in answer.json()["detail"]
    assert served.search(*images[:4], wanted="any").status_code == 200


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 19, "0" * 5000, "-1", "1e3", "²"])
def test_a_length_that_is_no_reasonable_number_is_413(served, length):
    answer = served("POST", "/api/search", headers={"Content-Length": length.encode("latin-1")})
    assert answer.status_code == 413


def test_who_leaves_in_the_middle_of_an_upload_is_no_failure_of_the_server(served, caplog):
    messages = [{"type": "http.request", "body": b"--x\r\n", "more_body": True}, {"type": "http.disconnect"}]
    headers = {"Authorization": "Bearer operator-token", "Content-Type": "multipart/form-data; boundary=x"}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/sightings",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(served.client.app(scope, receive, send))
    assert sent[0]["status"] == 499
    counted = 'vireid_requests_total{method="POST",route="/api/sightings",status="%d"}'
    text = served("GET", "/metrics").text
    assert counted % 499 in text
    assert counted % 500 not in text
    assert not caplog.records


def test_a_large_json_is_413(served):
    answer = served("POST", "/api/delete", content=b"[" * (1 << 21), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_deep_json_is_4xx(served):
    answer = served("POST", "/api/delete", content=b"[" * 500_000, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


HEAD = b'Content-Disposition: form-data; name="tags"\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "status", "sentence"),
    [
        ("application/json", b"{}", 415, "sent as multipart/form-data"),
        ("multipart/form-data", b"", 415, "with a boundary"),
        ("multipart/form-data; boundary=x", b"", 400, "closing boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + HEAD + b"a", 400, "closing boundary"),
        ("multipart/form-data; boundary=x", b"hello", 400, "well-formed"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: b\r\n\r\na\r\n--x--\r\n", 400, "needs a name"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + HEAD + b"\xff\r\n--x--\r\n", 400, "UTF-8"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + HEAD + b"a" * 1001 + b"\r\n--x--\r\n", 413, "1000 bytes"),
        ("multipart/form-data; boundary=x", (b"--x\r\n" + HEAD + b"a\r\n") * 2001 + b"--x--\r\n", 413, "2000 fields"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x--", 400, ""),
    ],
)
def test_a_form_that_is_none_is_refused(served, kind, body, status, sentence):
    answer = served("POST", "/api/search", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True), answer.text


class Blocked(Thumbnails):
    """An embedder that waits until it may."""

    def __init__(self):
        self.may = threading.Event()
        self.busy = threading.Event()

    def embed_prepared(self, prepared):
        self.busy.set()
        assert self.may.wait(10)
        yield from super().embed_prepared(prepared)


def together(calls):
    answers = [None] * len(calls)

    def call(number):
        answers[number] = calls[number]()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    return threads, answers


def test_a_full_queue_is_503_with_a_time_to_retry(serve):
    embedder = Blocked()
    served = serve(embedder, max_waiting=1, batch=1)
    threads, answers = together([lambda: served.search(picture(1))])
    assert embedder.busy.wait(5)
    more, waiting = together([lambda: served.search(picture(2))])
    until = time.monotonic() + 5
    while served.client.app.state.service.network.waiting < 1 and time.monotonic() < until:
        time.sleep(0.005)
    answer = served.search(picture(3))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "at most 1 images may wait" in answer.json()["detail"]
    assert served("GET", "/health", None).status_code == 200
    assert served("GET", "/api/cameras").status_code == 200  # the loop is not held up
    embedder.may.set()
    for thread in threads + more:
        thread.join()
    assert [answers[0].status_code, waiting[0].status_code] == [200, 200]


def test_too_many_requests_at_once_are_503(serve):
    embedder = Blocked()
    served = serve(embedder, max_at_once=1)
    threads, answers = together([lambda: served.search(picture(1))])
    assert embedder.busy.wait(5)
    answer = served("GET", "/api/cameras")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert served("GET", "/health", None).status_code == 200
    embedder.may.set()
    for thread in threads:
        thread.join()
    assert answers[0].status_code == 200


def test_one_caller_cannot_take_every_place(serve):
    embedder = Blocked()
    served = serve(embedder, max_at_once=8, batch=1)
    threads, answers = together([lambda: served.search(picture(1))] * 2)
    assert embedder.busy.wait(5)
    until = time.monotonic() + 5
    while served.client.app.state.service.network.waiting < 1 and time.monotonic() < until:
        time.sleep(0.005)
    answer = served("GET", "/api/cameras", "reader")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["detail"].startswith("2 requests of reader-name")
    assert served("GET", "/api/cameras", "operator").status_code == 200
    embedder.may.set()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert served("GET", "/api/cameras", "reader").status_code == 200


def test_explanations_wait_for_each_other_and_not_many_of_them(fresh):
    service = fresh.client.app.state.service
    may, running, most = threading.Event(), [], []

    def slow(number):
        running.append(number)
        most.append(len(running))
        assert may.wait(10)
        running.remove(number)
        return number

    async def ask():
        asked = [asyncio.create_task(service.explain(slow, number)) for number in range(1 + MOST_WAITING)]
        while service.explainers.statistics().tasks_waiting < MOST_WAITING:
            await asyncio.sleep(0.005)
        with pytest.raises(HTTPException, match="4 explanations wait already") as refused:
            await service.explain(slow, -1)
        may.set()
        return refused.value, await asyncio.gather(*asked)

    refused, results = asyncio.run(ask())
    assert refused.status_code == 503
    assert refused.headers == {"Retry-After": "10"}
    assert results == list(range(1 + MOST_WAITING))
    assert max(most) == 1
    assert asyncio.run(service.explain(lambda: "again")) == "again"


def test_concurrent_searches_are_answered_as_alone(served):
    images = [picture(300 + number) for number in range(12)]
    alone = [served.search(image, wanted="any").json()["results"] for image in images]
    threads, answers = together([lambda image=image: served.search(image, wanted="any") for image in images])
    for thread in threads:
        thread.join()
    for answer, one in zip(answers, alone):
        assert [result["key"] for result in answer.json()["results"][0]] == [result["key"] for result in one[0]]
        assert [result["score"] for result in answer.json()["results"][0]] == pytest.approx(
            [result["score"] for result in one[0]], abs=1e-5
        )
