import { CommandError } from '#cli/exit.ts'
import { defineCommand } from '#cli/flag.ts'

const defaultConcurrencyNs = 30_000_000_000n

export const validateProvider = defineCommand({
  flags: [
    { name: 'num-storage-connections', type: 'int', describe: 'Connections to use (5)' },
    { name: 'concurrency-test-duration', type: 'duration', describe: 'How long to read and write at once (30s)' },
    { name: 'put-blob-workers', type: 'int', describe: 'How many write at once (3)' },
    { name: 'get-blob-workers', type: 'int', describe: 'How many read at once (3)' },
    { name: 'get-metadata-workers', type: 'int', describe: 'How many look at once (3)' },
  ],
  async run(c, values) {
    const repository = await c.openDirect()
    if (repository.client.readOnly) throw new CommandError('the connection is read-only: a storage can only be tested by writing to it')
    if (c.env['KOPIA_SKIP_PROVIDER_VALIDATION']) return
    const [{ validateStorage }, { openStorage }, { retrying }] = await Promise.all([
      import('#repo/blob/validate.ts'),
      import('#repo/blob/registry.ts'),
      import('#repo/blob/wrap/retry.ts'),
    ])
    const connect = async () => retrying()(await openStorage(repository.blobs.connection, false))
    // Not on the repository's own: its log would be left behind there.
    const storage = await connect()
    const options = {
      connections: values['num-storage-connections'] ?? 5,
      concurrencyMs: Number((values['concurrency-test-duration'] ?? defaultConcurrencyNs) / 1_000_000n),
      putWorkers: values['put-blob-workers'] ?? 3,
      getWorkers: values['get-blob-workers'] ?? 3,
      statWorkers: values['get-metadata-workers'] ?? 3,
      say: (line: string) => c.log.info(line),
    }
    await validateStorage(storage, connect, options).finally(() => storage.close())
  },
})
