"""Training data and tables from runs: what the models really saw, with where each row came from."""
