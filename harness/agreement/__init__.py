"""How far the product's measures agree with people who coded the same turns."""

from harness.agreement.agree import Agreement, agree
from harness.agreement.coded import CodedSession, read_coded

__all__ = ["Agreement", "CodedSession", "agree", "read_coded"]
