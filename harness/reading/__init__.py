"""What comes from files and users, read with bounds; mistakes told in one line each."""
