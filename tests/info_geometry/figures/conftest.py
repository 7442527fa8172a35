"""Headless Chromium, for the tests of pages."""

import contextlib
import shutil

import pytest


@contextlib.contextmanager
def chromium(*more):
    webdriver = pytest.importorskip("selenium.webdriver")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("no chromium with chromedriver here (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1280,800",
        "--host-resolver-rules=MAP * ~NOTFOUND",  # no network
        *more,
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.set_script_timeout(60)
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def browser():
    with chromium("--use-angle=swiftshader", "--enable-unsafe-swiftshader") as chrome:  # WebGL without a GPU
        yield chrome


@pytest.fixture
def browser_without_webgl():
    with chromium("--disable-3d-apis") as chrome:
        yield chrome
