"""What RQ runs and what runs RQ: the drain, the pump, the deliveries and their supervisor."""
