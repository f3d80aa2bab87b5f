"""The page in a real Chromium: weights move, state comes back from the address, no request, no overflow."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

import pytest

from dcsite.report.export import write_report
from dcsite.scoring.comparing import compare_sites
from dcsite.scoring.ranking import rank
from dcsite.scoring.robustness import robustness
from dcsite.scoring.spectrum import spectrum
from report_fixture import NASTY, MadeUpPlan, make_evaluation
from test_report_page import assert_same_ranking

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]
EVALUATION = make_evaluation()
CLOUD = rank(EVALUATION, workload="cloud")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright: pip install 'dcsite[browser]'")
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    result = [
        MadeUpPlan(),
        CLOUD,
        rank(EVALUATION, workload="training"),
        compare_sites(CLOUD, ["us-alder", "us-birch", "is-dagur"]),
        spectrum(EVALUATION, "cloud"),
        robustness(CLOUD, draws=100),
    ]
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(result, path, evaluation=EVALUATION)
    return path.as_uri()


@pytest.fixture(scope="module")
def tab(browser):
    """One tab for all tests, and what it complained of or asked for."""
    page = browser.new_page()
    trouble: list[str] = []
    page.set_default_timeout(10_000)
    page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("request", lambda request: trouble.append(request.url))
    page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    return page, trouble


@pytest.fixture
def open_page(tab, address):
    """Open the page anew; at the end nothing was asked for and nothing complained."""
    page, trouble = tab

    def opened(hash_: str = "", *, width: int = 1400, scheme: str = "light", media: str = "screen"):
        page.goto("about:blank")
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media=media, color_scheme=scheme)
        page.goto(address + hash_)
        return page

    trouble.clear()
    yield opened
    own = (address, "about:blank")
    assert [words for words in trouble if words.split("#")[0] not in own] == []


def scores(page):
    """What the page ranks now."""
    return page.evaluate(
        """() => { const result = dcsite.ranking(); return {
        effective: result.effective,
        rows: result.rows.map((row) => ({ id: dcsite.data.sites[row.site].id, technology: row.technology,
          score: row.score, sd: row.sd, tie: row.tie, rank: row.rank,
          parts: Object.fromEntries(result.weights.map(({ criterion }, c) => [criterion.name, row.parts[c]])) })) } }"""
    )


def order(page):
    return page.eval_on_selector_all("#rank-table tbody tr", "rows => rows.map((row) => row.dataset.site)")


def set_slider(page, name, value):
    page.evaluate(
        """([name, value]) => { const input = document.getElementById(`weight-${name}`);
        input.value = String(value); input.dispatchEvent(new Event("input", { bubbles: true }));
        return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); }""",
        [name, value],
    )


def test_the_page_opens_with_pythons_ranking(open_page):
    page = open_page()
    assert_same_ranking(scores(page), CLOUD)
    assert order(page) == CLOUD.table["site_id"].tolist()


def test_a_slider_re_ranks_map_bars_and_table_at_once(open_page):
    page = open_page()
    before = order(page)
    titles = "all => all.map((one) => one.textContent).sort().join()"
    map_before = page.eval_on_selector_all("#map circle title", titles)
    set_slider(page, "latency", 0)
    raw = page.evaluate("dcsite.state.raw")
    expected = rank(EVALUATION, weights={k: v for k, v in raw.items() if v > 0}, workload="cloud")
    assert_same_ranking(scores(page), expected)
    assert order(page) == expected.table["site_id"].tolist() != before
    assert page.eval_on_selector_all("#map circle title", titles) != map_before
    first = page.locator("#rank-table tbody tr").first
    assert first.locator(".bar span").count() == 3
    assert page.locator("#rank-table .move").count() > 0
    assert "Alder" in page.locator("#answer").inner_text() or expected.table["site_id"][0] != "us-alder"
    assert "latency" not in page.locator("#options").input_value()


def test_all_weights_at_zero_say_so(open_page):
    page = open_page()
    for name in ("price", "water", "cooling", "latency"):
        set_slider(page, name, 0)
    assert "All weights are zero" in page.locator("#answer").inner_text()
    assert order(page) == []
    page.get_by_role("button", name="Reset").click()
    assert len(order(page)) == len(CLOUD.table)


def test_a_preset_gives_the_weights_of_its_profile(open_page):
    page = open_page()
    page.get_by_role("button", name="ai-training", exact=True).click()
    weights = rank(EVALUATION, workload="training").weights.weight
    expected = rank(EVALUATION, weights={k: v for k, v in weights.items() if v > 0}, workload="cloud")
    assert_same_ranking(scores(page), expected)
    assert page.locator("[data-preset=ai-training]").get_attribute("aria-pressed") == "true"


def test_another_workload_shows_its_own_ranking(open_page):
    page = open_page()
    page.locator("#tabs").get_by_role("button", name="training").click()
    assert_same_ranking(scores(page), rank(EVALUATION, workload="training"))
    assert page.locator("#weight-latency").is_disabled()


def test_columns_sort_up_and_down(open_page):
    page = open_page()
    head = page.locator("th[data-column=effective_price_usd_per_mwh]")
    head.get_by_role("button").click()
    by_price = CLOUD.table.sort_values("effective_price_usd_per_mwh")["site_id"].tolist()
    assert order(page) == by_price
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert order(page) == by_price[::-1]
    assert head.get_attribute("aria-sort") == "descending"


def test_the_filter_keeps_what_it_names(open_page):
    page = open_page()
    page.locator("#find").fill("usa")
    assert set(order(page)) == {"us-alder", "us-birch", "us-cedar"}
    page.locator("#find").fill("no such place")
    assert order(page) == []
    assert "0 of" in page.locator("#count").inner_text()


def test_ticking_sites_compares_them_with_a_waterfall_that_sums(open_page):
    page = open_page()
    page.get_by_role("checkbox", name="Compare Esche").check()
    assert page.locator("#cards .card").count() == 4
    falls = page.locator("#falls .fall")
    assert falls.count() == 3
    for number in range(3):
        cells = falls.nth(number).locator("span:nth-child(3n)").all_inner_texts()
        steps = [float(text.replace(",", "")) for text in cells]
        assert sum(steps[:-1]) == pytest.approx(steps[-1], abs=0.35)
    page.locator("#cards .card").first.get_by_role("button", name="Remove").click()
    assert page.locator("#cards .card").count() == 3


def test_a_circle_of_the_map_ticks_its_site(open_page):
    page = open_page()
    page.evaluate("document.querySelector('#map circle').dispatchEvent(new MouseEvent('click'))")
    assert page.locator("#cards .card").count() in (2, 4)


def test_the_address_brings_the_state_back(open_page):
    page = open_page()
    set_slider(page, "price", 73)
    page.locator("#find").fill("e")
    page.locator("th[data-column=score] button").click()
    page.get_by_role("checkbox", name="Compare Esche").check()
    page.wait_for_url(re.compile("esche"))
    hash_ = page.evaluate("location.hash")
    keys = "(({ raw, chosen, find, sort, down, all, workload }) => ({ raw, chosen, find, sort, down, all, workload }))"
    before = scores(page), order(page), page.evaluate(f"{keys}(dcsite.state)")
    open_page(hash_)
    assert (scores(page), order(page), page.evaluate(f"{keys}(dcsite.state)")) == before


@pytest.mark.parametrize(
    "hash_",
    [
        "#plan",
        "#weights=price:abc,evil:9",
        "#workload=nothing&compare=<img src=x onerror=alert(1)>&sort=constructor",
        "#find=%E0%A4",
        "#weights=price:-1&preset=__proto__",
    ],
)
def test_a_broken_address_changes_nothing(hash_, open_page):
    page = open_page(hash_)
    assert_same_ranking(scores(page), CLOUD)


def test_a_hostile_name_does_nothing(open_page):
    page = open_page()
    assert page.evaluate("window.pwned") is None
    assert page.locator("#rank-table .site", has_text=NASTY).count() == 1
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1400])
def test_nothing_is_wider_than_the_screen(width, scheme, open_page):
    page = open_page(width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    table = page.locator("#rank-table").bounding_box()
    assert table["width"] <= width


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const node of document.querySelectorAll("p, h1, h2, h3, th, td, dt, dd, a, button, label, output, summary, li, .under, .q-estimate")) {
    if (!node.textContent.trim() || !node.getClientRects().length || node.closest(".off, .bar, svg, .chosen")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)} ${node.textContent.slice(0, 30)}`);
  }
  return [...new Set(bad)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme, open_page):
    assert open_page(scheme=scheme).evaluate(CONTRAST) == []


def test_every_control_is_reached_by_keyboard_and_has_a_name(open_page):
    page = open_page()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.dataset.preset || document.activeElement.textContent.trim()"
            )
        )
    for wanted in (
        "weight-price",
        "weight-latency",
        "ai-training",
        "options",
        "copy",
        "find",
        "reset",
        "training",
    ):
        assert wanted in reached, wanted
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, a, summary")].filter((node) =>
        !(node.textContent.trim() || node.getAttribute("aria-label") || (node.labels && node.labels.length))).map((node) => node.outerHTML)"""
    )
    assert nameless == []


def test_arrow_keys_move_a_weight(open_page):
    page = open_page()
    page.locator("#weight-price").focus()
    before = page.evaluate("dcsite.state.raw.price")
    page.keyboard.press("ArrowRight")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("dcsite.state.raw.price") == pytest.approx(round(before) + 1)


def test_focus_stays_where_it_was_when_the_page_is_drawn_anew(open_page):
    page = open_page()
    page.get_by_role("checkbox", name="Compare Esche").focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Compare Esche"
    assert page.get_by_role("checkbox", name="Compare Esche").is_checked()
    page.locator("[data-preset=equal]").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.preset") == "equal"
    whole = page.locator("#map").get_attribute("viewBox")
    page.locator("#views button").nth(2).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Europe"
    assert page.locator("#map").get_attribute("viewBox") != whole


def test_a_screen_reader_finds_a_table_with_heads_and_a_caption(open_page):
    page = open_page()
    table = page.locator("#rank-table")
    assert table.locator("caption").inner_text() == "Ranking of the sites with score parts and figures"
    assert (
        table.locator("thead th[scope=col]").count() == table.locator("tbody tr").first.locator("td").count()
    )
    words = table.locator(".bar").first.get_attribute("aria-label")
    assert re.match(r"Score [\d.]+: Electricity price [\d.]+", words)
    assert page.locator("#answer").get_attribute("aria-live") == "polite"
    assert page.locator("#map").get_attribute("aria-label")


def test_print_leaves_the_controls_out_and_keeps_the_figures(open_page):
    page = open_page(scheme="dark", media="print")
    assert not page.locator("#sliders").is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator("#rank-table").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST) == []


GRID = """async ([picture, across, down]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, across, down);
  const pixels = context.getImageData(0, 0, across, down).data;
  return Array.from({ length: across * down }, (_, i) => [0, 1, 2].map((c) => pixels[4 * i + c]));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_looks_as_it_was_approved(scheme, open_page, browser, request):
    """A coarse picture of the map, kept and compared with tolerance: shapes and colors, not letters."""
    page = open_page(scheme=scheme)
    picture = base64.b64encode(page.locator("#map").screenshot()).decode()
    blank = browser.new_page()
    pixels = blank.evaluate(GRID, [picture, 48, 24])
    blank.close()
    path = Path(__file__).parent / "golden" / f"page_map_{scheme}.json"
    if request.config.getoption("--update-golden"):
        rows = [json.dumps(pixels[row * 48 : row * 48 + 48], separators=(",", ":")) for row in range(24)]
        path.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
        return
    approved = [cell for row in json.loads(path.read_text(encoding="utf-8")) for cell in row]
    away = [
        max(abs(a - b) for a, b in zip(now, then, strict=True))
        for now, then in zip(pixels, approved, strict=True)
    ]
    assert sum(difference > 24 for difference in away) <= 0.01 * len(away)
    assert sum(away) / len(away) < 3
