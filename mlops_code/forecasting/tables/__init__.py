"""What the cells of a delivered table say: text by the rules of the section `reading`, sheets of workbooks."""
