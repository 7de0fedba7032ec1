"""Inputs of our own making that guardrails are measured by: what is to be found, what looks like it, and business."""
