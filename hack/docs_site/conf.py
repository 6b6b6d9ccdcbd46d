"""Settings of Sphinx."""

project = "NestedDocker"
extensions = ["myst_parser"]
root_doc = "index"

# GitHub's anchors, of headings down to the fourth level.
myst_heading_anchors = 4
# Blocks without a language are commands, output and drawings.
highlight_language = "none"
# Some blocks have placeholders, so they are not quite of their language.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "NestedDocker"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
