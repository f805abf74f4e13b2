// What the production connection may do in the training workspace.
param workspaceName string
param principalId string

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-12-01' existing = {
  name: workspaceName
}

// Role: production connection | AzureML Data Scientist | training workspace
resource productionUsesTraining 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, principalId, 'AzureML Data Scientist')
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f6c7c914-8db3-469d-8ca1-694a8f32e121')
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
