// The resource group of one environment.
targetScope = 'subscription'

param name string
param location string

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: name
  location: location
}
