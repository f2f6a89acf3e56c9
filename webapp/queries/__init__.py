"""What pages read from the control database; each function takes the organisation it may see and changes nothing."""
