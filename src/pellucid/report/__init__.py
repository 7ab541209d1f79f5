"""The report on the results of the lab's experiments, as one self-contained HTML page or as pages of Markdown."""

from pellucid.report.contents import Chapter, Contents, Section, contents, svg, unfinished
from pellucid.report.markdown import write_markdown
from pellucid.report.page import write_page

__all__ = ["Chapter", "Contents", "Section", "contents", "svg", "unfinished", "write_markdown", "write_page"]
