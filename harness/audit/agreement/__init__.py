"""Agreement of the product's measures with human codes of the same turns."""

from harness.audit.agreement.agree import Agreement, agree
from harness.audit.agreement.coded import CodedSession, read_coded

__all__ = ["Agreement", "CodedSession", "agree", "read_coded"]
