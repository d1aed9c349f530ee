"""Visible-infrared person re-identification: train, measure by the exact protocols, search across day and night."""

__version__ = "0.1.0"
