// One environment: a workspace with what it needs, its identity, and the identity of its service connection.
// Role assignments are one resource each, with their row of README.md above.
param workspaceName string
param location string
@description('Name of the service connection in Azure DevOps; a tag, for people who wonder what an identity is for.')
param connectionName string
@description('Issuer of the federated credential, as Azure DevOps shows it; empty: none is made.')
param issuer string
param subject string

// Names that are unique in the world, and the same each time.
var suffix = uniqueString(resourceGroup().id, workspaceName)

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'ml${suffix}'
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    // SDK v1 signs in to the workspace's datastores with the account's key.
    allowSharedKeyAccess: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'ml-${suffix}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    // With access policies, each deployment would take away those that the workspace has added.
    enableRbacAuthorization: true
    // Purge protection would keep the name for the retention time, and infra/remove could not free it.
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'ml-${suffix}'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'ml-${suffix}'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: 'ml${suffix}'
  location: location
  sku: {
    name: 'Basic'
  }
  properties: {
    // Azure Container Instances pulls the image of a web service with it.
    adminUserEnabled: true
  }
}

resource workspaceIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${workspaceName}-workspace'
  location: location
}

resource connectionIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${workspaceName}-connection'
  location: location
  tags: {
    serviceConnection: connectionName
  }
}

resource credential 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = if (!empty(issuer)) {
  parent: connectionIdentity
  name: 'azure-devops'
  properties: {
    issuer: issuer
    subject: subject
    audiences: ['api://AzureADTokenExchange']
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-12-01' = {
  name: workspaceName
  location: location
  // It is created with these roles, else its first use of storage and vault is refused.
  dependsOn: [
    workspaceManagesStorage
    workspaceManagesVault
    workspaceReadsSecrets
    workspaceManagesRegistry
    workspaceManagesInsights
  ]
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${workspaceIdentity.id}': {}
    }
  }
  properties: {
    primaryUserAssignedIdentity: workspaceIdentity.id
    storageAccount: storage.id
    keyVault: vault.id
    applicationInsights: insights.id
    containerRegistry: registry.id
    publicNetworkAccess: 'Enabled'
    systemDatastoresAuthMode: 'AccessKey'
    // True would refuse the calls of v2, and with them the way to it.
    v1LegacyMode: false
  }
}

// Role: workspace identity | Contributor | storage
resource workspaceManagesStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, workspaceIdentity.id, 'Contributor')
  scope: storage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac-6180-42a0-ab88-20f7382dd24c')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: workspace identity | Storage Blob Data Contributor | storage
resource workspaceReadsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, workspaceIdentity.id, 'Storage Blob Data Contributor')
  scope: storage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: workspace identity | Contributor | vault
resource workspaceManagesVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, workspaceIdentity.id, 'Contributor')
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac-6180-42a0-ab88-20f7382dd24c')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: workspace identity | Key Vault Administrator | vault
resource workspaceReadsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, workspaceIdentity.id, 'Key Vault Administrator')
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '00482a5a-887f-4fb3-b363-3b7fe8e74483')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: workspace identity | Contributor | registry
resource workspaceManagesRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, workspaceIdentity.id, 'Contributor')
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac-6180-42a0-ab88-20f7382dd24c')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: workspace identity | Contributor | insights
resource workspaceManagesInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, workspaceIdentity.id, 'Contributor')
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac-6180-42a0-ab88-20f7382dd24c')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: workspace identity | Contributor | workspace
resource workspaceManagesItself 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, workspaceIdentity.id, 'Contributor')
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac-6180-42a0-ab88-20f7382dd24c')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: workspace identity | Azure Container Instances Contributor Role | resource group
resource workspaceCreatesContainers 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, workspaceIdentity.id, 'Azure Container Instances Contributor Role')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '5d977122-f97e-4b4d-a52f-6b43003ddb4d')
    principalId: workspaceIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Role: connection | AzureML Data Scientist | workspace
resource connectionUsesWorkspace 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, connectionIdentity.id, 'AzureML Data Scientist')
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f6c7c914-8db3-469d-8ca1-694a8f32e121')
    principalId: connectionIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output registryName string = registry.name
output connectionPrincipalId string = connectionIdentity.properties.principalId
output connectionClientId string = connectionIdentity.properties.clientId
