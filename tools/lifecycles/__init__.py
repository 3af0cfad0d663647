"""The pages of ``docs/lifecycles``, made of the shipped charts and of ``docs/lifecycles/seeds.yaml``: ``make docs``."""
