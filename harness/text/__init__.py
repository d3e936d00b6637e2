"""Text: words and sentences, and what makes text safe to show."""
