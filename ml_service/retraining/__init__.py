"""Retraining that runs by itself: the inbox that data is delivered to."""
