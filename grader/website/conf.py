"""Sphinx's configuration of the site: `python3 grader site` calls Sphinx with this folder."""

from importlib.metadata import distribution
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

from dropoutlab.explore.explorer import HERE as EXPLORE

HERE = Path(__file__).resolve().parent
OFFLINE = "sphinx-mathjax-offline"
MATHJAX = Path(str(distribution(OFFLINE).locate_file(OFFLINE)), "static", "mathjax")

project = "Dropout from Scratch"
language = "en"
extensions = ["myst_nb"]

nb_execution_mode = "off"  # the lessons were run by grader.authoring.finished
nb_render_markdown_format = "myst"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # they would come from another host
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
myst_heading_slug_func = "grader.authoring.claims.place"  # as in JupyterLab

mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # with a menu, each formula takes the focus

html_theme = "pydata_sphinx_theme"
html_title = project
html_favicon = "icon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_static_path = ["style.css", "scroll.js", "explorers.js"]
html_css_files = ["style.css", "explore/kit.css", "explore/coadaptation.css"]
html_js_files = ["scroll.js", ("explorers.js", {"type": "module"})]
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_sidebars = {"**": ["lessons"]}
templates_path = ["templates"]
html_theme_options = {
    "navbar_start": ["navbar-logo"],
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "logo": {"image_light": "icon.svg", "image_dark": "icon.svg", "text": project},
    "article_header_start": [],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "show_toc_level": 1,
}


def setup(app: Sphinx) -> None:
    """Put on the site what pages load: explorers' scripts; of MathJax one script and its fonts."""
    app.connect("build-finished", _add_explorers)
    app.connect("build-finished", _add_mathjax)


def _add_explorers(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        place = Path(app.outdir, "_static", "explore")
        place.mkdir(exist_ok=True)
        for file in (*EXPLORE.glob("*.js"), *EXPLORE.glob("*.css")):
            copy_asset(file, place)


def _add_mathjax(app: Sphinx, error: Exception | None) -> None:
    place = Path(app.outdir, "_static", "mathjax")
    if error is None and app.builder.format == "html":
        place.mkdir(exist_ok=True)
        copy_asset(MATHJAX / "tex-chtml.js", place)
        copy_asset(MATHJAX / "output" / "chtml" / "fonts", place / "output" / "chtml" / "fonts")
