import type { ContainerClient, RequestPolicyFactory } from '@azure/storage-blob'
import { systemClock } from '#base/clock.ts'
import { UsageError } from '#base/errors.ts'
import { endStalled, httpAgents } from '../http/agent.ts'
import { keptToken } from '../http/oauth.ts'
import { proxyFor } from '../http/proxy.ts'
import { type AzureOptions, what } from './options.ts'
import { servicePrincipal } from './service-principal.ts'

/** A connection on which nothing moves is given up after this time. */
const defaultStallMs = 60_000
/** Through a proxy the SDK makes its own connections, which know no such limit: then a request may take so long in all. */
const proxiedTryMs = 300_000

const settingsFor = (host: string) => ({
  retryOptions: { maxTries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 2000, ...(proxyFor(host) ? { tryTimeoutInMs: proxiedTryMs } : {}) },
  userAgentOptions: { userAgentPrefix: 'kura' },
})

/** A client for one container, by the first kind of credentials that the connection has: SAS, key, service principal. Throws UsageError when
 *  it has none. Source: spec 04, 4.3.3. */
export async function azureClient(options: AzureOptions, stallMs = defaultStallMs): Promise<ContainerClient> {
  const { AnonymousCredential, BlobServiceClient, newPipeline, StorageSharedKeyCredential } = await import('@azure/storage-blob')
  const service = (url: string, credential: Parameters<typeof newPipeline>[0]) => {
    const pipeline = newPipeline(credential, settingsFor(new URL(options.url).hostname))
    pipeline.factories.push(watched(stallMs))
    return new BlobServiceClient(url, pipeline)
  }
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

/** Sends requests over connections that end when nothing moves on them. */
function watched(stallMs: number): RequestPolicyFactory {
  const { http, https } = httpAgents()
  const agents = { http: endStalled(http, stallMs), https: endStalled(https, stallMs) }
  return {
    create: (next) => ({
      sendRequest(request) {
        request.agent = request.url.startsWith('http:') ? agents.http : agents.https
        return next.sendRequest(request)
      },
    }),
  }
}
