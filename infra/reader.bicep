// What the reader connection may do in one workspace: read, and ask a web service for a forecast as a caller would.
param workspaceName string
param principalId string

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-12-01' existing = {
  name: workspaceName
}

resource readerRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, workspaceName, 'MLOps Reader')
  properties: {
    roleName: 'MLOps Reader of ${workspaceName}'
    description: 'Reads a workspace and calls its web services; changes nothing.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          '*/read'
          'Microsoft.MachineLearningServices/workspaces/datastores/listsecrets/action'
          'Microsoft.MachineLearningServices/workspaces/services/aci/listkeys/action'
        ]
        notActions: []
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

// Role: reader connection | MLOps Reader | each workspace
resource readerReadsWorkspace 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, principalId, 'MLOps Reader')
  scope: workspace
  properties: {
    roleDefinitionId: readerRole.id
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
