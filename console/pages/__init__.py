"""One module per page. Each has `show(frame)`, which checks the user's permission before it shows anything."""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.access.roles import Permission, User


@dataclass(frozen=True)
class Page:
    """A page of the console. Its module here has the name of its title, in small letters, with _ for a blank."""

    title: str
    takes: tuple[Permission, ...]
    """The permissions of which it takes one (the page asks again, and so does all that it calls); none: everybody sees it."""
    sign: str

    @property
    def module(self) -> str:
        """Where its `show` is."""
        return f"{__name__}.{self.address}"

    @property
    def address(self) -> str:
        """Where a browser finds it, without the slash."""
        return self.title.lower().replace(" ", "_")

    def opens_for(self, user: User) -> bool:
        """Whether `user` sees it."""
        return not self.takes or any(user.may(permission) for permission in self.takes)


PAGES = (
    Page("Start", (Permission.SEE_STATUS,), ":material/home:"),
    Page("Upload", (Permission.UPLOAD,), ":material/upload_file:"),
    Page("Deliveries", (Permission.SEE_STATUS,), ":material/inbox:"),
    Page("Deliveries out", (Permission.SEE_STATUS,), ":material/outbox:"),
    Page("Runs", (Permission.SEE_STATUS,), ":material/play_circle:"),
    Page("Quarantine", (Permission.SEE_QUARANTINE,), ":material/healing:"),
    Page("Erasure", (Permission.SEE_ERASURE,), ":material/delete_forever:"),
    Page("Reports", (Permission.SEE_REPORTS, Permission.SEE_LOGS), ":material/summarize:"),
    Page("Datasets", (Permission.SEE_STATUS,), ":material/table:"),
    Page("Audit", (Permission.SEE_AUDIT,), ":material/history:"),
    Page("About", (), ":material/info:"),
)
"""In the order of the menu."""
