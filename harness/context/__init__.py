"""The context manager: builds each speaker's prompts, counts them exactly, and keeps them within the window."""
