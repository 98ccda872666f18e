"""What people read of a dossier: the page with everything, and the model card alone."""

from pilothouse.domain.audit.dossier import Dossier, Page
from pilothouse.presentation.dossier.html_page import html_page
from pilothouse.presentation.dossier.markdown import markdown
from pilothouse.presentation.dossier.sections import all_sections, card_sections, name_of

_FOOTER = "Made by Pilothouse. It supports an assessment; it does not state that any rule is met. All times are UTC."


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
