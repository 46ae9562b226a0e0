"""A node's view as plain data: field names of the proto, enum values in small letters."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from labs.kit.text import visible_bytes


def view_to_json(message: Message) -> dict[str, Any]:
    """All fields, also those at their default. fixed64 fields are digests and become hexadecimal
    text, since JSON readers lose digits of large numbers."""
    return {
        field.name: _field(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _field(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value_field = field.message_type.fields_by_name["value"]
        return {str(key): _scalar(value_field, item) for key, item in sorted(value.items())}
    if field.is_repeated:
        return [_scalar(field, item) for item in value]
    return _scalar(field, value)


def _scalar(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return view_to_json(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name.lower() if known else value
    if field.type == FieldDescriptor.TYPE_FIXED64:
        return f"{value:016x}"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return visible_bytes(value)
    return value
