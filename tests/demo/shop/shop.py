"""A shop's front page: what there is to buy, from goods.toml."""

import tomllib
from pathlib import Path

from flask import Flask, render_template

HERE = Path(__file__).parent


def goods():
    """What is for sale, in the order of the file."""
    with open(HERE / "goods.toml", "rb") as file:
        return tomllib.load(file)["goods"]


def revision():
    """The commit of this release; a deploy leaves it beside the code."""
    file = HERE / "REVISION"
    return file.read_text().strip() if file.exists() else "not deployed"


def create_app():
    app = Flask(__name__)
    # Read once: a process answers for the release that it was started from.
    running = revision()

    @app.get("/")
    def front_page():
        return render_template("front.html", goods=goods(), revision=running)

    @app.get("/healthz")
    def healthz():
        return f"ok {running}\n", 200, {"Content-Type": "text/plain"}

    return app
