"""What a person approves: the card that is shown before a release, a redeployment or a rollback."""
