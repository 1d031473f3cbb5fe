import { afterEach, expect, test } from 'vitest'
import { keyringPasswordStore, keyringService } from '#repo/repository/keyring.ts'

const bus = process.env['DBUS_SESSION_BUS_ADDRESS']
afterEach(() => {
  if (bus === undefined) delete process.env['DBUS_SESSION_BUS_ADDRESS']
  else process.env['DBUS_SESSION_BUS_ADDRESS'] = bus
})

test('an item is named by the file and the path of the configuration', () => {
  expect(keyringService('/home/user/.config/kopia/repository.config')).toBe('repository.config-960f41e1b651feb4')
})

test('where no Secret Service answers, the keyring holds nothing and takes nothing', async () => {
  process.env['DBUS_SESSION_BUS_ADDRESS'] = 'unix:path=/nowhere'
  expect(await keyringPasswordStore.write('/c', 'secret')).toBe(false)
  expect(await keyringPasswordStore.read('/c')).toBeUndefined()
  await keyringPasswordStore.delete('/c')
})
