"""E-mail."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import ClassVar, Self

from resources.notifier.alert import Alert, NotDelivered, body, headline
from resources.notifier.channels.channel import tried


@dataclass
class Email:
    """SMTP with STARTTLS where `tls` says so. The password comes from the environment, never from an argument list."""

    host: str
    port: int
    sender: str
    recipients: Sequence[str]
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = True
    timeout: float = 20.0
    name: ClassVar[str] = "email"
    settings: ClassVar[tuple[str, ...]] = ("SMTP", "SMTP_FROM", "SMTP_TO", "SMTP_USER", "SMTP_PASSWORD", "SMTP_TLS")
    secrets: ClassVar[tuple[str, ...]] = ("SMTP_PASSWORD",)

    @classmethod
    def configured(cls, settings: Mapping[str, str]) -> Self | None:
        """SMTP is ``host:port``, SMTP_TO comma-separated, SMTP_TLS on (default) or off."""
        smtp = settings.get("SMTP")
        if not smtp:
            return None
        host, _, port = smtp.partition(":")
        recipients = [a.strip() for a in settings.get("SMTP_TO", "").split(",") if a.strip()]
        sender = settings.get("SMTP_FROM", "")
        if not recipients or not sender:
            raise ValueError(
                "PLATFORM_ALERT_SMTP is set: PLATFORM_ALERT_SMTP_FROM and PLATFORM_ALERT_SMTP_TO must be too"
            )
        user, password = settings.get("SMTP_USER", ""), settings.get("SMTP_PASSWORD", "")
        tls = settings.get("SMTP_TLS", "on").lower() != "off"
        return cls(host, int(port or 587), sender, recipients, user, password, tls)

    def send(self, alert: Alert, state: str) -> None:
        """One message to all recipients."""
        message = EmailMessage()
        message["Subject"] = headline(alert, state)
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        # one thread per incident in the reader's mailbox
        message["References"] = f"<{alert.incident}@platform>"
        message["X-Platform-Incident"] = alert.incident
        message.set_content(body(alert, state))

        def deliver() -> None:
            with smtplib.SMTP(self.host, self.port, timeout=self.timeout) as server:
                if self.tls:
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(message)
                if refused:
                    raise NotDelivered(f"e-mail: {len(refused)} of {len(self.recipients)} recipients were refused")

        tried(
            deliver,
            self.name,
            (OSError, smtplib.SMTPException),
            lambda error: not isinstance(error, smtplib.SMTPAuthenticationError),
        )
