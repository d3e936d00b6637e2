"""Charts as inline SVG, made by pure functions of plain numbers and texts.

Invariants:
- The same arguments give the same markup; nothing is read, and every text is escaped.
- A chart has a text that says what it shows (`role="img"`), or is hidden where the numbers stand beside it.
- Colours are classes (`c1` to `c5`, `patient`, `therapist`); the page's style sheet gives them one for each scheme.
"""
