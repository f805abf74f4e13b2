"""The controls of Azure DevOps as infra/azure_devops.yml declares them: read back, compared, applied, removed."""
