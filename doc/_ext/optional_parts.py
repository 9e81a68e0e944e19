"""Parts of a page that may not be there: pictures of the gallery, measured tables.

``.. example-figure:: covariance/plot_ssvep`` shows a picture of an example; the option ``number``
says which, the content is the caption, to which a link is added. Where the example was listed but
not run (its data are absent, or the gallery is switched off) the link stands alone.

``.. measured:: eora`` shows the tables that ``make bench-report`` wrote for a file of benchmarks,
``.. measured:: eora Digits Variants`` some of them; what was never measured is replaced by the
command that measures it. ``:figure:`16 <grassmann_pca.stream>``` is a number that the same command
fills in: it says where and when it was measured.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective, SphinxRole

sys.path.append(str(Path(__file__).resolve().parents[2] / "asv_benches"))

import measurements


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


class Measured(SphinxDirective):
    """Tables of doc/_tables, each with the stamp of its run."""

    required_arguments = 1
    optional_arguments = 100

    def run(self):
        name, *tables = self.arguments
        self.env.note_dependency(str(measurements.FOLDER / f"{name}.json"))
        return self.parse_text_to_nodes(measurements.as_text(name, tables))


measured_figures = cache(measurements.figures)


class Figure(SphinxRole):
    """A measured number in the text."""

    def run(self):
        text, _, name = self.text.rstrip(">").partition(" <")
        _, stamp = measured_figures()[name]
        file = name.partition(".")[0]
        source = f"measured {stamp['date']}: make bench-report BENCH={file}"
        return [nodes.abbreviation(text, text, explanation=source)], []


def setup(app):
    app.add_directive("example-figure", ExampleFigure)
    app.add_directive("measured", Measured)
    app.add_role("figure", Figure())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
