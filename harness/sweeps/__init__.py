"""Many runs that differ in named settings, in one folder: expanded, checked, launched, resumed."""
