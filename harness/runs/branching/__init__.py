"""Sessions that go on from a turn of another one."""
