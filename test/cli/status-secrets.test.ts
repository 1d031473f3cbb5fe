import { expect, test } from 'vitest'
import { maskSecrets } from '#cli/print/status.ts'

test('secrets of every storage are masked, whatever the case of their names', () => {
  const secrets = {
    secretAccessKey: 'geheim',
    sessionToken: 'geheim',
    webIdentityToken: 'geheim',
    storageKey: 'geheim',
    sasToken: 'geheim',
    ClientSecret: 'geheim',
    clientCertificate: 'geheim',
    key: 'geheim',
    password: 'geheim',
    keyData: 'geheim',
  }
  const shown = maskSecrets({ bucket: 'b', ...secrets }) as Record<string, unknown>
  expect(shown).toEqual({ bucket: 'b', ...Object.fromEntries(Object.keys(secrets).map((name) => [name, '******'])) })
})

test('a secret that is no text is left out', () => {
  expect(maskSecrets({ bucket: 'b', credentials: { private_key: 'geheim' } })).toEqual({ bucket: 'b' })
})
