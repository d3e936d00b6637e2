"""Agreement, reliability and intervals, in numpy, independent of models, files and sessions.

Ratings are arrays of (units, raters). A missing rating is NaN, never a number.
"""
