import type { ContainerClient } from '@azure/storage-blob'
import { systemClock } from '#base/clock.ts'
import { UsageError } from '#base/errors.ts'
import { keptToken } from '../http/oauth.ts'
import { type AzureOptions, what } from './options.ts'
import { servicePrincipal } from './service-principal.ts'

const limits = {
  retryOptions: { maxTries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 2000, tryTimeoutInMs: 300_000 },
  userAgentOptions: { userAgentPrefix: 'kura' },
}

/** A client for one container, by the first kind of credentials that the connection has: SAS, key, service principal. Throws UsageError when
 *  it has none. Source: spec 04, 4.3.3. */
export async function azureClient(options: AzureOptions): Promise<ContainerClient> {
  const { AnonymousCredential, BlobServiceClient, newPipeline, StorageSharedKeyCredential } = await import('@azure/storage-blob')
  const service = (url: string, credential: Parameters<typeof newPipeline>[0]) =>
    new BlobServiceClient(url, newPipeline(credential, limits))
  if (options.sasToken)
    return service(`${options.url}?${options.sasToken.replace(/^\?/, '')}`, new AnonymousCredential()).getContainerClient(options.container)
  if (options.key)
    return service(options.url, new StorageSharedKeyCredential(options.account, options.key)).getContainerClient(options.container)
  const principal = servicePrincipal(options)
  if (!principal)
    throw new UsageError(
      `${what} has no credentials: give --sas-token, or --storage-key, or --tenant-id and --client-id with --client-secret, --client-cert or --azure-federated-token-file`,
    )
  const token = keptToken(principal)
  const credential = { getToken: async () => ({ token: await token(), expiresOnTimestamp: systemClock.nowMs() + 60_000 }) }
  return service(options.url, credential).getContainerClient(options.container)
}
