"""The service as a client sees it."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from serving import Serve, blocked, browser, dark, encoded
from starlette.testclient import TestClient

from graphs import save
from lightwell import Restorer, read
from lightwell.serve.app import Service
from lightwell.serve.bodies import Held, receive_picture
from lightwell.serve.jobs import Job, follow
from lightwell.serve.limits import Limits
from lightwell.serve.pool import Made, Task
from lightwell.serve.problems import Problem
from lightwell.serve.work import Models


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def refusal(response: object) -> dict[str, object]:
    """The problem that an answer is: one sentence, no trace."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = json.loads(response.text)
    assert problem["status"] == response.status_code
    assert re.fullmatch(r"[^\n]{5,400}\.", problem["detail"])
    assert "Traceback" not in response.text
    return problem


# Restoring


@pytest.mark.parametrize("form", [False, True])
def test_the_answer_is_what_the_restorer_makes(client: TestClient, card: Path, form: bool) -> None:
    data = encoded(dark())
    if form:
        response = client.post("/v1/restore?brightness=0.5&warmth=-1", files={"picture": ("../../night.png", data)})
    else:
        response = client.post("/v1/restore?brightness=0.5&warmth=-1", content=data)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    expected = Restorer(card, threads=1)(read(data), brightness=0.5, warmth=-1.0)
    np.testing.assert_array_equal(np.asarray(opened(response.content)), expected.pixels)
    assert np.asarray(opened(response.content)).mean() > 2 * np.asarray(dark()).mean()


def test_metadata_stays_and_the_format_is_as_asked(client: TestClient) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ansel"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(dark(), "JPEG", exif=exif, icc_profile=profile)
    same = client.post("/v1/restore", content=data, headers={"Content-Type": "image/jpeg"})
    assert (opened(same.content).format, same.headers["content-type"]) == ("JPEG", "image/jpeg")
    other = client.post("/v1/restore?format=webp&quality=50", content=data)
    assert (opened(other.content).format, other.headers["content-type"]) == ("WEBP", "image/webp")
    for response in (same, other):
        image = opened(response.content)
        assert image.getexif()[ExifTags.Base.Artist] == "Ansel"
        assert image.info["icc_profile"] == profile


def test_strength_zero_gives_the_picture_back(client: TestClient) -> None:
    data = encoded(dark())
    np.testing.assert_array_equal(
        np.asarray(opened(client.post("/v1/restore?strength=0", content=data).content)), np.asarray(dark())
    )


def test_what_a_format_loses_is_told(client: TestClient) -> None:
    image = dark()
    image.putalpha(128)
    response = client.post("/v1/restore?format=jpeg", content=encoded(image))
    assert "transparency" in json.loads(response.headers["lightwell-notes"])[0]


def test_models_say_what_they_can(client: TestClient) -> None:
    content = client.get("/v1/models").json()
    first, *others = content["models"]
    assert (first["name"], first["default"], first["stages"]) == ("dusk", True, True)
    named = {entry["name"]: entry for entry in others}
    assert (named["darkir-s"]["stages"], named["lightwell-s"]["stages"]) == (False, True)
    assert content["limits"]["pixels"] == Limits().pixels


# Refusals


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("strength=2", "strength"),
        ("brightness=nan", "brightness"),
        ("strenght=1", "no setting 'strenght'"),
        ("quality=0", "quality"),
        ("format=exe", "format is one of"),
        ("format=../x.png", "format is one of"),
        ("model=../../etc/passwd", "no such model"),
        ("model=/tmp/x.onnx", "no such model"),
        ("preview=maybe", "preview"),
    ],
)
def test_a_wrong_setting_is_named(client: TestClient, query: str, words: str) -> None:
    response = client.post(f"/v1/restore?{query}", content=encoded(dark()))
    assert response.status_code == 422
    assert words in str(refusal(response)["detail"])


def test_a_setting_that_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    one_stage = Service(Models(str(save(tmp_path / "gamma.onnx", "gamma")), "cpu", 1, 2 << 30, 1))
    with browser(one_stage) as client:
        response = client.post("/v1/restore?preview=1", content=encoded(dark()))
        assert response.status_code == 422
        assert "two stages" in str(refusal(response)["detail"])
        assert client.get("/v1/models").json()["models"][0]["stages"] is False


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<svg/>", "not a picture"),
        (encoded(dark())[:-40], "cut short"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "damaged|not a picture"),
    ],
)
def test_what_is_no_picture_is_refused(client: TestClient, data: bytes, words: str) -> None:
    response = client.post("/v1/restore", content=data)
    assert response.status_code == 422
    assert re.search(words, str(refusal(response)["detail"]))


def test_too_many_pixels_are_refused_before_they_are_decoded(serve: Serve) -> None:
    with browser(serve(Limits(pixels=1000))) as client:
        response = client.post("/v1/restore", content=encoded(Image.new("1", (3000, 3000))))
        assert response.status_code == 422
        assert "pixels" in str(refusal(response)["detail"])


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_is_refused(serve: Serve, declared: bool) -> None:
    service = serve(Limits(body=10_000))
    with browser(service) as client:
        body = bytes(20_000) if declared else iter([bytes(6_000)] * 4)
        response = client.post("/v1/restore", content=body)
        assert response.status_code == 413
        refusal(response)
        assert service.held.total == 0


def test_a_form_holds_one_file(client: TestClient) -> None:
    data = encoded(dark())
    many = client.post("/v1/restore", files=[("p", (f"{n}.png", b"x")) for n in range(1000)])
    fields = client.post("/v1/restore", data={"strength": "0"}, files={"p": ("a.png", data)})
    none = client.post("/v1/restore", content=b"--x--\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"})
    broken = client.post("/v1/restore", content=b"zzz", headers={"Content-Type": "multipart/form-data"})
    assert [r.status_code for r in (many, fields, none, broken)] == [400, 400, 422, 400]
    for response in (many, fields, none, broken):
        refusal(response)


@pytest.mark.parametrize("media", ["text/plain", "application/json", "application/x-www-form-urlencoded", "x"])
def test_another_type_is_refused(client: TestClient, media: str) -> None:
    response = client.post("/v1/restore", content=encoded(dark()), headers={"Content-Type": media})
    assert response.status_code == 415
    refusal(response)


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "PATCH", "TRACE", "GET"])
def test_another_method_is_refused(client: TestClient, method: str) -> None:
    response = client.request(method, "/v1/restore")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


def test_there_is_nothing_elsewhere(client: TestClient) -> None:
    for path in ("/nothing", "/v1", "/docs", "/redoc", "/../pyproject.toml", "/page/app.js", "/app.py", "//etc/passwd"):
        response = client.get(path)
        assert response.status_code == 404, path
        refusal(response)


# Who may


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "192.168.1.7", "den"])
def test_its_own_names_are_answered(serve: Serve, host: str) -> None:
    with browser(serve(hosts=("den",))) as client:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.com", "evil.com:8000", "localhost.evil.com", "127.0.0.1.evil.com", "", "[x]"])
def test_a_strange_name_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/healthz", "/v1/models"):
        response = client.get(path, headers={"Host": host})
        assert response.status_code == 421
        refusal(response)


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://127.0.0.1:8001", "http://127.0.0.1"])
def test_another_page_is_refused(client: TestClient, origin: str) -> None:
    response = client.post("/v1/restore", content=encoded(dark()), headers={"Origin": origin})
    assert response.status_code == 403
    refusal(response)
    own = client.post("/v1/restore", content=encoded(dark()), headers={"Origin": "http://127.0.0.1:8000"})
    assert own.status_code == 200


def test_a_token_is_asked_for(serve: Serve) -> None:
    with browser(serve(token="wörd")) as client:
        for path in ("/", "/app.js", "/style.css", "/icon.svg", "/healthz"):
            assert client.get(path).status_code == 200
        for given in (None, "Bearer", "Bearer word", "Basic wörd", "Bearer wörd wörd"):
            headers = {"Authorization": given.encode()} if given else {}
            for path in ("/v1/models", "/metrics", "/openapi.json", "/v1/jobs/x"):
                response = client.get(path, headers=headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
                refusal(response)
    with browser(serve(token="word")) as client:
        right = {"Authorization": "Bearer word"}
        assert client.get("/v1/models", headers=right).status_code == 200


def test_every_answer_is_guarded(client: TestClient) -> None:
    for response in (client.get("/"), client.get("/nothing"), client.get("/", headers={"Host": "evil.com"})):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in response.headers


def test_nothing_comes_from_elsewhere(client: TestClient) -> None:
    total = 0
    for path in ("/", "/app.js", "/style.css", "/icon.svg"):
        text = client.get(path).text
        total += len(text.encode())
        addresses = re.findall(r"https?://[^\s\"'<>)]+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path
    assert total < 200_000
    page = client.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_the_page_is_not_sent_twice(client: TestClient) -> None:
    first = client.get("/app.js")
    again = client.get("/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head("/").status_code == 200


def test_openapi_names_the_routes(client: TestClient) -> None:
    content = client.get("/openapi.json").json()
    assert set(content["paths"]["/v1/restore"]["post"]["requestBody"]["content"]) == {"image/*", "multipart/form-data"}
    names = {entry["name"] for entry in content["paths"]["/v1/jobs"]["post"]["parameters"]}
    assert names == {"model", "strength", "brightness", "warmth", "denoise", "preview", "format", "quality"}


# Bounds


def test_a_full_queue_says_when_to_come_back(serve: Serve) -> None:
    service = serve(Limits(queue=1))
    release = blocked(service)
    with browser(service) as client:
        waiting = client.post("/v1/jobs", content=encoded(dark()))
        assert waiting.status_code == 202
        for path in ("/v1/restore", "/v1/jobs"):
            response = client.post(path, content=encoded(dark()))
            assert response.status_code == 429
            assert int(response.headers["retry-after"]) >= 1
            refusal(response)
        assert client.get("/healthz").status_code == 200
        release.set()
        assert "event: done" in client.get(waiting.json()["events"]).text
        assert client.post("/v1/restore", content=encoded(dark())).status_code == 200
    assert service.held.total == len(client_result(service, waiting.json()["id"]))


def client_result(service: object, id: str) -> bytes:
    return service.jobs[id].made.data


def test_what_is_held_is_bounded(serve: Serve) -> None:
    data = encoded(dark())
    service = serve(Limits(held=len(data) - 1))
    with browser(service) as client:
        response = client.post("/v1/restore", content=data)
        assert response.status_code == 429
        refusal(response)
        assert service.held.total == 0


def test_a_slow_body_is_given_up() -> None:
    """Neither a client that stops nor one that trickles is waited for."""
    from starlette.requests import Request

    async def stops() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    async def trickles() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    for receive, limits in ((stops, Limits(idle=0.05)), (trickles, Limits(upload=0.2))):
        held = Held(1000)
        request = Request({"type": "http", "method": "POST", "headers": []}, receive)
        with pytest.raises(Problem) as refused:
            asyncio.run(receive_picture(request, limits, held))
        assert refused.value.status == 408
        assert held.total == 0


def test_a_client_that_takes_nothing_of_its_answer_is_given_up(serve: Serve) -> None:
    service = serve(Limits(idle=0.1))
    data = encoded(dark())
    messages = iter([{"type": "http.request", "body": data, "more_body": False}])

    async def receive() -> dict[str, object]:
        try:
            return next(messages)
        except StopIteration:
            await asyncio.sleep(60)
            raise

    async def send(_: object) -> None:
        await asyncio.sleep(60)

    headers = [(b"host", b"localhost"), (b"content-length", str(len(data)).encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/restore",
        "raw_path": b"/v1/restore",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": headers,
    }
    asyncio.run(asyncio.wait_for(service.app(scope, receive, send), 50))
    assert service.held.total == 0


def test_work_that_takes_too_long_is_ended(serve: Serve) -> None:
    with browser(serve(Limits(seconds=1e-6))) as client:
        response = client.post("/v1/restore", content=encoded(dark()))
        assert response.status_code == 503
        assert "longer" in str(refusal(response)["detail"])


def test_a_stopping_service_refuses(serve: Serve) -> None:
    service = serve()
    release = blocked(service)
    with browser(service) as client:
        waiting = client.post("/v1/jobs", content=encoded(dark())).json()
        service.pool.refuse()
        state = client.get(waiting["events"]).text
        assert '"status": 503' in state
        assert client.get("/healthz").status_code == 503
        assert client.post("/v1/restore", content=encoded(dark())).status_code == 503
        release.set()


# Jobs


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)
    return [(name, json.loads(data)) for name, data in found]


def test_a_job_tells_its_progress_and_keeps_its_result(client: TestClient) -> None:
    data = encoded(Image.new("RGB", (900, 700), (20, 30, 40)))
    made = client.post("/v1/jobs?format=png", content=data)
    assert made.status_code == 202
    assert made.headers["location"] == f"/v1/jobs/{made.json()['id']}"
    told = events(client.get(made.json()["events"]).text)
    assert told[-1][0] == "done"
    shares = [content["progress"] for _, content in told]
    assert shares == sorted(shares)
    assert client.get(made.headers["location"]).json()["state"] == "done"
    result = client.get(made.json()["result"])
    assert opened(result.content).size == (900, 700)
    assert client.delete(made.headers["location"]).status_code == 204
    assert client.get(made.json()["result"]).status_code == 404
    assert client.delete(made.headers["location"]).status_code == 404


def test_a_job_that_ends_while_its_state_is_sent_is_told() -> None:
    task = Task(lambda _: Made(b"x", "image/png", (), (1, 1), "none"))

    async def told() -> list[str]:
        job = Job("id", task)
        states = []
        async for text in follow(job):
            states.append(text.partition("\n")[0])
            job.made = Made(b"x", "image/png", (), (1, 1), "none")
            job.tell()
        return states

    assert asyncio.run(told()) == ["event: waiting", "event: done"]


def test_a_job_that_fails_says_why(client: TestClient) -> None:
    made = client.post("/v1/jobs", content=b"no picture").json()
    name, content = events(client.get(made["events"]).text)[-1]
    assert name == "failed"
    assert "not a picture" in content["problem"]["detail"]
    assert client.get(made["result"]).status_code == 422


def test_a_job_can_be_cancelled_while_it_waits(serve: Serve) -> None:
    service = serve()
    release = blocked(service)
    with browser(service) as client:
        made = client.post("/v1/jobs", content=encoded(dark())).json()
        assert client.get(made["result"]).status_code == 409
        assert service.pool.waiting == 1
        assert client.delete(f"/v1/jobs/{made['id']}").status_code == 204
        assert service.pool.waiting == 0
        release.set()
        assert client.post("/v1/restore", content=encoded(dark())).status_code == 200
    assert service.held.total == 0


def test_a_result_expires(serve: Serve) -> None:
    service = serve(Limits(keep=0.2))
    with browser(service) as client:
        made = client.post("/v1/jobs", content=encoded(dark())).json()
        client.get(made["events"])
        until(lambda: client.get(made["result"]).status_code == 404)
        assert service.held.total == 0


def until(true: object) -> None:
    for _ in range(300):
        if true():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not become true")


def test_old_results_make_way(serve: Serve) -> None:
    data = encoded(Image.effect_noise((200, 200), 50))
    service = serve(Limits(held=int(3.5 * len(data))))
    with browser(service) as client:
        made = []
        for _ in range(4):
            made.append(client.post("/v1/jobs?strength=0", content=data).json())
            client.get(made[-1]["events"])
        found = [client.get(job["result"]).status_code for job in made]
    assert found[0] == 404
    assert found[-1] == 200
    assert service.held.total <= service.limits.held


def test_previews_go_first(serve: Serve) -> None:
    service = serve()
    order: list[str] = []
    release = blocked(service)

    def task(name: str, urgent: bool) -> Task:
        def work(_: object) -> Made:
            order.append(name)
            return Made(b"", "image/png", (), (1, 1), "none")

        return Task(work, urgent=urgent)

    tasks = [task("first", False), task("second", False), task("preview", True)]
    for entry in tasks:
        service.pool.submit(entry)
    release.set()
    for entry in tasks:
        entry.future.result(30)
    assert order == ["preview", "first", "second"]


def test_running_work_ends_when_it_is_cancelled(serve: Serve) -> None:
    service = serve()
    started, ended = threading.Event(), threading.Event()

    def work(progress: object) -> Made:
        try:
            for _ in range(3000):
                progress(0.5)
                started.set()
                threading.Event().wait(0.01)
        finally:
            ended.set()
        raise AssertionError("nobody stopped it")

    task = Task(work)
    service.pool.submit(task)
    assert started.wait(30)
    service.pool.cancel(task)
    assert ended.wait(20)


def test_counts(client: TestClient) -> None:
    client.post("/v1/restore", content=encoded(dark()))
    client.get("/v1/jobs/secret")
    text = client.get("/metrics").text
    assert 'lightwell_requests_total{method="POST",route="/v1/restore",status="200"} 1' in text
    assert 'lightwell_requests_total{method="GET",route="/v1/jobs/{id}",status="404"} 1' in text
    assert "secret" not in text
    assert "lightwell_restore_seconds_count 1" in text
    assert "\nlightwell_held_bytes 0\n" in text
