"""Parts of a page that may not be there: pictures of the gallery, measured tables.

``.. example-figure:: covariance/plot_ssvep`` shows a picture of an example; the option ``number``
says which, the content is the caption, to which a link is added. Where the example was listed but
not run (its data are absent, or the gallery is switched off) the link stands alone.

``.. speed-tables:: dpp leverage`` includes the pages that ``make bench-report`` wrote; one that was
never measured is replaced by the command that measures it.
"""

from __future__ import annotations

from pathlib import Path

from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class ExampleFigure(SphinxDirective):
    """A figure that may not be there."""

    required_arguments = 1
    has_content = True
    option_spec = {"number": directives.positive_int}

    def run(self):
        folder, _, stem = self.arguments[0].rpartition("/")
        number = self.options.get("number", 1)
        page = "/".join(filter(None, ("/auto_examples", folder, stem)))
        image = "/".join(filter(None, ("/auto_examples", folder, "images")))
        image += f"/sphx_glr_{stem}_{number:03d}.png"
        caption = " ".join(" ".join(self.content).split())
        text = f"{caption} From :doc:`{page}`."
        if (Path(self.env.srcdir) / image.lstrip("/")).exists():
            alt = caption.replace("`", "").replace(":", "") or stem
            text = f".. figure:: {image}\n   :alt: {alt}\n\n   {text}\n"
        else:
            text = f"*Picture:* {text}"
        return self.parse_text_to_nodes(text)


class SpeedTables(SphinxDirective):
    """Pages of doc/_tables/speed."""

    required_arguments = 1
    optional_arguments = 100

    def run(self):
        nodes = []
        for name in self.arguments:
            path = Path(self.env.srcdir) / "_tables" / "speed" / f"{name}.rst"
            self.env.note_dependency(str(path))
            text = f"Not measured yet: ``make bench-report BENCH={name}``.\n"
            nodes += self.parse_text_to_nodes(path.read_text("utf-8") if path.exists() else text)
        return nodes


def setup(app):
    app.add_directive("example-figure", ExampleFigure)
    app.add_directive("speed-tables", SpeedTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
