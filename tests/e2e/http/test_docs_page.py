"""The page at /docs in a real browser: it lists every route, sends requests, and loads nothing from outside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.implicitly_wait(10)
    yield chrome
    chrome.quit()


@pytest.fixture
def page(browser: Any, server: RunningServer) -> Any:
    browser.get_log("performance")
    browser.get(f"{server.url}/docs")
    assert browser.find_elements("css selector", "details")
    return browser


def operation(page: Any, method: str, path: str) -> Any:
    for details in page.find_elements("css selector", "details"):
        if details.find_element("css selector", "summary").text.split()[:2] == [method, path]:
            details.find_element("css selector", "summary").click()
            return details
    raise AssertionError(f"no {method} {path} on the page")


def send(page: Any, details: Any, last: str = "}") -> tuple[str, str]:
    """Press the button; the status line and the body that came, which ends with ``last``."""
    details.find_element("css selector", "button").click()
    output = details.find_element("css selector", "pre")
    WebDriverWait(page, 60).until(lambda _: output.text.rstrip().endswith(last))
    status, _, body = output.text.partition("\n")
    return status, body.strip()


def test_every_route_is_listed(page: Any, server: RunningServer) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    expected = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    shown = {tuple(s.text.split()[:2]) for s in page.find_elements("css selector", "summary")}
    assert ("POST", "/v1/chat/completions") in shown
    assert shown == expected


def test_a_request_is_sent_and_its_stream_shown(page: Any) -> None:
    details = operation(page, "POST", "/v1/completions")
    assert "max_tokens" in details.find_element("css selector", "table").text
    body = details.find_element("css selector", "textarea")
    assert "prompt" in json.loads(body.get_attribute("value"))
    for sent in (
        {"model": "a", "prompt": "the", "max_tokens": 3, "ignore_eos": True},
        {"model": "b", "prompt": "the", "stream": True},
    ):
        body.clear()
        body.send_keys(json.dumps(sent))
        status, reply = send(page, details, "[DONE]" if "stream" in sent else "}")
        assert status.startswith("200")
        assert "stream" in sent or json.loads(reply)["usage"]["completion_tokens"] == 3


def test_an_error_is_shown(page: Any) -> None:
    details = operation(page, "GET", "/v1/models/{model}")
    status, reply = send(page, details)
    assert status.startswith("404")
    assert json.loads(reply)["error"]["message"]


def test_a_server_with_keys_shows_its_routes_to_those_who_have_one(browser: Any, checkpoints: dict[str, Path]) -> None:
    server = start_server([str(checkpoints["llama"]), "--dtype", "float32", "--api-key", "secret"])
    try:
        browser.get(f"{server.url}/docs")
        routes = browser.find_element("id", "routes")
        WebDriverWait(browser, 60).until(lambda _: "API key" in routes.text)
        assert "/v1" not in routes.text
        browser.find_element("id", "key").send_keys("secret\t")
        status, reply = send(browser, operation(browser, "GET", "/v1/models"))
        assert status.startswith("200")
        assert json.loads(reply)["data"]
    finally:
        server.stop()


def test_nothing_is_loaded_from_outside(page: Any, server: RunningServer) -> None:
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert f"{server.url}/docs" in asked
    assert f"{server.url}/openapi.json" in asked
    assert all(url.startswith((server.url, "data:")) for url in asked)


def test_it_fits_a_phone(page: Any) -> None:
    page.set_window_size(500, 900)
    width = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    page.set_window_size(1200, 900)
    assert width[0] <= width[1]
