"""The 10,000 rows that /query reads."""

from core.database import ITEMS
from django.db import migrations

FILL = f"INSERT INTO items SELECT id, 1 + (random() * 9999)::int FROM generate_series(1, {ITEMS}) AS id"


class Migration(migrations.Migration):
    dependencies = [("ponte", "0001_schema")]

    operations = [migrations.RunSQL(FILL, "DELETE FROM items"), migrations.RunSQL("ANALYZE items", "")]
