"""The context manager: what each speaker's model sees, exactly counted, and always within its window."""
