"""Messages, items and jobs."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.IntegerField(primary_key=True, serialize=False)),
                ("value", models.IntegerField()),
            ],
            options={"db_table": "items"},
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("ms", models.IntegerField()),
                ("status", models.CharField(max_length=10)),
                ("replica", models.CharField(max_length=200)),
                ("beat", models.DateTimeField()),
            ],
            options={"db_table": "jobs"},
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("author", models.CharField(max_length=80)),
                ("text", models.CharField(max_length=2000)),
                ("at", models.DateTimeField(db_default=Now())),
                ("replica", models.CharField(max_length=200)),
                ("idempotency_key", models.UUIDField(null=True, unique=True)),
            ],
            options={"db_table": "messages"},
        ),
    ]
