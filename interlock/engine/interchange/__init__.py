"""Machines that were written for other programs: read into one model, and from there run or written as our YAML."""
