import { UsageError } from '#base/errors.ts'
import { asObject, booleanOf, type JsonObject, stringOf } from '#base/json-read.ts'
import { pointInTimeMs } from '../point-in-time-option.ts'

export const what = 'the azure storage configuration'

/** `config` of an `azureBlob` ConnectionInfo; `json` is all of it, as given. Source: spec 04, 4.3.3. */
export interface AzureOptions {
  readonly json: JsonObject
  readonly container: string
  readonly prefix: string
  readonly account: string
  readonly key: string
  readonly sasToken: string
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: string
  readonly clientCertificate: string
  readonly federatedTokenFile: string
  /** URL of the service, with a slash at the end. */
  readonly url: string
  readonly atMs: number | undefined
}

/** Checks the `config` of an `azureBlob` ConnectionInfo. Throws UsageError or JsonShapeError. */
export function parseAzureOptions(given: unknown): AzureOptions {
  const json = asObject(given, what)
  const text = (name: string) => stringOf(json, name, what)
  const [container, account] = [text('container'), text('storageAccount')]
  if (container === '') throw new UsageError(`${what} has no container`)
  if (!/^[A-Za-z0-9-]+$/.test(account)) throw new UsageError(`${what} needs the name of the storage account, not "${account}"`)
  const domain = text('storageDomain') || 'blob.core.windows.net'
  if (/[/\s@?]/.test(domain)) throw new UsageError(`the storage domain must be a host, with a port if needed, not "${domain}"`)
  return {
    json,
    container,
    prefix: text('prefix'),
    account,
    key: text('storageKey'),
    sasToken: text('sasToken'),
    tenantId: text('TenantID'),
    clientId: text('ClientID'),
    clientSecret: text('ClientSecret'),
    clientCertificate: text('clientCertificate'),
    federatedTokenFile: text('azureFederatedTokenFile'),
    url: `${booleanOf(json, 'doNotUseTLS', what) ? 'http' : 'https'}://${account}.${domain}/`,
    atMs: pointInTimeMs(text('pointInTime'), what),
  }
}
