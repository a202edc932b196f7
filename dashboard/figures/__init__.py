"""Figures: each with its table and its sentence, made of the same lines."""
