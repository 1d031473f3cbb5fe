import { fuseNativeDriver } from './driver-fuse-native.ts'
import { kernelDriver } from './driver-kernel.ts'
import { MountError } from './errors.ts'
import type { FuseDriver } from './operations.ts'

/** In order of preference. */
export const drivers: readonly FuseDriver[] = [kernelDriver, fuseNativeDriver]

export const driverNames: readonly string[] = drivers.map((driver) => driver.name)

/** The driver of that name, or the first that can be used here. Throws MountError that says what is missing. */
export async function chooseDriver(name?: string): Promise<FuseDriver> {
  const wanted = name === undefined ? drivers : drivers.filter((driver) => driver.name === name)
  if (wanted.length === 0) throw new MountError(`There is no mount driver "${name}". Known: ${driverNames.join(', ')}.`)
  const reasons: string[] = []
  for (const driver of wanted) {
    const why = await driver.whyNot()
    if (why === undefined) return driver
    reasons.push(`${driver.name}: ${why}`)
  }
  throw new MountError(`Cannot mount here. ${reasons.join(' ')}`)
}
