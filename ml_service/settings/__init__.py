"""What a command works with: variables, names, problem files, the build, the workspaces."""
