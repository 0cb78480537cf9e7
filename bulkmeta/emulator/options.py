"""What can be chosen about an embedded OSS, and the identities it accepts."""

from __future__ import annotations

from dataclasses import dataclass, field

_CHOICES: dict[str, tuple[object, ...]] = {
    "acl_on_copy": ("reset", "keep"),
    "class_on_copy": ("reset", "keep"),
    "sse_on_copy": ("drop", "keep"),
    "conditions_on_copy": ("hold", "ignore"),
    "throttle_status": (429, 503),
}


@dataclass(frozen=True, slots=True)
class Credential:
    """One identity; with a token it is a temporary one and may expire."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    """Epoch seconds by the emulator's own clock."""
    is_owner: bool = True
    """Whether it is of the account that owns the buckets, and pays for them."""


DEFAULT_CREDENTIAL = Credential("embedded-key-id", "embedded-key-secret")


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """How to serve and to behave; where evidence conflicts, the lossy way."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port."""
    database: str = ":memory:"
    region: str = "cn-hangzhou"
    credentials: tuple[Credential, ...] = (DEFAULT_CREDENTIAL,)
    cnames: tuple[tuple[str, str], ...] = ()
    """Pairs of host name and the bucket it is bound to."""
    acl_on_copy: str = "reset"
    """A self-copy without an ACL header: `reset` to default, or `keep`."""
    class_on_copy: str = "reset"
    """A self-copy without a storage class: `reset` to the bucket's, or `keep`."""
    sse_on_copy: str = "drop"
    """A self-copy without encryption headers: `drop` it, or `keep`."""
    conditions_on_copy: str = "hold"
    """A copy's conditions: `hold`, as they do at the service, or `ignore` them."""
    account_qps: float | None = None
    range_qps: float | None = None
    ranges: int = 16
    """Into how many ranges of about equal key count a bucket is cut."""
    throttle_status: int = 503
    latency_s: float = 0.0
    short_pages: bool = False
    """List pages hold fewer keys than asked for although more follow."""
    seed: int = 0
    """For whatever is drawn at random: the probability of faults."""
    log_size: int = 20_000
    log_file: str | None = None

    def __post_init__(self) -> None:
        """Refuse a choice that does not exist."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}")
