"""Prompts and answers that a key's configuration asks to keep. Apart from the ledger, which never holds any."""

from peewee import BooleanField, TextField

from core.database import Model
from core.fields import UtcField


class CapturedContent(Model):
    """What one call was asked and what it answered, as its key's mode allows; kept for a while only."""

    call_id = TextField(primary_key=True)
    organization_id = TextField()
    project_id = TextField()
    virtual_key_id = TextField()
    mode = TextField()
    """What was kept in the end: redacted, raw, or metadata where the content could not be made safe."""
    input_messages = TextField(default="")
    """JSON texts in OpenTelemetry's form for messages; empty where nothing was kept."""
    output_messages = TextField(default="")
    system_instructions = TextField(default="")
    is_cut = BooleanField(default=False)
    """Something was left out because it was too long."""
    captured_at = UtcField(index=True)

    class Meta:
        indexes = ((("organization_id", "captured_at"), False),)
