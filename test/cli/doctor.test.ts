import { expect, it } from 'vitest'
import { nativeAddon } from '#base/native.ts'
import { doctor } from '#cli/commands/doctor.ts'

async function output(): Promise<string> {
  const lines: string[] = []
  const context = { io: { out: (line: string) => lines.push(line) } } as unknown as Parameters<typeof doctor.run>[0]
  await doctor.run(context, {} as Parameters<typeof doctor.run>[1])
  return lines.join('\n')
}

it('says which code does the work', async () => {
  const addon = nativeAddon()
  expect(await output()).toMatch(addon ? `native addon: used, code path ${addon.cpu}` : 'native addon: not used')
})
