"""How the rows of messages are asked for, in the order that `Message` takes them."""

TIME = "greatest(least(time, '9999-12-31 23:59:59'), '0001-01-01')"
"""The time of a row; a forged one may hold a time that Python has no name for."""

SELECT = f"SELECT id, stream_name, type, position, global_position, data, metadata, {TIME} "
"""Before a function of Message DB, which gives the id and JSON as text."""

SELECT_OF_TABLE = (
    "SELECT id::text, stream_name, type, position, global_position, data::text, metadata::text, "
    f"{TIME} "
)
"""Before the table itself."""
