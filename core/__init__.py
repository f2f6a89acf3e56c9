"""The kernel that the three programs and the command line share."""
