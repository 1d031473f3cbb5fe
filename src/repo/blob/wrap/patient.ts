import { defaultRetryPolicy, retryTransient } from './retry.ts'

/** Tries what no wrapper tries again (opening, a page of a listing) a few times, about 2 s long. Errors are as of retryTransient. */
export const patient = <T>(what: string, action: () => Promise<T>): Promise<T> =>
  retryTransient(what, { ...defaultRetryPolicy, attempts: 6, maxSleepMs: 800 }, action)
