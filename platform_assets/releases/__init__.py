"""Releases: what leaves the platform. A period is drawn once, when it is over and settled (`sealing`); figures are made of drawn counts
alone (`publications`); everything that is published stands in one folder that never changes (`making`), and is read by `reading`.
"""
