"""Run documents, the filter language over them and pages of them."""
