"""Agreement, reliability and intervals, in numpy. No model, no file, no session is known here.

Ratings are arrays of (units, raters); NaN stands for a rating that is missing. A missing rating is never a number.
"""
