import { errno, FuseError } from '#fuse/errno.ts'

/** The outcome of `work`, or FuseError(ETIMEDOUT) when it takes longer: a caller that waits in the kernel can neither be stopped nor
 *  put to sleep, so nothing may wait for ever (spec 08, sections 2 and 3.16). The work itself goes on. */
export function withDeadline<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new FuseError(errno.ETIMEDOUT, `${what}: no answer from storage for ${timeoutMs} ms`)), timeoutMs)
    work.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
