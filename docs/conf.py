"""The docs as a site: `make docs`. Sphinx reads the Markdown pages; nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

from lmrun import __version__

PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files of the top folder that are pages of the site."""

project = "lmrun"
author = "The lmrun developers"
project_copyright = "The lmrun developers, MIT licence"
release = version = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
highlight_language = "none"
pygments_style = "default"
pygments_dark_style = "github-dark"

html_theme = "furo"
html_title = "lmrun"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}


def site_link(found: re.Match[str]) -> str:
    """A link of a file at the top as a link of the site; those to other files keep their text alone."""
    text, target = found.groups()
    if target in PAGES or target.startswith(("docs/", "https:", "#")):
        return f"[{text}]({PAGES.get(target, target.removeprefix('docs/'))})"
    return text


def to_site(_app: Sphinx, path: Path, _page: str, content: list[str]) -> None:
    """Turn the links of an included README, CONTRIBUTING or CHANGELOG."""
    if Path(path).suffix == ".md":
        content[0] = re.sub(r"(?<!!)\[([^\]\n]*)\]\(([^)\s]+)\)", site_link, content[0])


def setup(app: Sphinx) -> None:
    """Listen for the files that pages include."""
    app.connect("include-read", to_site)
