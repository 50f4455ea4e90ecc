"""Locust users: who sends requests, and when."""
