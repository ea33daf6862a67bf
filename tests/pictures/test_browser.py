"""The page as its reader meets it, in a browser: stepping, looking closer, finding, folding, and what it looks like."""

import json
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from drawn import SVG, grouped, hostile, two_layers

import tinygraph as tg
from tinygraph.pictures.page import frame, page

webdriver = pytest.importorskip("selenium.webdriver", reason="the page is tried in a browser, which takes selenium")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="the page is tried in Chromium: apt install chromium chromium-driver"
)

STEPS = ["X", "Z1", "A1", "Z2", "A2", "J", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"]

# The ratio of luminances (WCAG 2) of each visible text to what lies behind it, the smallest first.
CONTRAST = """
const channels = (color) => color.match(/[\\d.]+/g).map(Number);
const linear = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => sum + share * linear(rgb[i] / 255), 0);
const solid = (color) => color !== "none" && !(channels(color).length === 4 && channels(color)[3] === 0);
function behind(element) {
  for (let e = element; e; e = e.parentElement) {
    const style = getComputedStyle(e);
    const shape = e.matches(".node, .cluster") && e.querySelector("path, polygon");
    if (shape && solid(getComputedStyle(shape).fill)) return getComputedStyle(shape).fill;
    if (!(e instanceof SVGElement && !e.matches("svg")) && solid(style.backgroundColor)) return style.backgroundColor;
  }
}
const found = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!own || !element.checkVisibility() || element.closest(".unseen, :disabled, script, noscript, option")) continue;
  const style = getComputedStyle(element);
  const color = element instanceof SVGElement && !(element instanceof MathMLElement) ? style.fill : style.color;
  const [light, dark] = [luminance(channels(color)), luminance(channels(behind(element)))].sort((a, b) => b - a);
  found.push([(light + 0.05) / (dark + 0.05), element.textContent.slice(0, 30)]);
}
return found.sort((a, b) => a[0] - b[0]).slice(0, 3);
"""

# The height of the smallest letters on screen, in pixels.
SMALLEST = """
const sizes = [...document.querySelectorAll("body *")].filter((element) =>
  [...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim())
  && element.checkVisibility() && !element.closest(".unseen, script, noscript")).map((element) =>
  parseFloat(getComputedStyle(element).fontSize) * (element.getScreenCTM ? element.getScreenCTM().a : 1));
return Math.min(...sizes);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,800", "--mute-audio"):
        options.add_argument(argument)
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.downloads = downloads
    prefer(driver)
    yield driver
    driver.quit()


def prefer(browser, theme="light"):
    """What the reader's system asks for; nothing moves by itself, so that nothing has to be waited for."""
    wishes = {"prefers-reduced-motion": "reduce", "prefers-color-scheme": theme}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The pages that are tried, as files."""
    folder = tmp_path_factory.mktemp("pages")
    J = two_layers(scopes=True)
    J.backward()
    net = tg.draw(J)
    net.save(folder / "net.html")
    tg.draw(two_layers()).save(folder / "before.html")
    (folder / "frame.html").write_text(f"<!doctype html><p>notebook</p>{frame(net.html)}", encoding="utf-8")
    (folder / "group.html").write_text(page(grouped()[0], None, "LR"), encoding="utf-8")
    hostile().save(folder / "hostile.html")
    small().save(folder / "small.html")
    return folder


def small():
    """A fan-out, and numbers that are not finite, on one screen."""
    x = tg.parameter([[0.5], [0.1]])
    A = tg.tanh(x)
    B = A * A + 2
    bad = np.ones(4000)
    bad[:2] = np.nan, np.inf
    seen = tg.Tensor(bad, name="seen")
    J = (B * A).sum() + 0 * tg.sum(seen)
    J.backward()
    return tg.draw(J)


@pytest.fixture
def shown(browser, files):
    """Opens a page, and sees afterwards that it has loaded nothing and complained of nothing."""
    opened = []

    def show(name):
        target = (files / f"{name}.html").as_uri()
        browser.get_log("performance")
        browser.get(target)
        opened.append(target)
        return browser

    yield show
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith(("blob:", "data:", "about:"))} <= set(opened)


def press(browser, key):
    ActionChains(browser).send_keys(key).perform()


def click(browser, name):
    browser.find_element(By.ID, name).click()


def lit(browser):
    """The name of the box that is lit, as the data has it, with the letter d in front on the way back."""
    return browser.execute_script(
        "const [box] = [...svg().querySelectorAll('.node.lit')];"
        "if (!box) return '';"
        "const node = picture().nodes[Number(box.id.split('-n')[1])];"
        "return box.matches('.backward') ? node.gradientName : node.name;"
    )


def text(browser, name):
    return browser.find_element(By.ID, name).text


# -- stepping ------------------------------------------------------------------------------------------------------


def test_the_right_key_goes_through_all_steps_in_order_and_the_left_one_back(shown):
    browser = shown("net")
    assert lit(browser) == ""
    seen = []
    for _ in STEPS:
        press(browser, Keys.ARROW_RIGHT)
        seen.append(lit(browser))
    assert seen == STEPS
    press(browser, Keys.ARROW_RIGHT)
    assert lit(browser) == STEPS[-1]
    press(browser, Keys.ARROW_LEFT)
    assert lit(browser) == STEPS[-2]
    press(browser, Keys.HOME)
    assert lit(browser) == ""
    press(browser, Keys.END)
    assert lit(browser) == STEPS[-1]


def test_buttons_and_slider_step_too(shown):
    browser = shown("net")
    click(browser, "next")
    click(browser, "next")
    assert lit(browser) == "Z1"
    click(browser, "back")
    assert lit(browser) == "X"
    click(browser, "last")
    assert lit(browser) == "db1"
    assert not browser.find_element(By.ID, "next").is_enabled()
    click(browser, "first")
    assert lit(browser) == ""
    browser.find_element(By.ID, "slider").send_keys(*[Keys.ARROW_RIGHT] * 8)
    assert (lit(browser), text(browser, "count")) == ("dZ2", "8 / 14")


def test_it_plays_by_itself_until_it_is_told_to_stop(shown):
    browser = shown("net")
    browser.execute_script("window.setInterval = (f) => { window.tick = f; return 7; };")
    press(browser, Keys.SPACE)
    assert text(browser, "play") == "Pause"
    for _ in range(3):
        browser.execute_script("tick()")
    assert lit(browser) == "A1"
    press(browser, Keys.SPACE)
    assert text(browser, "play") == "Play"
    press(browser, Keys.END)
    click(browser, "play")
    assert lit(browser) == ""


def test_a_step_lights_its_edges_and_shows_equation_numbers_and_source(shown):
    browser = shown("net")
    browser.execute_script("goTo(12)")
    edges = browser.execute_script("return [...svg().querySelectorAll('.edge.lit')].map((e) => e.id)")
    assert edges == ["p0-b3"]
    said = text(browser, "step")
    assert "Backward" in said
    assert "[−0.364, −1.27, −1.53, −0.681]ᵀ" in said
    assert "Comes from A1 = tanh(Z1), which alone reads it." in said
    assert "Z1 = W1 @ X + b1" in said
    assert len(browser.find_elements(By.CSS_SELECTOR, "#step .equations math")) == 2


def test_the_lit_box_is_on_screen(shown):
    browser = shown("net")
    for k in range(1, len(STEPS) + 1):
        box, canvas = browser.execute_script(
            "goTo(arguments[0]);"
            "return [svg().querySelector('.node.lit'), at('canvas')].map((e) => e.getBoundingClientRect().toJSON())",
            k,
        )
        assert all(canvas[side] <= box[side] for side in ("left", "top")), STEPS[k - 1]
        assert all(canvas[side] >= box[side] for side in ("right", "bottom")), STEPS[k - 1]


def test_contributions_come_one_by_one(shown):
    browser = shown("small")
    steps = browser.execute_script("return picture().steps.map((step) => step.name + step.part)")
    assert [name for name in steps if name.startswith("dA")] == ["dA (1 of 3)", "dA (2 of 3)", "dA (3 of 3)", "dA"]
    browser.execute_script("goTo(picture().steps.findIndex((step) => step.part) + 2)")
    assert "(2 of 3)" in text(browser, "step")
    assert "sum so far" in text(browser, "step")


def test_before_backward_it_says_how_to_get_gradients(shown):
    browser = shown("before")
    browser.execute_script("goTo(2)")
    assert text(browser, "count") == "2 / 6"
    assert "call J.backward()" in text(browser, "panel")


# -- looking closer ------------------------------------------------------------------------------------------------


def test_a_click_shows_what_is_in_a_box(shown):
    browser = shown("net")
    browser.find_element(By.ID, "p0-n3").click()
    said = text(browser, "panel")
    assert "parameter · 4 × 1 · float64" in said
    assert "db1 says how J changes with each element of b1" in said
    assert "b1 was repeated to 4 × 400 there, so the gradient that comes back is summed to 4 × 1." in said
    cells = browser.find_elements(By.CSS_SELECTOR, "#panel .forward .cells td")
    assert [cell.text for cell in cells] == ["0", "0", "0", "0"]
    assert len(browser.find_elements(By.CSS_SELECTOR, "#panel figure.backward math")) == 1


def test_large_arrays_are_maps_with_a_legend_and_a_histogram(shown):
    browser = shown("net")
    browser.execute_script("select(6)")
    maps = browser.find_elements(By.CSS_SELECTOR, "#panel .map")
    assert [map.get_dom_attribute("viewBox") for map in maps] == ["0 0 40 4", "0 0 40 4"]
    assert all(map.get_attribute("aria-label").startswith("heat map of") for map in maps)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#panel .histogram rect")) == 48
    assert re.search(r"min −5.66\s+mean −0.00423\s+max 5.12", text(browser, "panel"))


def test_what_is_not_finite_is_crossed_and_counted(shown):
    browser = shown("small")
    browser.execute_script("select(picture().nodes.findIndex((node) => node.name === 'seen'))")
    assert "✕ 1 NaN, 1 infinite" in text(browser, "panel")
    assert browser.find_elements(By.CSS_SELECTOR, "#panel .map .cross")


def test_a_box_can_be_reached_and_opened_with_the_keyboard(shown):
    browser = shown("net")
    box = browser.find_element(By.ID, "p0-n6")
    browser.execute_script("arguments[0].focus()", box)
    press(browser, Keys.ENTER)
    assert "operation · add" in text(browser, "panel")
    assert (box.get_attribute("role"), box.get_attribute("tabindex")) == ("button", "0")
    assert box.get_attribute("aria-label").startswith("Z1 = W1 X + b1, 4 × 400")


def test_drag_wheel_and_buttons_move_the_view(shown):
    browser = shown("net")
    view = "return { ...view }"
    before = browser.execute_script(view)
    canvas = browser.find_element(By.ID, "canvas")
    ActionChains(browser).move_to_element(canvas).click_and_hold().move_by_offset(-90, 30).release().perform()
    moved = browser.execute_script(view)
    assert moved["x"] - before["x"] == pytest.approx(90 / before["scale"], rel=0.05)
    assert moved["y"] - before["y"] == pytest.approx(-30 / before["scale"], rel=0.05)
    ActionChains(browser).scroll_from_origin(
        webdriver.common.actions.wheel_input.ScrollOrigin.from_element(canvas), 0, -200
    ).perform()
    zoomed = browser.execute_script(view)
    assert zoomed["scale"] > moved["scale"]
    click(browser, "out")
    assert browser.execute_script(view)["scale"] == pytest.approx(0.8 * zoomed["scale"])
    click(browser, "fit")
    left, right = browser.execute_script(
        "const b = svg().querySelector('.graph').getBoundingClientRect(); return [b.left, b.right]"
    )
    assert left >= 0
    assert right <= 1280


def test_two_fingers_zoom(shown):
    browser = shown("net")
    before = browser.execute_script("return view.scale")
    x, y = browser.execute_script(
        "const b = at('canvas').getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]"
    )

    def touch(kind, apart):
        points = [{"x": x + side * apart, "y": y, "id": i} for i, side in enumerate((-1, 1))]
        browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [] if kind == "touchEnd" else points}
        )

    touch("touchStart", 50)
    for apart in (60, 80, 100):
        touch("touchMove", apart)
    touch("touchEnd", 100)
    assert browser.execute_script("return view.scale") == pytest.approx(2 * before, rel=0.1)


# -- finding and folding -------------------------------------------------------------------------------------------


def test_search_finds_by_name_and_jumps(shown):
    browser = shown("net")
    press(browser, "/")
    press(browser, "z")
    assert text(browser, "found") == "2 found"
    found = "return [...svg().querySelectorAll('.found')].map((e) => picture().nodes[e.id.split('-n')[1]].name)"
    assert browser.execute_script(found) == ["Z1", "Z2"]
    press(browser, "2" + Keys.ENTER)
    assert "Z2 = W2 @ A1 + b2" in text(browser, "panel")
    press(browser, "x")
    assert text(browser, "found") == "none found"
    press(browser, Keys.ESCAPE)
    assert browser.execute_script(found) == []


def test_a_scope_folds_and_nothing_moves(shown):
    browser = shown("net")
    positions = "return [...svg().querySelectorAll('.node')].map((e) => e.getBBox().x)"
    before = browser.execute_script(positions)
    frame = browser.execute_script("return drawn(picture().frames[0].id)")
    browser.execute_script("arguments[0].focus()", frame)
    press(browser, Keys.ENTER)
    hidden = browser.execute_script(
        "return picture().nodes.filter((_, i) => drawn(`n${i}`).matches('.covered')).map((n) => n.name)"
    )
    assert sorted(hidden) == ["A1", "W1", "Z1", "b1"]
    assert frame.get_attribute("aria-expanded") == "false"
    assert "layer 1" in frame.text
    crossing = browser.execute_script(
        "return picture().edges.map((_, i) => drawn(`f${i}`)).filter((e) => !e.matches('.covered')).length"
    )
    assert crossing == 7
    assert sorted(browser.execute_script(positions)) == sorted(before)
    browser.execute_script("goTo(2)")  # a step within unfolds
    assert frame.get_attribute("aria-expanded") == "true"
    click(browser, "fold")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".folded")) == 2
    click(browser, "fold")
    assert not browser.find_elements(By.CSS_SELECTOR, ".folded, .covered")


def test_a_group_opens_and_the_trail_leads_back(shown):
    browser = shown("group")
    browser.execute_script("select(picture().nodes.findIndex((node) => node.inner !== null))")
    browser.find_element(By.CSS_SELECTOR, "#panel .open").click()
    assert browser.execute_script("return now.picture") == 1
    assert not browser.find_element(By.ID, "p0").is_displayed()
    press(browser, Keys.ARROW_RIGHT)
    assert lit(browser) == "Z1"
    assert text(browser, "trail").endswith("layer 1")
    browser.find_element(By.CSS_SELECTOR, "#trail button").click()
    assert browser.find_element(By.ID, "p0").is_displayed()
    browser.find_element(By.ID, "search").send_keys("Z1" + Keys.ENTER)
    assert browser.execute_script("return now.picture") == 1


# -- looks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_large_enough_and_stands_out(shown, theme):
    browser = shown("net")
    browser.execute_script("setTheme(arguments[0]); at('trace').open = true", theme)
    for k in (0, 2, 12):
        browser.execute_script("goTo(arguments[0])", k)
        assert browser.execute_script(SMALLEST) >= 9 - 1e-3
        assert browser.execute_script(CONTRAST)[0][0] >= 4.5


def test_the_theme_follows_the_reader_and_can_be_switched(shown):
    browser = shown("net")
    theme = "return document.documentElement.dataset.theme"
    assert browser.execute_script(theme) == "light"
    click(browser, "theme")
    assert browser.execute_script(theme) == "dark"
    prefer(browser, "dark")
    try:
        assert shown("net").execute_script(theme) == "dark"
    finally:
        prefer(browser)


def test_what_is_on_screen_is_exported_as_svg(shown):
    browser = shown("net")
    browser.execute_script("setTheme('dark'); goTo(12); setFolded(1, true)")
    root = ET.fromstring(browser.execute_script("return exported()"))
    assert root.tag == f"{SVG}svg"
    written = "".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))
    assert "layer 2" in written
    assert "tanh" in written
    assert "σ(" not in written  # folded away
    lit = next(element for element in root.iter(f"{SVG}g") if element.get("id") == "p0-n6")
    assert any("rgb(255, 147, 170)" in (shape.get("style") or "") for shape in lit)
    click(browser, "export")
    WebDriverWait(browser, 5).until(lambda _: list(browser.downloads.glob("*.svg")))
    assert ET.parse(browser.downloads / "graph.svg").getroot().tag == root.tag


def test_the_page_stands_in_a_frame_as_in_a_notebook(shown):
    browser = shown("frame")
    browser.switch_to.frame(0)
    try:
        press(browser, Keys.TAB)
        browser.execute_script("goTo(8)")
        assert lit(browser) == "dZ2"
        assert browser.execute_script("try { return parent.document.title } catch { return 'apart' }") == "apart"
    finally:
        browser.switch_to.default_content()


def test_each_step_is_text_too_and_said_aloud(shown):
    browser = shown("net")
    browser.execute_script("at('trace').open = true; goTo(8)")
    lines = [item.text for item in browser.find_elements(By.CSS_SELECTOR, "#trace li")]
    assert len(lines) == len(STEPS)
    assert lines[7].startswith("dZ2 = dA2 ∗ A2 ∗ (1 − A2) = A2 − Y: 1 × 400")
    said = browser.find_element(By.ID, "said")
    assert said.get_attribute("aria-live") == "polite"
    assert said.get_attribute("textContent").split() == lines[7].split()
    current = browser.find_elements(By.CSS_SELECTOR, "#trace [aria-current]")
    assert [button.text for button in current] == [lines[7]]
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('button, input, svg [role], [role=img]')]"
        ".filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML)"
    )
    assert unnamed == []


def test_hostile_names_do_nothing(shown):
    browser = shown("hostile")
    browser.execute_script("window.alert = () => { throw new Error('run') }")
    count = browser.execute_script("return picture().steps.length")
    assert count > 100
    for k in range(0, count, 7):
        browser.execute_script("goTo(arguments[0])", k)
    tags = browser.execute_script("return [...new Set([...document.querySelectorAll('*')].map((e) => e.localName))]")
    assert not {"img", "iframe", "object", "a", "link", "base", "image", "foreignobject"} & {
        tag.lower() for tag in tags
    }
    assert browser.execute_script("return document.scripts.length") == 2
