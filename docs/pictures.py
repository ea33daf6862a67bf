"""Make the README's pictures: `python docs/pictures.py`. Those of the page that steps need Chromium."""

import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver

import tinygraph as tg

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "pictures"
SIZE = 1280, 800
STEPS = {"forward": "Z1", "dZ2": "dZ2", "dZ1": "dZ1"}
COLOURS = 256


sys.path.insert(0, str(ROOT / "demos"))


def net():
    """Return the picture of the demo's network after training."""
    from two_layer_net import standardised_breast_cancer_data, train

    X, Y, *_ = standardised_breast_cancer_data()
    J = train(X, Y, 4, 0.5, 1500, "breast cancer", np.random.default_rng(1))[2]
    return tg.draw(J, title="two-layer network on the breast-cancer data")


def transformer():
    """Return the picture of the demo's transformer."""
    from large_graphs import transformer

    J = transformer(12, np.random.default_rng(0))
    J.backward()
    return tg.draw(J, title="a transformer of 12 layers")


def browser():
    """Return a driver of Chromium with a screen of a fixed size and without animations."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    width, height = SIZE
    screen = {"width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    motion = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", motion)
    return driver


def save(image, path):
    """Write a picture with few colours, which takes a third of the space."""
    image = image.convert("RGB")
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def main():
    """Make the static pictures, and each step in the light and the dark theme."""
    trained = net()
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in {"two_layer_net": trained, "transformer": transformer()}.items():
            save(Image.open(picture.save(Path(folder) / "picture.png")), PICTURES / f"{name}.png")
    driver = browser()
    try:
        with tempfile.TemporaryDirectory() as folder:
            target = trained.save(Path(folder) / "net.html")
            driver.get(target.as_uri())
            for theme in ("light", "dark"):
                driver.execute_script("setTheme(arguments[0])", theme)
                for file, name in STEPS.items():
                    driver.execute_script(
                        "goTo(picture().steps.findIndex((step) => step.name === arguments[0]) + 1)", name
                    )
                    image = Image.open(io.BytesIO(driver.get_screenshot_as_png()))
                    save(image, PICTURES / f"step-{file}-{theme}.png")
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
