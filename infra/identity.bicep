// The identity of a service connection that belongs to no single environment.
param name string
param location string
@description('Name of the service connection in Azure DevOps; a tag, for people who wonder what an identity is for.')
param connectionName string
@description('Issuer of the federated credential, as Azure DevOps shows it; empty: none is made.')
param issuer string
param subject string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: {
    serviceConnection: connectionName
  }
}

resource credential 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = if (!empty(issuer)) {
  parent: identity
  name: 'azure-devops'
  properties: {
    issuer: issuer
    subject: subject
    audiences: ['api://AzureADTokenExchange']
  }
}

output principalId string = identity.properties.principalId
output clientId string = identity.properties.clientId
