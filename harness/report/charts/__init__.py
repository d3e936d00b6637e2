"""Charts as inline SVG, made by pure functions from numbers and texts.

Invariants:
- The same arguments give the same markup; nothing is read, and all text is escaped.
- A chart has a text that says what it shows (`role="img"`), or is hidden if its numbers are in the text next to it.
- Colours are classes (`c1` to `c5`, `patient`, `therapist`); the page's style sheet gives them one for each scheme.
"""
