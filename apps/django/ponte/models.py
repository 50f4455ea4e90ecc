"""The schema, for all applications: Django's migrations own it."""

from django.db import models
from django.db.models.functions import Now


class Message(models.Model):
    author = models.CharField(max_length=80)
    text = models.CharField(max_length=2000)
    at = models.DateTimeField(db_default=Now())
    replica = models.CharField(max_length=200)
    idempotency_key = models.UUIDField(null=True, unique=True)

    class Meta:
        db_table = "messages"


class Item(models.Model):
    id = models.IntegerField(primary_key=True)
    value = models.IntegerField()

    class Meta:
        db_table = "items"


class Job(models.Model):
    id = models.UUIDField(primary_key=True)
    ms = models.IntegerField()
    status = models.CharField(max_length=10)
    replica = models.CharField(max_length=200)
    beat = models.DateTimeField()

    class Meta:
        db_table = "jobs"
