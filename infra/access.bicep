// What the connections of production and of trials may do in the training workspace.
param workspaceName string
@description('Empty: there is no production environment.')
param productionPrincipalId string
param trialPrincipalId string

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-12-01' existing = {
  name: workspaceName
}

// Role: production connection | AzureML Data Scientist | training workspace
resource productionUsesTraining 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(productionPrincipalId)) {
  name: guid(workspace.id, productionPrincipalId, 'AzureML Data Scientist')
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f6c7c914-8db3-469d-8ca1-694a8f32e121')
    principalId: productionPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Role: trial connection | AzureML Data Scientist | training workspace
resource trialUsesTraining 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, trialPrincipalId, 'AzureML Data Scientist')
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f6c7c914-8db3-469d-8ca1-694a8f32e121')
    principalId: trialPrincipalId
    principalType: 'ServicePrincipal'
  }
}
