import { defineStorage, pointInTimeFlag, pointInTimeOf, prefixFlag, withoutEmpty } from './provider.ts'

/** A container of Azure Blob Storage (spec 04, 4.3.3). */
export const azureStorage = defineStorage({
  type: 'azureBlob',
  flags: [
    { name: 'container', type: 'string', required: true, describe: 'Container' },
    { name: 'storage-account', type: 'string', env: 'AZURE_STORAGE_ACCOUNT', required: true, describe: 'Storage account' },
    { name: 'storage-key', type: 'string', env: 'AZURE_STORAGE_KEY', describe: 'Key of the account' },
    {
      name: 'storage-domain',
      type: 'string',
      env: 'AZURE_STORAGE_DOMAIN',
      describe: 'Domain of the service, if not blob.core.windows.net',
    },
    { name: 'sas-token', type: 'string', env: 'AZURE_STORAGE_SAS_TOKEN', describe: 'Shared access signature' },
    prefixFlag,
    { name: 'tenant-id', type: 'string', env: 'AZURE_TENANT_ID', describe: 'Tenant of a service principal' },
    { name: 'client-id', type: 'string', env: 'AZURE_CLIENT_ID', describe: 'Service principal' },
    { name: 'client-secret', type: 'string', env: 'AZURE_CLIENT_SECRET', describe: 'Secret of the service principal' },
    {
      name: 'client-cert',
      type: 'string',
      env: 'AZURE_CLIENT_CERTIFICATE',
      describe: 'Certificate and key of the service principal, PEM text',
    },
    {
      name: 'azure-federated-token-file',
      type: 'string',
      env: 'AZURE_FEDERATED_TOKEN_FILE',
      describe: 'File with the token of a workload identity',
    },
    pointInTimeFlag,
  ],
  config: async (values, { use }) => ({
    container: values.container,
    ...withoutEmpty({
      prefix: values.prefix,
      storageAccount: values['storage-account'],
      storageKey: values['storage-key'],
      sasToken: values['sas-token'],
      TenantID: values['tenant-id'],
      ClientID: values['client-id'],
      ClientSecret: values['client-secret'],
      clientCertificate: values['client-cert'],
      azureFederatedTokenFile: values['azure-federated-token-file'],
      storageDomain: values['storage-domain'],
      pointInTime: pointInTimeOf(values['point-in-time'], use),
    }),
  }),
})
