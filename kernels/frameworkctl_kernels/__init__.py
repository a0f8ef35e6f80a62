"""Compute backends: the protocol they implement, and the implementations."""
