"""The page in headless Chromium, on the real service over a small made world and an untrained network."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from vireid.models import Network, build_network
from vireid.retrieval import Conditions, Embedder, Sighting, open_gallery
from vireid.synthetic import write_world
from vireid.types import Modality

uvicorn = pytest.importorskip("uvicorn", reason='the page is served by the extra service; pip install ".[service]"')
playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested through playwright")
pytest.importorskip("fastapi", reason='the page is served by the extra service; pip install ".[service]"')

from vireid.service import AuditLog, Caller, Role, Settings, Tokens  # noqa: E402
from vireid.service.app import make_app  # noqa: E402

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the page is tested in Chromium: apt-get install -y chromium")

expect = playwright.expect
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NIGHT = {"cam3", "cam6"}
NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def small_embedder() -> tuple[Embedder, Network]:
    """An untrained network of a tenth of a second, and what embeds with it."""
    network = build_network(
        identities=4,
        backbone="resnet10t",
        backbone_options={"channels": (16, 24, 32, 48)},
        weights="none",
        image_size=(64, 32),
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=False,
    ).eval()
    return Embedder(network, model="0123456789abcdef bn"), network


@dataclass
class Served:
    """What the tests know of the running service."""

    address: str
    world: Path
    embedder: Embedder
    sightings: list[Sighting] = field(default_factory=list)
    features: np.ndarray = field(default_factory=lambda: np.empty(0))

    def files(self, camera: str) -> list[Path]:
        return [Path(sighting.path) for sighting in self.sightings if sighting.camera == camera]

    def ask(self, path: str, body: bytes | None = None, kind: str = "application/json") -> dict:
        headers = {"Authorization": "Bearer op-token", "Content-Type": kind}
        with urllib.request.urlopen(urllib.request.Request(f"{self.address}{path}", body, headers)) as answer:
            return json.loads(answer.read())

    def add(self, images: Sequence[bytes], **fields: str) -> list[str]:
        parts = [
            f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = b'--edge\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
        parts += [head + image + b"\r\n" for image in images]
        return self.ask("/api/sightings", b"".join([*parts, b"--edge--\r\n"]), "multipart/form-data; boundary=edge")[
            "keys"
        ]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    world = folder / "world"
    write_world(world, layout="sysu", persons=4, images_per_camera=2, height=64, width=32, seed=1, workers=1)
    embedder, network = small_embedder()
    found = Served("", world, embedder)
    rows = []
    for number, file in enumerate(sorted(world.glob("cam*/*/*.jpg"))):
        camera, person = file.parts[-3], file.parts[-2]
        modality = Modality.INFRARED if camera in NIGHT else Modality.VISIBLE
        content = file.read_bytes()
        found.sightings.append(
            Sighting(
                key=hashlib.sha256(content).hexdigest(),
                path=str(file),
                modality=modality,
                camera=camera,
                time=NOON + timedelta(minutes=number),
                track=f"{camera}-{person}",
                person=person,
            )
        )
        rows.append(embedder.embed([content], modality)[0][0])
    found.features = np.array(rows)
    gallery = open_gallery(folder / "gallery", create=True, model=embedder.model, dimension=embedder.dimension)
    gallery.add(found.sightings, found.features, model=embedder.model)
    tokens = Tokens(
        [
            (hashlib.sha256(f"{name}-token".encode()).hexdigest(), Caller(name, role))
            for name, role in (("reader", Role.READER), ("op", Role.OPERATOR))
        ]
    )
    settings = Settings(kept_images=folder / "images", images_root=world)
    app = make_app(
        gallery, embedder, tokens=tokens, audit=AuditLog(folder / "audit.log"), settings=settings, explained=network
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    found.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield found
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as control:
        browser = control.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


class Visit:
    """One browser tab, and what went wrong in it."""

    def __init__(self, browser, served: Served, **options) -> None:
        self.served = served
        self.context = browser.new_context(**({"timezone_id": "UTC", "locale": "en-GB"} | options))
        self.page = self.context.new_page()
        self.page.set_default_timeout(5000)
        self.problems: list[str] = []
        self.addresses: list[str] = []
        self.allowed: tuple[int, ...] = ()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("request", lambda request: self.addresses.append(request.url))

    def _heard(self, kind: str, text: str) -> None:
        # The browser itself calls every refusal an error; those that a test asks for are none.
        refused = re.search(r"Failed to load resource.* status of (\d+)", text)
        if kind in ("error", "warning") and not (refused and int(refused[1]) in self.allowed):
            self.problems.append(text)

    def open(self, token: str | None = None) -> None:
        self.page.goto(self.served.address)
        if token:
            self.page.get_by_label("Access token").fill(token)
            self.page.keyboard.press("Enter")
            expect(self.page.locator("#view-search")).to_be_visible()
            expect(self.page.locator("#cameras input")).to_have_count(6)

    def pick(self, *files: Path) -> None:
        self.page.set_input_files("#query-files", [str(file) for file in files])

    def filters(self) -> None:
        self.page.evaluate("document.getElementById('filters').open = true")

    def camera(self, name: str) -> playwright.Locator:
        return self.page.locator(f'#cameras input[value="{name}"]')

    def search(self, *files: Path) -> None:
        self.pick(*files)
        self.page.get_by_role("button", name="Search", exact=True).last.click()
        expect(self.page.locator("#status")).to_contain_text("result")

    def found(self) -> list[str]:
        return self.page.locator(".card").evaluate_all("cards => cards.map((card) => card.dataset.key)")

    def close(self) -> None:
        self.context.close()
        outside = [url for url in self.addresses if not url.startswith((self.served.address, "blob:", "data:"))]
        assert outside == []
        assert not any("token" in url for url in self.addresses)
        assert self.problems == []


@pytest.fixture
def visit(browser, served) -> Iterator[Visit]:
    visit = Visit(browser, served, viewport={"width": 1100, "height": 800})
    yield visit
    visit.close()


def expected_order(served: Served, query: Path, modality: Modality, count: int) -> list[str]:
    """Visible images, best first, by a plain product of features."""
    feature = served.embedder.embed([query.read_bytes()], modality)[0][0]
    scored = [
        (float(row @ feature), sighting.key)
        for sighting, row in zip(served.sightings, served.features)
        if sighting.modality is not modality
    ]
    return [key for _, key in sorted(scored, reverse=True)[:count]]


def test_log_in_and_log_out(visit):
    page = visit.page
    visit.allowed = (401,)
    visit.open()
    expect(page.get_by_label("Access token")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#log-in-error")).to_have_text("Enter your token.")
    for wrong, sentence in (("no", "does not know this token"), ("tökén", "no letters with accents")):
        page.get_by_label("Access token").fill(wrong)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#log-in-error")).to_contain_text(sentence)
        expect(page.locator("#view-search")).to_be_hidden()
        assert page.evaluate("sessionStorage.length") == 0
    page.get_by_label("Access token").fill("reader-token")
    page.keyboard.press("Enter")
    expect(page.locator("#caller-name")).to_have_text("reader, reader")
    expect(page.locator("#log-in")).to_be_hidden()
    assert page.evaluate("localStorage.length") == 0
    page.reload()
    expect(page.locator("#view-search")).to_be_visible()
    visit.search(visit.served.files("cam3")[0])
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#view-search")).to_be_hidden()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator(".picked li")).to_have_count(0)
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.get_by_label("Access token")).to_be_visible()


def test_a_token_that_was_withdrawn_leads_back_to_the_log_in(visit):
    visit.allowed = (401,)
    visit.open("reader-token")
    visit.page.evaluate("sessionStorage.setItem('vireid-token', 'withdrawn')")
    visit.pick(visit.served.files("cam3")[0])
    visit.page.locator("#search-button").click()
    expect(visit.page.locator("#log-in-error")).to_contain_text("no longer takes your token")
    expect(visit.page.locator("#view-search")).to_be_hidden()
    assert visit.page.evaluate("sessionStorage.length") == 0


def test_results_stand_in_the_order_of_their_scores(visit):
    query = visit.served.files("cam3")[0]
    visit.open("reader-token")
    visit.page.get_by_role("spinbutton", name="Results").fill("7")
    visit.search(query)
    expect(visit.page.locator("#status")).to_have_text(
        re.compile(r"7 results in [\d.]+ s, the most alike first\. The query was taken for infrared\.")
    )
    expect(visit.page.locator("#found-title")).to_be_focused()
    assert visit.found() == expected_order(visit.served, query, Modality.INFRARED, 7)
    scores = [
        float(text)
        for text in visit.page.locator(".card .score").evaluate_all(
            "all => all.map((each) => each.lastChild.textContent)"
        )
    ]
    assert scores == sorted(scores, reverse=True)
    image = visit.page.locator(".card img").first
    expect(image).to_be_visible()
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [32, 64]
    best = next(sighting for sighting in visit.served.sightings if sighting.key == visit.found()[0])
    for words in (f"Camera {best.camera}", f"Track {best.track}", f"Person {best.person}", "20 Nov 2026, 12:"):
        expect(visit.page.locator(".card").first).to_contain_text(words)


def test_cameras_time_light_and_tracks_narrow_the_results(visit):
    page = visit.page
    visit.open("reader-token")
    visit.filters()
    visit.camera("cam4").check()
    visit.search(visit.served.files("cam3")[0])
    expect(page.locator("#filter-count")).to_have_text("(1 set)")
    cameras = {sighting.key: sighting.camera for sighting in visit.served.sightings}
    assert {cameras[key] for key in visit.found()} == {"cam4"}
    page.get_by_label("One a track").check()
    page.locator("#search-button").click()
    expect(page.locator(".card")).to_have_count(len({s.track for s in visit.served.sightings if s.camera == "cam4"}))
    visit.camera("cam4").uncheck()
    page.get_by_label("One a track").uncheck()
    page.get_by_label("Find images in").select_option("infrared")
    page.get_by_label("From", exact=True).fill("2026-11-20T12:20:00")
    page.get_by_label("Until", exact=True).fill("2026-11-20T12:23:00")
    page.locator("#search-button").click()
    meant = Conditions(since=NOON + timedelta(minutes=20), until=NOON + timedelta(minutes=23))
    expected = {
        sighting.key
        for sighting in visit.served.sightings
        if sighting.modality is Modality.INFRARED and meant.since <= sighting.time < meant.until
    }
    expect(page.locator(".card")).to_have_count(len(expected))
    assert set(visit.found()) == expected
    page.get_by_label("Until", exact=True).fill("2026-11-20T12:20:00")
    page.locator("#search-button").click()
    expect(page.locator("#search-error")).to_have_text("“From” must lie before “until”.")
    page.get_by_label("From", exact=True).fill("2025-01-01T00:00:00")
    page.get_by_label("Until", exact=True).fill("2025-01-02T00:00:00")
    page.locator("#search-button").click()
    expect(page.locator("#status")).to_have_text(re.compile("^No results. Widen cameras, time or kind of light."))


def test_several_images_are_one_person_or_several(visit):
    visit.open("reader-token")
    visit.search(visit.served.files("cam3")[0], visit.served.files("cam6")[3])
    expect(visit.page.locator("#results section")).to_have_count(1)
    visit.page.get_by_label("All of them show the same person").uncheck()
    visit.page.locator("#search-button").click()
    expect(visit.page.locator("#results section")).to_have_count(2)
    visit.page.locator(".picked button").first.click()
    expect(visit.page.locator(".picked li")).to_have_count(1)
    expect(visit.page.get_by_label("All of them show the same person")).to_be_hidden()


def test_images_are_dropped_and_pasted(visit):
    visit.open("reader-token")
    for kind, transfer in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        visit.page.evaluate(
            """([kind, transfer, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], `${kind}.jpg`, { type: "image/jpeg" }));
                const event = new Event(kind, { bubbles: true, cancelable: true });
                Object.defineProperty(event, transfer, { value: data });
                document.body.dispatchEvent(event);
            }""",
            [kind, transfer, list(visit.served.files("cam3")[0].read_bytes())],
        )
    expect(visit.page.locator("#query .picked img")).to_have_count(2)
    assert visit.page.locator("#query .picked img").evaluate_all("all => all.map((each) => each.alt)") == [
        "drop.jpg",
        "paste.jpg",
    ]


def test_what_is_no_image_is_told_beside_the_button(visit, tmp_path):
    page = visit.page
    visit.allowed = (415,)
    visit.open("reader-token")
    page.locator("#search-button").click()
    expect(page.locator("#search-error")).to_have_text("Pick an image of the person first.")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"this is no image")
    visit.pick(broken)
    page.locator("#search-button").click()
    expect(page.locator("#search-error")).to_contain_text("broken.jpg")
    expect(page.locator("#search-error")).to_contain_text("JPEG, PNG, WebP or BMP")
    expect(page.locator(".picked .unseen")).to_have_text("broken.jpg")
    expect(page.locator("#search-button")).to_have_text("Search")
    page.get_by_label("Remove broken.jpg").click()
    visit.search(visit.served.files("cam3")[0])
    expect(page.locator("#search-error")).to_be_empty()


def test_a_service_that_does_not_answer_is_told(visit):
    visit.open("reader-token")
    visit.search(visit.served.files("cam3")[0])
    visit.page.route("**/api/search", lambda route: route.abort())
    visit.page.locator("#search-button").click()
    expect(visit.page.locator("#search-error")).to_contain_text("The service does not answer.")
    expect(visit.page.locator("#status")).to_have_text("These are the results of the search before.")
    visit.problems = [text for text in visit.problems if "net::ERR_FAILED" not in text]


def test_a_result_is_compared_with_its_query_by_keyboard(visit):
    page = visit.page
    visit.open("reader-token")
    visit.search(visit.served.files("cam3")[0])
    page.keyboard.press("Tab")
    expect(page.locator(".card").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.locator("#pair")
    expect(dialog).to_be_visible()
    expect(page.locator("#pair-title")).to_have_text("Result 2 of 20")
    plain = page.locator("#pair-result").get_attribute("src")
    assert plain.startswith("blob:")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pair-title")).to_have_text("Result 3 of 20")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#pair-title")).to_have_text("Result 1 of 20")
    expect(page.get_by_label("Previous result")).to_be_disabled()
    page.get_by_label("Show what makes them alike").focus()
    page.keyboard.press("Space")
    expect(page.locator("#pair-status")).to_contain_text("Brighter places matter more")
    for side in ("query", "result"):
        assert page.locator(f"#pair-{side}").get_attribute("src").startswith("data:image/png")
        expect(page.locator(f"#pair-{side}")).to_have_attribute("alt", re.compile("the places marked"))
    expect(page.locator("#pair-delete")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".card").first).to_be_focused()


def test_a_result_becomes_the_query_or_joins_it(visit):
    page = visit.page
    visit.open("reader-token")
    visit.search(visit.served.files("cam3")[0])
    first = visit.found()[0]
    page.locator(".card").first.click()
    page.get_by_role("button", name="Add to query").click()
    expect(page.locator("#query .picked li")).to_have_count(2)
    # What is asked for stays what was found: visible images, the joined one not among them.
    expect(page.locator("#wanted")).to_have_value("visible")
    expect(page.locator(f'.card[data-key="{first}"]')).to_have_count(0)
    expect(page.locator("#search-error")).to_be_empty()
    page.locator("#wanted").evaluate("select => { select.value = 'other'; }")
    used = visit.found()[0]
    page.get_by_label("Use result 1 as query").click()
    expect(page.locator("#query .picked li")).to_have_count(1)
    expect(page.locator(f'.card[data-key="{used}"]')).to_have_count(0)
    infrared = {sighting.key for sighting in visit.served.sightings if sighting.modality is Modality.INFRARED}
    expect(page.locator(".card").first).to_contain_text(re.compile("cam3|cam6"))
    assert set(visit.found()) <= infrared
    page.locator(".card").first.click()
    page.get_by_label("Show what makes them alike").check()
    expect(page.locator("#pair-status")).to_contain_text("Brighter places matter more")


def marked(file: Path, number: int) -> bytes:
    """The image again, with bytes after its end, so that its key is another."""
    return file.read_bytes() + b"%d" % number


def test_an_operator_deletes_after_hearing_how_many(visit):
    served, page = visit.served, visit.page
    day = served.files("cam1")[0]
    keys = served.add([marked(day, 1), marked(day, 2), marked(day, 3)], camera="gone", track="t9", modality="visible")
    before = served.ask("/api/me")["gallery"]["sightings"]
    visit.open()
    page.get_by_label("Access token").fill("op-token")
    page.keyboard.press("Enter")
    expect(page.locator("#cameras input")).to_have_count(7)
    visit.filters()
    visit.camera("gone").check()
    visit.search(served.files("cam3")[0])
    expect(page.locator(".card")).to_have_count(3)
    page.locator(".card").first.click()
    gone = page.locator(".card").first.get_attribute("data-key")
    page.get_by_role("button", name="Delete …").click()
    expect(page.locator("#deletion-count")).to_have_text("1 image will be deleted. This cannot be undone.")
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#deletion")).to_be_hidden()
    assert served.ask("/api/me")["gallery"]["sightings"] == before
    page.get_by_role("button", name="Delete …").click()
    page.get_by_role("button", name="Delete 1 image").click()
    expect(page.locator("#pair-title")).to_have_text("Result 1 of 2")
    assert gone not in visit.found()
    assert served.ask("/api/me")["gallery"]["sightings"] == before - 1
    page.get_by_role("button", name="Delete …").click()
    page.get_by_label("All of track t9").check()
    expect(page.locator("#deletion-count")).to_have_text("2 images will be deleted. This cannot be undone.")
    page.get_by_role("button", name="Delete 2 images").click()
    expect(page.locator("#pair")).to_be_hidden()
    expect(page.locator("#status")).to_have_text("2 images were deleted.")
    expect(page.locator("#gallery")).to_have_text(f"{before - 3} images")
    expect(page.locator("#cameras input")).to_have_count(6)
    assert served.ask("/api/delete", json.dumps({"keys": keys, "dry_run": True}).encode())["sightings"] == 0


def test_an_operator_adds_images(visit, tmp_path):
    served, page = visit.served, visit.page
    files = []
    for number in range(10):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(marked(served.files("cam2")[0], 100 + number))
    visit.open("op-token")
    page.get_by_role("button", name="Add images").click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#add-error")).to_have_text("Pick images first.")
    page.set_input_files("#added-files", [str(file) for file in files])
    page.get_by_label("Camera", exact=True).fill("new")
    page.get_by_label("Time", exact=True).fill("2026-11-21T08:00:00")
    page.get_by_label("Track", exact=True).fill("t1")
    page.get_by_label("Person", exact=True).fill("<img src=x onerror=alert(1)>")
    page.get_by_label("Tags").fill("red coat, bag")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#add-status")).to_have_text("10 images were added.")
    expect(page.locator("#added .picked li")).to_have_count(0)
    page.set_input_files("#added-files", [str(files[0])])
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#add-status")).to_have_text("0 images were added. 1 image was in the gallery already.")
    page.get_by_role("button", name="Search", exact=True).first.click()
    visit.filters()
    visit.camera("new").check()
    visit.search(served.files("cam3")[0])
    expect(page.locator(".card")).to_have_count(10)
    # What somebody typed stays text.
    expect(page.locator(".card").first).to_contain_text("Person <img src=x onerror=alert(1)>")
    expect(page.locator(".card").first).to_contain_text("21 Nov 2026, 08:00")
    page.locator(".card").first.click()
    expect(page.locator("#facts")).to_contain_text("red coat, bag")
    removed = served.ask("/api/delete", json.dumps({"cameras": ["new"], "dry_run": False}).encode())
    assert removed["sightings"] == 10


def test_a_reader_is_offered_nothing_that_changes_the_gallery(visit):
    visit.open("reader-token")
    expect(visit.page.get_by_role("button", name="Add images")).to_be_hidden()
    visit.search(visit.served.files("cam3")[0])
    visit.page.locator(".card").first.click()
    expect(visit.page.get_by_role("button", name="Delete …")).to_be_hidden()


def test_every_control_has_a_name_and_shows_its_focus(visit):
    page = visit.page
    visit.open("op-token")
    visit.filters()
    page.locator(".skip").focus()
    seen: list[list] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
                const it = document.activeElement;
                const ring = getComputedStyle(it.closest(".drop") ?? it);
                const name = it.getAttribute("aria-label") ?? it.labels?.[0]?.textContent ?? it.textContent;
                const [id, width] = [it.id || name.trim(), parseFloat(ring.outlineWidth)];
                return [it.tagName, id, name.trim(), ring.outlineStyle, width];
            }"""
        )
        if told[0] == "BODY":
            break
        seen.append(told)
    reached = {name for _, name, *_ in seen}
    wanted = {"query-files", "wanted", "since", "until", "top", "by-track", "search-button", "log-out", "Add images"}
    assert wanted <= reached
    assert [told for told in seen if not told[2]] == []
    assert [told for told in seen if told[3] == "none" or told[4] < 2] == []
    assert page.locator("[role=status], [role=alert]").count() >= 8


CONTRASTS = """() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b]
        .map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (it) => {
        for (; it; it = it.parentElement) {
            const colour = parse(getComputedStyle(it).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const it of document.querySelectorAll("body *")) {
        const text = [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!text || !it.checkVisibility() || it.disabled || it.closest(":disabled")) continue;
        const pair = [light(parse(getComputedStyle(it).color)), light(ground(it))].sort((a, b) => b - a);
        const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
        found.push([ratio, `${it.tagName} ${it.id} ${it.className}: ${it.textContent.trim()}`]);
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways_and_with_contrast(browser, served, scheme):
    visit = Visit(browser, served, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = visit.page
    visit.allowed = (401,)

    def check() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        wide = page.evaluate(
            """() => [...document.querySelectorAll("dialog[open], dialog[open] *")]
                .filter((it) => it.checkVisibility() && it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0)
                .map((it) => `${it.tagName} ${it.id}`)"""
        )
        assert wide == []
        poor = [told for told in page.evaluate(CONTRASTS) if told[0] < 4.5]
        assert poor == []

    visit.open()
    page.get_by_label("Access token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#log-in-error")).to_be_visible()
    check()
    visit.open("op-token")
    visit.filters()
    page.get_by_role("spinbutton", name="Results").fill("0")
    visit.pick(*served.files("cam3")[:3])
    page.locator("#search-button").click()
    expect(page.locator("#search-error")).to_have_text("Between 1 and 200 results can be shown.")
    check()
    page.get_by_role("spinbutton", name="Results").fill("12")
    page.locator("#search-button").click()
    expect(page.locator(".card")).to_have_count(12)
    expect(page.locator("#found-title")).to_be_in_viewport()
    check()
    page.locator(".card").first.click()
    page.get_by_label("Show what makes them alike").check()
    expect(page.locator("#pair-status")).to_contain_text("Brighter places")
    check()
    page.get_by_role("button", name="Delete …").click()
    expect(page.locator("#deletion-count")).to_contain_text("will be deleted")
    check()
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Add images").click()
    page.set_input_files("#added-files", [str(served.files("cam3")[0])])
    check()
    visit.close()


def test_nothing_of_the_page_needs_another_place():
    """What the content security policy forbids is not in the files either."""
    from vireid.service.routes import PAGE

    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert "style=" not in html.replace("-style=", "")
    assert not re.search(r"<script(?![^>]*src=)", html)
    assert not re.search(r"\son\w+=", html)
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8")
        links = re.findall(r"(?:https?:)?//[a-z][a-z0-9.-]+\.[a-z]{2,}", text)
        assert [link for link in links if "www.w3.org" not in link] == []
        assert not re.search(r"innerHTML|eval\(|insertAdjacentHTML|document\.write", text)
