"""A finding: one object that differs from its record or has no record, with the meaning of that."""

from __future__ import annotations

from dataclasses import dataclass

MEANINGS = {
    "ledger-changed": "an entry of the ledger was changed, removed or inserted after it was written",
    "anchor-differs": "an anchor has another entry than the ledger: the ledger was rewritten or truncated since",
    "deployment-open": "a deployment was started, and no entry records its end",
    "reference-dangling": "an entry refers to something that no other entry records",
    "run-gone": "the ledger or the registry names a run that the workspace does not have: somebody deleted it",
    "run-unrecorded": "a training run has ended, and no entry records it; audit export collects it",
    "record-changed": "an editable field differs from the hashed document that also contains it",
    "document-changed": "the bytes of a document differ from the recorded ones",
    "document-gone": "a recorded document no longer exists",
    "model-changed": "the bytes of a model differ from the recorded ones",
    "model-gone": "the ledger names a model version that the registry does not have: somebody deleted it",
    "version-missing": "version numbers have no gaps unless somebody deletes a version",
    "model-unrecorded": "a model version without an entry: somebody registered it outside the pipeline",
    "service-unrecorded": "a production service without an entry: somebody deployed it by hand",
    "service-changed": "the live service differs from the last deployment",
    "champion-differs": "the champion in the registry is not the one of the last deployment",
    "table-unrecorded": "a data version without an entry: somebody registered it without data upload",
    "table-changed": "the bytes or the tag of a data version differ from the recorded ones",
    "table-gone": "the ledger names a data version that the workspace does not have",
    "build-unrecorded": "a build requested an approval or deployed, and no entry names it: its entries were removed",
    "approval-differs": "Azure DevOps has another approval than the entry: the entry was forged or changed",
    "build-gone": "an entry names a build that no longer exists in Azure DevOps: its log and approval are lost",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One finding. code: a key of MEANINGS; subject: what it is about, with the place."""

    code: str
    subject: str
    found: str = ""
    expected: str = ""

    @property
    def meaning(self) -> str:
        """What it means, for people."""
        return MEANINGS[self.code]

    @property
    def line(self) -> str:
        """One sentence."""
        facts = [f"found {self.found}" if self.found else "", f"expected {self.expected}" if self.expected else ""]
        told = "; ".join(filter(None, facts))
        return f"{self.code}: {self.subject}" + (f" ({told})" if told else "")

    @property
    def document(self) -> dict[str, str]:
        """For `--json` and the export."""
        return {
            "code": self.code,
            "subject": self.subject,
            "found": self.found,
            "expected": self.expected,
            "meaning": self.meaning,
        }
