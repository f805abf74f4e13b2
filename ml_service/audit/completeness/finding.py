"""A finding: one thing that is not as the records say, or that no record tells of, and what that means."""

from __future__ import annotations

from dataclasses import dataclass

MEANINGS = {
    "ledger-changed": "an entry of the ledger was changed, removed or inserted after it was written",
    "anchor-differs": "the ledger had another entry when this was noted elsewhere: it was rewritten or cut since",
    "deployment-open": "a deployment has begun, and no entry tells how it ended",
    "reference-dangling": "an entry names something that no other entry tells of",
    "run-gone": "the ledger or the registry names a run that the workspace does not have: somebody deleted it",
    "run-unrecorded": "a training run has ended, and no entry tells of it; audit export collects it",
    "record-changed": "a field that can be edited differs from the hashed document that holds it too",
    "document-changed": "the bytes of a document are not those that were recorded",
    "document-gone": "a document that was recorded is not there any more",
    "model-changed": "the bytes of a model are not those that were recorded",
    "model-gone": "the ledger names a model version that the registry does not have: somebody deleted it",
    "version-missing": "numbers of versions have no gap unless somebody deletes one",
    "model-unrecorded": "a model version that no entry tells of: somebody registered it outside the pipeline",
    "service-unrecorded": "a service of production that no entry tells of: somebody deployed it by hand",
    "service-changed": "what serves is not what the last deployment left",
    "champion-differs": "the registry names another champion than the last deployment made",
    "table-unrecorded": "a data version that no entry tells of: somebody registered it outside data upload",
    "table-changed": "the bytes or the tag of a data version are not those that were recorded",
    "table-gone": "the ledger names a data version that the workspace does not have",
    "build-unrecorded": "a build asked for an approval or deployed, and no entry names it: its entries were removed",
    "approval-differs": "Azure DevOps tells of another approval than the entry: the entry was forged or changed",
    "build-gone": "an entry names a build that Azure DevOps does not have any more: its log and approval are lost",
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
