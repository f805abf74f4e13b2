// Both environments. Settings are read from the files that the pipelines read, when the template is compiled; variables
// of the shell do not override them, so that what exists is what the repository says.
// Compile: az bicep build --file infra/main.bicep --stdout
targetScope = 'subscription'

var settings = loadYamlContent('../variables.yml').variables
var production = loadYamlContent('../environments/production.yml').variables
var own = loadYamlContent('settings.yml').variables

var hasProduction = !empty(production.AZUREML_PRODUCTION_WORKSPACE_NAME)
var productionGroup = empty(production.PRODUCTION_RESOURCE_GROUP) ? settings.AZURE_RESOURCE_GROUP : production.PRODUCTION_RESOURCE_GROUP
var productionSubscription = empty(production.PRODUCTION_SUBSCRIPTION_ID) ? settings.AZURE_SUBSCRIPTION_ID : production.PRODUCTION_SUBSCRIPTION_ID

module trainingResourceGroup 'group.bicep' = {
  name: 'training-group'
  scope: subscription(settings.AZURE_SUBSCRIPTION_ID)
  params: {
    name: settings.AZURE_RESOURCE_GROUP
    location: own.LOCATION
  }
}

// It may be the same group: then both modules declare it alike, one after the other.
module productionResourceGroup 'group.bicep' = if (hasProduction) {
  name: 'production-group'
  scope: subscription(productionSubscription)
  dependsOn: [trainingResourceGroup]
  params: {
    name: productionGroup
    location: own.LOCATION
  }
}

module training 'environment.bicep' = {
  name: 'training-environment'
  scope: resourceGroup(settings.AZURE_SUBSCRIPTION_ID, settings.AZURE_RESOURCE_GROUP)
  dependsOn: [trainingResourceGroup]
  params: {
    workspaceName: settings.AZUREML_WORKSPACE_NAME
    location: own.LOCATION
    connectionName: settings.TRAINING_CONNECTION
    issuer: own.TRAINING_ISSUER
    subject: own.TRAINING_SUBJECT
  }
}

module cluster 'cluster.bicep' = {
  name: 'training-cluster'
  scope: resourceGroup(settings.AZURE_SUBSCRIPTION_ID, settings.AZURE_RESOURCE_GROUP)
  params: {
    workspaceName: settings.AZUREML_WORKSPACE_NAME
    registryName: training.outputs.registryName
    location: own.LOCATION
    name: settings.COMPUTE_NAME
    vmSize: settings.COMPUTE_VM_SIZE
    maxNodes: int(settings.COMPUTE_MAX_NODES)
  }
}

module productionEnvironment 'environment.bicep' = if (hasProduction) {
  name: 'production-environment'
  scope: resourceGroup(productionSubscription, productionGroup)
  dependsOn: [productionResourceGroup]
  params: {
    workspaceName: production.AZUREML_PRODUCTION_WORKSPACE_NAME
    location: own.LOCATION
    connectionName: settings.PRODUCTION_CONNECTION
    issuer: own.PRODUCTION_ISSUER
    subject: own.PRODUCTION_SUBJECT
  }
}

// A release reads the accepted model in the training workspace and marks it there as the champion; a trial runs there.
module othersInTraining 'access.bicep' = {
  name: 'others-in-training'
  scope: resourceGroup(settings.AZURE_SUBSCRIPTION_ID, settings.AZURE_RESOURCE_GROUP)
  dependsOn: [training]
  params: {
    workspaceName: settings.AZUREML_WORKSPACE_NAME
    productionPrincipalId: hasProduction ? productionEnvironment!.outputs.connectionPrincipalId : ''
    trialPrincipalId: trial.outputs.principalId
  }
}

module trial 'identity.bicep' = {
  name: 'trial-connection'
  scope: resourceGroup(settings.AZURE_SUBSCRIPTION_ID, settings.AZURE_RESOURCE_GROUP)
  dependsOn: [trainingResourceGroup]
  params: {
    name: '${settings.AZUREML_WORKSPACE_NAME}-trial'
    location: own.LOCATION
    connectionName: settings.TRIAL_CONNECTION
    issuer: own.TRIAL_ISSUER
    subject: own.TRIAL_SUBJECT
  }
}

module reader 'identity.bicep' = {
  name: 'reader-connection'
  scope: resourceGroup(settings.AZURE_SUBSCRIPTION_ID, settings.AZURE_RESOURCE_GROUP)
  dependsOn: [trainingResourceGroup]
  params: {
    name: '${settings.AZUREML_WORKSPACE_NAME}-reader'
    location: own.LOCATION
    connectionName: settings.READER_CONNECTION
    issuer: own.READER_ISSUER
    subject: own.READER_SUBJECT
  }
}

module readerInTraining 'reader.bicep' = {
  name: 'reader-in-training'
  scope: resourceGroup(settings.AZURE_SUBSCRIPTION_ID, settings.AZURE_RESOURCE_GROUP)
  dependsOn: [training]
  params: {
    workspaceName: settings.AZUREML_WORKSPACE_NAME
    principalId: reader.outputs.principalId
  }
}

module readerInProduction 'reader.bicep' = if (hasProduction) {
  name: 'reader-in-production'
  scope: resourceGroup(productionSubscription, productionGroup)
  dependsOn: [productionEnvironment]
  params: {
    workspaceName: production.AZUREML_PRODUCTION_WORKSPACE_NAME
    principalId: reader.outputs.principalId
  }
}

output trainingClientId string = training.outputs.connectionClientId
output productionClientId string = hasProduction ? productionEnvironment!.outputs.connectionClientId : ''
output readerClientId string = reader.outputs.clientId
output trialClientId string = trial.outputs.clientId
