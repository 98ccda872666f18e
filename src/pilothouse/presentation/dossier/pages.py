"""What people read of a dossier: the page with everything, and the model card alone."""

from pilothouse.domain.audit.dossier import Dossier, Page
from pilothouse.domain.models.model_report import ModelReport
from pilothouse.presentation.dossier.html_page import html_page
from pilothouse.presentation.dossier.markdown import markdown
from pilothouse.presentation.dossier.picture_sections import report_sections
from pilothouse.presentation.dossier.sections import all_sections, card_sections, name_of

_FOOTER = "Made by Pilothouse. It supports an assessment; it does not state that any rule is met. All times are UTC."


def report_page(report: ModelReport) -> str:
    """The report of a model as one HTML page that stands by itself."""
    title = f"{report.model.name} v{report.version.number}"
    return html_page(title, report_sections(report), _FOOTER)


def dossier_pages(dossier: Dossier) -> list[Page]:
    """``dossier.html`` and ``model-card.md``."""
    name = name_of(dossier)
    return [
        Page(
            "dossier.html",
            html_page(f"Dossier of {name}", all_sections(dossier), _FOOTER),
            "everything, to read",
        ),
        Page("model-card.md", markdown(f"Model card of {name}", card_sections(dossier)), "model card"),
    ]
