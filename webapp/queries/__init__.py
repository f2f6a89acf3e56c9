"""What pages read from the control database; each function takes the organization it may see and changes nothing."""
