"""Training data and tables from runs: the prompts that the models really got, and the origin of each row."""
